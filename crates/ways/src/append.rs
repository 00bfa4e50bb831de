//! `Append`: the seam behind which records are written.

use std::fmt;

use futures::FutureExt;
use futures::future::BoxFuture;
use quix_model::Outgoing;

/// The server's own writes. Whatever holds for a call of the Writer API holds here: limits of sizes, names and backlog,
/// how a topic is set to be written, whether unknown ones are made, and what is counted.
pub trait Append: fmt::Debug + Send + Sync + 'static {
    /// Hands the records of one model over: done when they are, in the order of these calls for one stream, if each is
    /// awaited before the next. What it gives is done when all of them are durable. `topic` is a name or an id.
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a>;

    /// The same, done when durable.
    fn append<'a>(
        &'a self,
        topic: &'a str,
        stream_id: &'a str,
        outgoing: Outgoing<'a>,
    ) -> BoxFuture<'a, Result<(), AppendError>> {
        async move { self.hand_over(topic, stream_id, outgoing).await?.await }.boxed()
    }

    /// How long a name may be, in bytes: what nobody would take need not be made. Default 1 KiB, the server's own default of
    /// `limits.name_size`.
    fn max_name_bytes(&self) -> usize {
        1024
    }
}

/// Done when it is handed over.
pub type HandedOver<'a> = BoxFuture<'a, Result<Durable, AppendError>>;

/// Done when what was handed over is durable.
pub type Durable = BoxFuture<'static, Result<(), AppendError>>;

/// Why a write was not acknowledged. The texts are the server's, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There is no such topic and it is not to be made; nothing was written.
    #[error("{0}")]
    UnknownTopic(String),
    /// The record is larger than the topic or the server takes; nothing was written.
    #[error("{0}")]
    TooLarge(String),
    /// The same would be refused again for another reason, such as a name that is too long; nothing was written.
    #[error("{0}")]
    Refused(String),
    /// Nothing was written; the same may be taken a moment later.
    #[error("{0}")]
    BacklogFull(String),
    /// The broker cannot be reached or has failed. Nothing was written; the same may be taken later.
    #[error("{0}")]
    BrokerAway(String),
    /// Written or not, nobody can say. To write it again may double it.
    #[error("{0}")]
    OutcomeUnknown(String),
}

impl AppendError {
    /// Whether the same may be taken later: nothing is wrong with the record itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::BacklogFull(_) | Self::BrokerAway(_) | Self::OutcomeUnknown(_))
    }
}
