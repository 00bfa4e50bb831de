//! What the ways in write through: the gateway, as nobody else but the server's operator.

use std::sync::Arc;

use futures::FutureExt;
use kafka_bridge::broker::NotWritten;
use quix_gateway::{Failure, Gateway, Visitor, WriteFailure};
use quix_model::{Outgoing, WriteError};
use ways::{Append, AppendError, HandedOver};

/// The gateway's writes. Their topics are named in the settings, so no token is asked for.
#[derive(Debug)]
pub(super) struct Writes(pub(super) Arc<Gateway>);

impl Append for Writes {
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a> {
        async move {
            let visitor = Visitor::anybody();
            let durable = self.0.write(&visitor, topic, stream_id, outgoing).await.map_err(told)?;
            Ok(durable.map(|stored| stored.map_err(told)).boxed())
        }
        .boxed()
    }

    fn max_name_bytes(&self) -> usize {
        self.0.max_name_bytes()
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
        // What the broker refuses, such as for want of a right, and a topic that cannot be, the operator can mend.
        WriteFailure::NotWritten(_) | WriteFailure::Topic(_) => AppendError::BrokerAway(text),
        WriteFailure::NameTooLong { .. } | WriteFailure::ReservedStream | WriteFailure::Model(_) => {
            AppendError::Refused(text)
        }
    }
}
