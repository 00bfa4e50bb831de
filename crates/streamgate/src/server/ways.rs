//! What the ways in write through: the gateway, as nobody else but the server's operator.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_bridge::broker::{CreateTopicError, NotWritten};
use quix_gateway::{Failure, Gateway, Visitor, WriteFailure};
use quix_model::{Outgoing, WriteError};
use ways::{Append, AppendError, Durable};

/// The gateway's writes. Their topics are named in the settings, so no token is asked for.
#[derive(Debug)]
pub(super) struct Writes(pub(super) Arc<Gateway>);

impl Append for Writes {
    fn hand_over<'a>(
        &'a self,
        topic: &'a str,
        stream_id: &'a str,
        outgoing: Outgoing<'a>,
    ) -> BoxFuture<'a, Result<Durable, AppendError>> {
        async move {
            let visitor = Visitor::anybody();
            let durable = self.0.write(&visitor, topic, stream_id, outgoing).await.map_err(told)?;
            Ok(durable.map(|stored| stored.map_err(told)).boxed())
        }
        .boxed()
    }
}

fn told(failure: WriteFailure) -> AppendError {
    let text = failure.to_string();
    match failure {
        WriteFailure::OutcomeUnknown => AppendError::OutcomeUnknown(text),
        WriteFailure::NotWritten(NotWritten::UnknownTopic(_)) | WriteFailure::Topic(Failure::UnknownTopic(_)) => {
            AppendError::UnknownTopic(text)
        }
        WriteFailure::NotWritten(NotWritten::TooLarge { .. }) | WriteFailure::Model(WriteError::TooLarge { .. }) => {
            AppendError::TooLarge(text)
        }
        WriteFailure::NotWritten(NotWritten::BacklogFull) => AppendError::BacklogFull(text),
        WriteFailure::NotWritten(NotWritten::Refused(_)) => AppendError::Refused(text),
        WriteFailure::NotWritten(NotWritten::DiskFull | NotWritten::LogFailed | NotWritten::Unavailable)
        | WriteFailure::Topic(Failure::Read(_) | Failure::Broker(_) | Failure::Create(CreateTopicError::Broker(_))) => {
            AppendError::BrokerAway(text)
        }
        WriteFailure::Topic(_)
        | WriteFailure::NameTooLong { .. }
        | WriteFailure::ReservedStream
        | WriteFailure::Model(_) => AppendError::Refused(text),
    }
}
