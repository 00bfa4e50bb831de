//! `Producer`: the one producer of the process. Delivery reports decide what a caller hears; a fatal error replaces it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::backlog::{Backlog, Place};
use super::health::{HealthState, log, note_error};
use super::limits::Limits;
use super::lookup::{code_of, is_missing};
use super::settings::SettingsError;
use crate::broker::{Ack, AckError, NotWritten, Stored};
use crate::metrics::{Cause, Metrics};
use crate::record::NewRecord;

/// Hands records to librdkafka and its reports to callers.
pub(super) struct Producer {
    make: Make,
    current: RwLock<Arc<Client>>,
    replacing: Mutex<()>,
    shared: Arc<Shared>,
}

type Client = ThreadedProducer<Delivery>;

/// Makes a client for the producer in the cell.
type Make = Box<dyn Fn(&Arc<Shared>, OwnerCell) -> Result<Client, KafkaError> + Send + Sync>;

/// What outlives a single client.
struct Shared {
    backlog: Arc<Backlog>,
    limits: Arc<Limits>,
    metrics: Metrics,
    health: Arc<HealthState>,
    message_max_bytes: usize,
}

impl Producer {
    pub(super) fn new(
        config: ClientConfig,
        message_max_bytes: usize,
        backlog: Arc<Backlog>,
        limits: Arc<Limits>,
        health: Arc<HealthState>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, SettingsError> {
        let shared = Arc::new(Shared { backlog, limits, metrics, health, message_max_bytes });
        let make = move |shared: &Arc<Shared>, owner| config.create_with_context(Delivery::new(shared, owner));
        Self::of(Box::new(make), shared).map_err(SettingsError::of_client)
    }

    fn of(make: Make, shared: Arc<Shared>) -> Result<Arc<Self>, KafkaError> {
        let owner = OwnerCell::default();
        let current = RwLock::new(Arc::new(make(&shared, owner.clone())?));
        let producer = Arc::new(Self { make, current, replacing: Mutex::default(), shared });
        owner.set(&producer);
        Ok(producer)
    }

    /// Hands a record over. Records handed over one after the other enter librdkafka in that order.
    pub(super) fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        self.try_append(topic, record).inspect_err(|error| self.shared.metrics.count_refused(error))
    }

    /// Waits until nothing of what was handed over so far is outstanding, at most `timeout`. Whether it came to that.
    pub(super) async fn flush(&self, timeout: Duration) -> bool {
        // What is left is counted in the metrics.
        tokio::time::timeout(timeout, self.shared.backlog.flushed()).await.is_ok()
    }

    /// Lets the producer hear of a topic just made, should it have asked too early. Blocks.
    pub(super) fn hear_of(&self, topic: &str, timeout: Duration) {
        if let Err(error) = self.client().client().fetch_metadata(Some(topic), timeout) {
            tracing::debug!(topic, %error, "the producer has not heard of the topic yet");
        }
    }

    fn try_append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        let size = record.size();
        let limit = self.shared.limits.of(topic).map_or(usize::MAX, |limit| limit).min(self.shared.message_max_bytes);
        if size > limit {
            return Err(NotWritten::TooLarge { size, limit });
        }
        let place = self.shared.backlog.take(size).ok_or(NotWritten::BacklogFull)?;
        let (answer, ack) = Ack::pair();
        let pending = Box::new(Pending { answer, since: Instant::now(), size, _place: place });
        let mut send = BaseRecord::<[u8], [u8], _>::with_opaque_to(topic, pending).payload(record.value);
        if let Some(key) = record.key {
            send = send.key(key);
        }
        if !record.headers.is_empty() {
            send = send.headers(headers_of(&record));
        }
        // Dropping what comes back with an error gives its place in the backlog back.
        self.client().send(send).map_err(|(error, _)| refusal(code_of(&error), topic, size, &self.shared))?;
        Ok(ack)
    }

    fn client(&self) -> Arc<Client> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a fatal error. The old client's records are answered as unknown and never put into the new one: that could
    /// store them twice or out of order. An error if there has to be a new one and it could not be made: until then appends
    /// are refused.
    fn replace_if_fatal(self: &Arc<Self>) -> Result<(), KafkaError> {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.client();
        let Some((code, reason)) = old.client().fatal_error() else { return Ok(()) };
        if !old.client().context().fatal.swap(true, Ordering::AcqRel) {
            tracing::error!(%code, reason, "fatal producer error");
        }
        let owner = OwnerCell::default();
        owner.set(self);
        let new = Arc::new((self.make)(&self.shared, owner)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        self.shared.metrics.producers_replaced.inc();
        tracing::warn!("producer replaced after a fatal error; outstanding appends are answered as unknown");
        drop(old); // purges; whoever is just sending through it may drop it instead
        Ok(())
    }

    #[cfg(test)]
    fn raise_fatal_error(&self) {
        // SAFETY: a live client; the text is static.
        unsafe {
            let error = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
            sys::rd_kafka_test_fatal_error(self.client().client().native_ptr(), error, c"test".as_ptr());
        }
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive() // its configuration may hold secrets
    }
}

fn headers_of(record: &NewRecord<'_>) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }))
}

/// The producer that a client belongs to; set once it exists.
#[derive(Clone, Default)]
struct OwnerCell(Arc<RwLock<Weak<Producer>>>);

impl OwnerCell {
    fn set(&self, owner: &Arc<Producer>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(owner);
    }

    fn get(&self) -> Option<Arc<Producer>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).upgrade()
    }
}

/// One record on its way. Its place in the backlog is given back when it is dropped, after the answer.
#[derive(Debug)]
struct Pending {
    answer: oneshot::Sender<Result<Stored, AckError>>,
    since: Instant,
    size: usize,
    _place: Place,
}

/// Callbacks of one client.
struct Delivery {
    shared: Arc<Shared>,
    owner: OwnerCell,
    /// A fatal error came: nothing that fails now is certain any more.
    fatal: AtomicBool,
}

impl ClientContext for Delivery {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&self.shared.health, &error, reason);
        let code = code_of(&error);
        self.shared.metrics.producer_errors.get_or_create(&Cause { cause: error_label(code) }).inc();
        if !matches!(error_label(code), "all_brokers_down" | "transport") {
            self.look_for_fatal();
        }
    }
}

impl Delivery {
    fn new(shared: &Arc<Shared>, owner: OwnerCell) -> Self {
        Self { shared: shared.clone(), owner, fatal: AtomicBool::new(false) }
    }

    /// The event of a fatal error carries the error behind it, not that it is fatal: the client must be asked. Not here, for
    /// this is the client's own thread, which its end waits for.
    fn look_for_fatal(&self) {
        let owner = self.owner.clone();
        let looking = std::thread::Builder::new().name("kafka-replace".into()).spawn(move || {
            // Nobody looks again unless another error comes. The producer is not held over a pause, in which it may end.
            while let Some(Err(error)) = owner.get().map(|producer| producer.replace_if_fatal()) {
                tracing::error!(%error, "no new producer could be made; appends are refused until one can");
                std::thread::sleep(REPLACE_PAUSE);
            }
        });
        if let Err(error) = looking {
            tracing::error!(%error, "no thread to look after the producer");
        }
    }
}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, report: &DeliveryResult<'_>, pending: Box<Pending>) {
        let (answer, cause) = match report {
            Ok(message) => (Ok(Stored { partition: message.partition(), offset: message.offset() }), "none"),
            Err((error, message)) => {
                let code = code_of(error);
                // SAFETY: the message is borrowed from the report and lives while this runs.
                let status = unsafe { sys::rd_kafka_message_status(message.ptr()) };
                (Err(self.judge(status, code, message.topic(), pending.size)), unknown_cause(code))
            }
        };
        self.shared.metrics.count_answer(&answer, pending.since.elapsed(), cause);
        let Pending { answer: sender, _place: place, .. } = *pending;
        let _ = sender.send(answer); // whoever gave up waiting does not mind
        drop(place); // after the answer: an empty backlog means that all is answered
    }
}

impl Delivery {
    /// The status decides, not the error: after a timeout the broker may have the record all the same.
    fn judge(&self, status: sys::rd_kafka_msg_status_t, code: RDKafkaErrorCode, topic: &str, size: usize) -> AckError {
        use RDKafkaErrorCode as E;
        let not_persisted = status == sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
        // Reports of a fatal error may come before the event that tells of it.
        let replaced =
            self.fatal.load(Ordering::Acquire) || matches!(code, E::Fatal | E::PurgeQueue | E::PurgeInflight);
        if not_persisted && !replaced {
            AckError::NotWritten(refusal(code, topic, size, &self.shared))
        } else {
            AckError::OutcomeUnknown
        }
    }
}

/// Why a record that is certainly not stored was not.
fn refusal(code: RDKafkaErrorCode, topic: &str, size: usize, shared: &Shared) -> NotWritten {
    use RDKafkaErrorCode as E;
    match code {
        code if is_missing(code) || code == E::UnknownPartition => NotWritten::UnknownTopic(topic.to_owned()),
        E::MessageSizeTooLarge | E::MessageBatchTooLarge => {
            let limit = shared.limits.ask_again(topic).unwrap_or(shared.message_max_bytes);
            NotWritten::TooLarge { size, limit }
        }
        E::QueueFull => NotWritten::BacklogFull,
        E::MessageTimedOut
        | E::PurgeQueue
        | E::PurgeInflight
        | E::Fatal
        | E::BrokerTransportFailure
        | E::AllBrokersDown => NotWritten::Unavailable,
        code => NotWritten::Refused(code.to_string()),
    }
}

fn unknown_cause(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::MessageTimedOut => "timeout",
        E::Fatal | E::PurgeQueue | E::PurgeInflight => "producer_replaced",
        _ => "other",
    }
}

fn error_label(code: RDKafkaErrorCode) -> &'static str {
    use RDKafkaErrorCode as E;
    match code {
        E::Fatal => "fatal",
        E::AllBrokersDown => "all_brokers_down",
        E::BrokerTransportFailure | E::Resolve | E::NetworkException => "transport",
        E::Authentication | E::SaslAuthenticationFailed | E::SSL => "authentication",
        _ => "other",
    }
}

/// Between two tries to make a new producer.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::kafka::settings::KafkaSettings;

    #[tokio::test]
    async fn a_fatal_error_answers_everything_as_unknown_and_the_next_producer_works() {
        let mut settings = KafkaSettings { brokers: String::new(), ..KafkaSettings::default() };
        settings.properties.set("test.mock.num.brokers", "1");
        let metrics = Metrics::default();
        let producer = producer(&settings, &metrics);
        let mut acks = Vec::new();
        for _ in 0..10 {
            acks.push(producer.append("t", RECORD).expect("taken"));
        }
        producer.raise_fatal_error();
        for ack in acks {
            assert!(matches!(ack.await, Ok(_) | Err(AckError::OutcomeUnknown)));
        }
        while metrics.producers_replaced.get() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut answer = producer.append("t", RECORD).expect("taken").await;
        while answer == Err(AckError::NotWritten(NotWritten::Unavailable)) {
            answer = producer.append("t", RECORD).expect("taken").await;
        }
        assert!(answer.is_ok(), "{answer:?}");
        assert_eq!(metrics.producers_replaced.get(), 1);
        producer.flush(Duration::from_secs(5)).await; // a place comes back just after the answer
        assert_eq!(metrics.backlog_messages.get(), 0);
    }

    #[tokio::test]
    async fn a_new_producer_that_could_not_be_made_is_made_later() {
        let mut config = KafkaSettings::default().producer();
        config.set("test.mock.num.brokers", "1");
        let calls = AtomicU32::new(0);
        // More failures than there are events of one fatal error, each of which looks once.
        let make = move |shared: &Arc<Shared>, owner| match calls.fetch_add(1, Ordering::Relaxed) {
            1..=4 => Err(KafkaError::ClientCreation("no threads left".into())),
            _ => config.create_with_context(Delivery::new(shared, owner)),
        };
        let metrics = Metrics::default();
        let producer = Producer::of(Box::new(make), shared(&KafkaSettings::default(), &metrics)).expect("made");
        producer.raise_fatal_error();
        let replaced = async {
            while metrics.producers_replaced.get() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), replaced).await.expect("it is tried on");
        let stored = producer.append("t", RECORD).expect("taken").await;
        assert!(stored.is_ok(), "{stored:?}");
    }

    #[tokio::test]
    async fn without_a_broker_appends_are_refused_within_the_delivery_timeout() {
        let settings = KafkaSettings {
            brokers: "127.0.0.1:1".into(),
            delivery_timeout: Duration::from_millis(500),
            backlog_messages: 3,
            ..KafkaSettings::default()
        };
        let producer = producer(&settings, &Metrics::default());
        let acks: Vec<_> = (0..3).map(|_| producer.append("t", RECORD).expect("taken")).collect();
        assert_eq!(producer.append("t", RECORD).map(drop), Err(NotWritten::BacklogFull));
        let begun = Instant::now();
        for ack in acks {
            assert_eq!(ack.await, Err(AckError::NotWritten(NotWritten::Unavailable)));
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        producer.flush(Duration::from_secs(5)).await;
        assert!(producer.append("t", RECORD).is_ok(), "there is room again");
    }

    const RECORD: NewRecord<'static> = NewRecord { key: Some(b"k"), value: b"v", headers: &[] };

    fn producer(settings: &KafkaSettings, metrics: &Metrics) -> Arc<Producer> {
        let backlog = Backlog::new(settings.backlog_messages, settings.backlog_bytes, metrics);
        let (limits, _) = Limits::new();
        let limit = settings.message_max_bytes;
        Producer::new(settings.producer(), limit, backlog, limits, HealthState::new(), metrics.clone()).expect("made")
    }

    fn shared(settings: &KafkaSettings, metrics: &Metrics) -> Arc<Shared> {
        Arc::new(Shared {
            backlog: Backlog::new(settings.backlog_messages, settings.backlog_bytes, metrics),
            limits: Limits::new().0,
            metrics: metrics.clone(),
            health: HealthState::new(),
            message_max_bytes: settings.message_max_bytes,
        })
    }
}
