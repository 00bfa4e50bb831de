//! librdkafka as the reader: a whole topic from its first record on.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::results::Measured;

/// Reads so many records; the time counts from the first that arrives.
pub(crate) fn run(bootstrap: &str, topic: &str, records: usize) -> anyhow::Result<Measured> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bench") // the library wants one; no group is joined
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.queue.backoff.ms", "5") // the default pauses a full second
        .create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let (mut begun, mut read) = (Instant::now(), 0);
    let deadline = begun + TIMEOUT;
    while read < records {
        ensure!(Instant::now() < deadline, "{read} of {records} records in {TIMEOUT:?}");
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            record?;
            if read == 0 {
                begun = Instant::now();
            }
            read += 1;
        }
    }
    Ok(Measured::new((records - 1) as f64 / begun.elapsed().as_secs_f64(), None))
}

const TIMEOUT: Duration = Duration::from_secs(60);
