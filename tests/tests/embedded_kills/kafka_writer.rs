//! `KafkaWriter`: an idempotent producer of librdkafka that goes on through every end of the server by itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::dice::Dice;
use crate::marks::{Mark, Place};

/// Partitions of the topic; each gets a stream of its own, `kafka-PARTITION`.
pub(crate) const PARTITIONS: i32 = 3;

/// Where the server said that it stored what.
pub(crate) type Told = Vec<(Mark, Place)>;

/// The thread that sends. What is sent is stored in the end: the producer tries again for as long as it takes.
pub(crate) struct KafkaWriter {
    deliveries: Arc<Deliveries>,
    stopped: Arc<AtomicBool>,
    sending: JoinHandle<()>,
}

#[derive(Default)]
struct Deliveries {
    told: Mutex<Told>,
    count: AtomicU64,
    failures: Mutex<Vec<String>>,
    last_error: Mutex<String>,
}

/// Passes delivery reports on.
struct Context(Arc<Deliveries>);

impl KafkaWriter {
    /// Keeps at most so many on their way, and no more than so many ahead of `read`.
    pub(crate) fn start(bootstrap: &str, topic: &str, dice: &mut Dice, read: Arc<AtomicU64>) -> Self {
        let deliveries = Arc::<Deliveries>::default();
        let compression = dice.one_of(&["none", "lz4", "zstd", "gzip", "snappy"]);
        eprintln!("the producer's compression: {compression}");
        let producer: ThreadedProducer<Context> = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("compression.type", compression)
            .set("linger.ms", "1")
            .set("batch.num.messages", "40") // many small batches, five of them on their way
            .set("message.timeout.ms", "0") // for ever
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .create_with_context(Context(deliveries.clone()))
            .expect("a producer");
        let stopped = Arc::<AtomicBool>::default();
        let (topic, stop, reports) = (topic.to_owned(), stopped.clone(), deliveries.clone());
        let seed = dice.below(u64::MAX);
        let sending = std::thread::spawn(move || send(&producer, &topic, seed, &stop, &reports, &read));
        Self { deliveries, stopped, sending }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.deliveries.count.load(Ordering::Relaxed)
    }

    /// What the library complained about last, if anything.
    pub(crate) fn last_error(&self) -> String {
        self.deliveries.last_error.lock().unwrap().clone()
    }

    /// Waits until all that was sent is acknowledged.
    pub(crate) async fn stop(self) -> Told {
        self.stopped.store(true, Ordering::Relaxed);
        let sending = self.sending;
        let ended = tokio::task::spawn_blocking(move || sending.join());
        e2e::wait::within("the producer's last acknowledgements", ended).await.expect("a thread").expect("no panic");
        let failures = self.deliveries.failures.lock().unwrap();
        assert!(failures.is_empty(), "an idempotent producer that never gives up: {failures:?}");
        std::mem::take(&mut self.deliveries.told.lock().unwrap())
    }
}

fn send(
    producer: &ThreadedProducer<Context>,
    topic: &str,
    seed: u64,
    stopped: &AtomicBool,
    deliveries: &Deliveries,
    read: &AtomicU64,
) {
    let padding = "x".repeat(LONGEST_PADDING);
    let (mut sent, mut chance) = (0_u64, seed);
    while !stopped.load(Ordering::Relaxed) {
        let delivered = deliveries.count.load(Ordering::Relaxed);
        if sent - delivered >= IN_FLIGHT || delivered.saturating_sub(read.load(Ordering::Relaxed)) >= AHEAD {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        let (number, partition) = (sent / PARTITIONS as u64, (sent % PARTITIONS as u64) as i32);
        let stream = format!("kafka-{partition}");
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let padding = &padding[..(chance >> 33) as usize % LONGEST_PADDING];
        let value = format!(r#"[{{"Value":"{number}","padding":"{padding}"}}]"#);
        let mark = Box::new(Mark::new(&stream, number));
        let record = BaseRecord::with_opaque_to(topic, mark).partition(partition).key(&stream).payload(&value);
        match producer.send(record) {
            Ok(()) => sent += 1,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {}
            Err((error, _)) => return deliveries.failures.lock().unwrap().push(error.to_string()),
        }
    }
    producer.flush(Duration::from_secs(50)).expect("everything is answered");
    assert_eq!(producer.client().fatal_error(), None);
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        *self.0.last_error.lock().unwrap() = format!("{error}: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Mark>;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: Box<Mark>) {
        match result {
            Ok(record) => {
                let place = Place { partition: record.partition(), offset: record.offset() };
                self.0.told.lock().unwrap().push((*mark, place));
                self.0.count.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => self.0.failures.lock().unwrap().push(format!("{mark}: {error}")),
        }
    }
}

const IN_FLIGHT: u64 = 1000;

/// Far below what retention keeps.
const AHEAD: u64 = 3000;
const LONGEST_PADDING: usize = 1000;
