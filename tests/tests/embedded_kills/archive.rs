//! `Archive`: a Kafka consumer that reads everything from the first offset on, through every end of the server, before
//! retention deletes it. What it has seen is what is and stays in the topic.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka_writer::PARTITIONS;
use crate::marks::Mark;

/// All records of a topic: by partition, then by offset.
pub(crate) type Records = Vec<Vec<Mark>>;

/// The thread that reads.
pub(crate) struct Archive {
    records: Arc<Mutex<Records>>,
    /// Records of Kafka producers among them.
    pub(crate) of_kafka: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    reading: JoinHandle<Result<(), String>>,
}

impl Archive {
    pub(crate) fn start(bootstrap: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "archive") // the library wants one; nothing is committed
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "50")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .expect("a consumer");
        let mut from = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            from.add_partition_offset(topic, partition, Offset::Offset(0)).expect("an offset");
        }
        consumer.assign(&from).expect("partitions");
        let records = Arc::new(Mutex::new(vec![Vec::new(); PARTITIONS as usize]));
        let (of_kafka, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (kept, count, stop) = (records.clone(), of_kafka.clone(), stopped.clone());
        let reading = std::thread::spawn(move || read(&consumer, &kept, &count, &stop));
        Self { records, of_kafka, stopped, reading }
    }

    /// Records seen.
    pub(crate) fn len(&self) -> u64 {
        self.records.lock().unwrap().iter().map(|records| records.len() as u64).sum()
    }

    /// One past the last offset of each partition.
    pub(crate) fn ends(&self) -> Vec<i64> {
        self.records.lock().unwrap().iter().map(|records| records.len() as i64).collect()
    }

    /// Whether it goes on; if not, it says so when it is asked for its records.
    pub(crate) fn reads(&self) -> bool {
        !self.reading.is_finished()
    }

    pub(crate) fn stop(self) -> Records {
        self.stopped.store(true, Ordering::Relaxed);
        self.reading.join().expect("no panic").expect("offsets without a gap");
        std::mem::take(&mut self.records.lock().unwrap())
    }
}

fn read(
    consumer: &BaseConsumer,
    kept: &Mutex<Records>,
    of_kafka: &AtomicU64,
    stopped: &AtomicBool,
) -> Result<(), String> {
    while !stopped.load(Ordering::Relaxed) {
        let record = match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(record)) => record,
            Some(Err(KafkaError::MessageConsumption(code))) if GONE.contains(&code) => continue,
            Some(Err(error)) => return Err(error.to_string()),
            None => continue,
        };
        let mark = Mark::of_record(&record);
        let records = &mut kept.lock().unwrap()[record.partition() as usize];
        if record.offset() != records.len() as i64 {
            return Err(format!(
                "partition {}: offset {} came after {} records",
                record.partition(),
                record.offset(),
                records.len()
            ));
        }
        records.push(mark);
        of_kafka.fetch_add(u64::from(mark.stream_name().starts_with("kafka")), Ordering::Relaxed);
    }
    Ok(())
}

/// What a consumer says while its broker is away; it comes back by itself.
const GONE: [rdkafka::error::RDKafkaErrorCode; 4] = {
    use rdkafka::error::RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve};
    [AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve]
};
