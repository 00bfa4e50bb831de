//! Writes: from the model of one call to records at the broker, and the answer when all of them are durable.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use kafka_bridge::broker::{Ack, NotWritten};
use kafka_bridge::record::NewRecord;
use quix_model::{Outgoing, RecordBuffer, Splitting, WriteForm, WriteSettings};

use crate::errors::WriteFailure;
use crate::gateway::Gateway;
use crate::names::check_names;
use crate::topics::Topic;
use crate::visitor::Visitor;

/// What calls of several records share.
#[derive(Debug)]
pub(crate) struct Series {
    /// Held while the records of one call are handed over, so that nothing comes between them.
    in_a_row: Mutex<()>,
    /// Of the next split value.
    split_id: AtomicU32,
    warned_of_slashes: AtomicBool,
}

impl Default for Series {
    fn default() -> Self {
        let start = uuid::Uuid::new_v4().as_u128() as u32;
        Self { in_a_row: Mutex::default(), split_id: start.into(), warned_of_slashes: false.into() }
    }
}

impl Gateway {
    /// Writes to a topic, told by name or id, as a call of the Writer API does: with its limits, settings and metrics. Done
    /// when the records are handed over; the future it gives is done when all of them are durable.
    ///
    /// An error means that nothing was or will be stored.
    pub async fn write(
        &self,
        visitor: &Visitor,
        topic: &str,
        stream_id: &str,
        outgoing: Outgoing<'_>,
    ) -> Result<impl Future<Output = Result<(), WriteFailure>> + Send + use<>, WriteFailure> {
        let topic = self.topic_to_write(visitor, topic).await?;
        self.append(&topic, stream_id, outgoing)
    }

    /// Hands the records of one call over; the future is done when all of them are durable.
    ///
    /// Records of one stream are stored in the order of these calls. An error means that nothing was or will be stored.
    pub(crate) fn append(
        &self,
        topic: &Topic,
        stream_id: &str,
        outgoing: Outgoing<'_>,
    ) -> Result<impl Future<Output = Result<(), WriteFailure>> + Send + use<>, WriteFailure> {
        let handed_over = self.check(topic, stream_id, &outgoing).and_then(|settings| {
            RECORDS.with_borrow_mut(|records| {
                let handed_over = self.hand_over(topic, stream_id, outgoing, settings, records);
                records.shrink_to(KEPT_BYTES);
                handed_over
            })
        });
        let handed_over = handed_over.inspect_err(|failure| self.metrics.write_refused(failure))?;
        Ok(handed_over.settled())
    }

    fn check(&self, topic: &Topic, stream_id: &str, outgoing: &Outgoing<'_>) -> Result<&WriteSettings, WriteFailure> {
        check_names(stream_id, outgoing, self.settings.max_name_bytes).inspect_err(|failure| {
            if matches!(failure, WriteFailure::NameTooLong { .. }) {
                self.metrics.limit_hit("names");
            }
        })?;
        let settings = self.settings.writes.of(&topic.name);
        let has_slash = settings.check_stream_id(stream_id)?;
        if has_slash && !self.series.warned_of_slashes.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                topic = topic.name,
                "a stream with a slash in its id was written: Quix Streams before 0.6.3 shows it under another id; \
                 further ones are not told"
            );
        }
        Ok(settings)
    }

    fn hand_over(
        &self,
        topic: &Topic,
        stream_id: &str,
        outgoing: Outgoing<'_>,
        settings: &WriteSettings,
        records: &mut RecordBuffer,
    ) -> Result<HandedOver, WriteFailure> {
        let is_alone = settings.form != WriteForm::Json && settings.splitting == Splitting::Refuse;
        let split_id = if is_alone { 0 } else { self.series.split_id.fetch_add(1, Ordering::Relaxed) };
        settings.records_into(records, outgoing, stream_id, split_id)?;
        let in_a_row = || self.series.in_a_row.lock().unwrap_or_else(PoisonError::into_inner);
        let _in_a_row = (!is_alone).then(in_a_row);
        let mut handed_over = HandedOver::default();
        for value in records.values() {
            let record = NewRecord { key: Some(stream_id.as_bytes()), value, headers: records.headers() };
            let appended = self.broker.append(&topic.name, record);
            match appended.inspect_err(|error| self.topics.note(topic, error)) {
                Ok(ack) if handed_over.first.is_none() => handed_over.first = Some(ack),
                Ok(ack) => handed_over.rest().acks.push(ack),
                Err(error) if handed_over.first.is_none() => return Err(error.into()),
                Err(error) => {
                    handed_over.rest().refused = Some(error);
                    break;
                }
            }
        }
        Ok(handed_over)
    }
}

/// Records of one call on their way. Nearly always it is one, so the others take no room in the call.
#[derive(Debug, Default)]
struct HandedOver {
    first: Option<Ack>,
    rest: Option<Box<Rest>>,
}

#[derive(Debug, Default)]
struct Rest {
    acks: Vec<Ack>,
    /// Why the next was not taken.
    refused: Option<NotWritten>,
}

impl HandedOver {
    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    async fn settled(self) -> Result<(), WriteFailure> {
        let Some(first) = self.first else { return Ok(()) };
        let first = settled(first).await;
        match self.rest {
            None => first,
            Some(rest) => Box::pin(rest.settled_after(first)).await,
        }
    }
}

impl Rest {
    async fn settled_after(self, first: Result<(), WriteFailure>) -> Result<(), WriteFailure> {
        let mut answers = vec![first];
        for ack in self.acks {
            answers.push(settled(ack).await);
        }
        answers.extend(self.refused.map(|error| Err(error.into())));
        whole(answers)
    }
}

async fn settled(ack: Ack) -> Result<(), WriteFailure> {
    Ok(ack.await.map(drop)?)
}

/// The answer for all: part of a call may be stored only where nobody can say what is.
fn whole(answers: Vec<Result<(), WriteFailure>>) -> Result<(), WriteFailure> {
    let is_nothing = |answer: &Result<(), WriteFailure>| matches!(answer, Err(WriteFailure::NotWritten(_)));
    if !answers.iter().all(Result::is_ok) && !answers.iter().all(is_nothing) {
        return Err(WriteFailure::OutcomeUnknown);
    }
    answers.into_iter().collect()
}

thread_local! {
    /// Brokers copy what they are handed, so the records of all calls of a thread are written in one buffer.
    static RECORDS: RefCell<RecordBuffer> = RefCell::default();
}

/// What a thread keeps of its buffer.
const KEPT_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_several_records_is_unknown_as_soon_as_part_of_it_may_be_stored() {
        const REFUSED: WriteFailure = WriteFailure::NotWritten(NotWritten::Unavailable);
        const UNKNOWN: WriteFailure = WriteFailure::OutcomeUnknown;
        for (answers, outcome) in [
            (vec![Ok(()), Ok(())], Ok(())),
            (vec![Err(REFUSED), Err(REFUSED)], Err(REFUSED)),
            (vec![Ok(()), Err(REFUSED)], Err(UNKNOWN)),
            (vec![Err(REFUSED), Ok(())], Err(UNKNOWN)),
            (vec![Err(UNKNOWN), Err(REFUSED)], Err(UNKNOWN)),
            (vec![Ok(()), Err(UNKNOWN)], Err(UNKNOWN)),
        ] {
            assert_eq!(whole(answers.clone()), outcome, "{answers:?}");
        }
    }
}
