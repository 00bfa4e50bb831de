//! Writes: from the model of one call to records at the broker, and the answer when all of them are durable.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryFutureExt;
use kafka_bridge::broker::{Ack, AckError, NotWritten, Stored};
use kafka_bridge::record::NewRecord;
use quix_model::{Outgoing, RecordBuffer, Splitting, WriteForm, WriteSettings};

use crate::errors::WriteFailure;
use crate::gateway::Gateway;
use crate::names::check_names;
use crate::topics::{Topic, TopicDirectory};
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
        let call = Call { topic, stream_id, outgoing, mark: None };
        Ok(self.make(call)?.settled(self.topics.clone()).map_ok(drop))
    }

    /// The same with a header beside those of the form, for whoever has to know its records again. They are never split. The
    /// future tells where the last one is; `None`: the form leaves out what was to be written.
    ///
    /// An error means that nothing was or will be stored.
    pub fn append_marked(
        &self,
        topic: &Topic,
        stream_id: &str,
        outgoing: Outgoing<'_>,
        mark: (&str, &str),
    ) -> Result<impl Future<Output = Result<Option<Stored>, WriteFailure>> + Send + use<>, WriteFailure> {
        let call = Call { topic, stream_id, outgoing, mark: Some(mark) };
        Ok(self.make(call)?.settled(self.topics.clone()))
    }

    fn make(&self, call: Call<'_>) -> Result<HandedOver, WriteFailure> {
        let handed_over = self.check(call.topic, call.stream_id, &call.outgoing).and_then(|settings| {
            RECORDS.with_borrow_mut(|records| {
                let handed_over = match call.mark {
                    None => self.hand_over(call, settings, records),
                    Some(_) => {
                        let whole = WriteSettings { splitting: Splitting::Refuse, ..settings.clone() };
                        self.hand_over(call, &whole, records)
                    }
                };
                records.shrink_to(KEPT_BYTES);
                handed_over
            })
        });
        handed_over.inspect_err(|failure| self.metrics.write_refused(failure))
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
        call: Call<'_>,
        settings: &WriteSettings,
        records: &mut RecordBuffer,
    ) -> Result<HandedOver, WriteFailure> {
        let Call { topic, stream_id, outgoing, mark } = call;
        let is_alone = settings.form != WriteForm::Json && settings.splitting == Splitting::Refuse;
        let split_id = if is_alone { 0 } else { self.series.split_id.fetch_add(1, Ordering::Relaxed) };
        settings.records_into(records, outgoing, stream_id, split_id)?;
        let in_a_row = || self.series.in_a_row.lock().unwrap_or_else(PoisonError::into_inner);
        let _in_a_row = (!is_alone).then(in_a_row);
        let marked = mark.map(|mark| [records.headers(), &[mark]].concat());
        let headers = marked.as_deref().unwrap_or(records.headers());
        let mut handed_over = HandedOver::default();
        for value in records.values() {
            let record = NewRecord { key: Some(stream_id.as_bytes()), value, headers };
            let appended = self.broker.append(&topic.name, record);
            match appended.inspect_err(|error| self.topics.note(error)) {
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

/// What is to be written.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    topic: &'a Topic,
    stream_id: &'a str,
    outgoing: Outgoing<'a>,
    /// A header.
    mark: Option<(&'a str, &'a str)>,
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

    /// Where the last of them is.
    async fn settled(self, topics: Arc<TopicDirectory>) -> Result<Option<Stored>, WriteFailure> {
        let Some(first) = self.first else { return Ok(None) };
        let first = settled(first, &topics).await;
        match self.rest {
            None => first,
            Some(rest) => Box::pin(rest.settled_after(first, &topics)).await,
        }
    }
}

impl Rest {
    async fn settled_after(
        self,
        first: Result<Option<Stored>, WriteFailure>,
        topics: &TopicDirectory,
    ) -> Result<Option<Stored>, WriteFailure> {
        let mut answers = vec![first];
        for ack in self.acks {
            answers.push(settled(ack, topics).await);
        }
        answers.extend(self.refused.map(|error| Err(error.into())));
        whole(answers)
    }
}

/// Kafka tells only here that a topic is gone.
async fn settled(ack: Ack, topics: &TopicDirectory) -> Result<Option<Stored>, WriteFailure> {
    let answer = ack.await;
    if let Err(AckError::NotWritten(error)) = &answer {
        topics.note(error);
    }
    Ok(answer.map(Some)?)
}

/// The answer for all: part of a call may be stored only where nobody can say what is.
fn whole<T>(answers: Vec<Result<Option<T>, WriteFailure>>) -> Result<Option<T>, WriteFailure> {
    let is_nothing = |answer: &Result<_, _>| matches!(answer, Err(WriteFailure::NotWritten(_)));
    if !answers.iter().all(Result::is_ok) && !answers.iter().all(is_nothing) {
        return Err(WriteFailure::OutcomeUnknown);
    }
    answers.into_iter().try_fold(None, |_, answer| answer)
}

thread_local! {
    /// Brokers copy what they are handed, so the records of all calls of a thread are written in one buffer.
    static RECORDS: RefCell<RecordBuffer> = RefCell::default();
}

/// What a thread keeps of its buffer.
const KEPT_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use access::Right;
    use kafka_bridge::broker::Broker as _;
    use kafka_bridge::feed::Feeds;
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::misbehaving::MisbehavingBroker;

    use super::*;
    use crate::gateway::Settings;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_topic_that_turns_out_to_be_gone_is_looked_for_again() {
        let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
        broker.create_topic("t", None).await.unwrap();
        let feeds = Feeds::new(broker.clone(), std::time::Duration::from_secs(1));
        let gateway = Gateway::new(broker.clone(), feeds, Settings::default(), Metrics::default());
        let visitor = Visitor::anybody();
        let is_known = || gateway.topics.known(&visitor, Right::Write, "t").is_some();
        let write = async || gateway.write(&visitor, "t", "s", Outgoing::Json("1")).await.unwrap().await;
        for (refusal, stays_known) in [(NotWritten::Unavailable, true), (NotWritten::UnknownTopic("t".into()), false)] {
            broker.refuse_in_acks(Some(refusal.clone()));
            assert_eq!(write().await, Err(WriteFailure::NotWritten(refusal)));
            assert_eq!(is_known(), stays_known);
        }
        broker.refuse_in_acks(None);
        assert_eq!(write().await, Ok(()));
        assert!(is_known());
    }

    #[test]
    fn a_call_of_several_records_is_unknown_as_soon_as_part_of_it_may_be_stored() {
        const REFUSED: WriteFailure = WriteFailure::NotWritten(NotWritten::Unavailable);
        const UNKNOWN: WriteFailure = WriteFailure::OutcomeUnknown;
        for (answers, outcome) in [
            (vec![Ok(Some(1)), Ok(Some(2))], Ok(Some(2))),
            (vec![Err(REFUSED), Err(REFUSED)], Err(REFUSED)),
            (vec![Ok(Some(1)), Err(REFUSED)], Err(UNKNOWN)),
            (vec![Err(REFUSED), Ok(Some(2))], Err(UNKNOWN)),
            (vec![Err(UNKNOWN), Err(REFUSED)], Err(UNKNOWN)),
            (vec![Ok(Some(1)), Err(UNKNOWN)], Err(UNKNOWN)),
        ] {
            assert_eq!(whole(answers.clone()), outcome, "{answers:?}");
        }
    }
}
