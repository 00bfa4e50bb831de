//! How fast a log is in a program's own process, without listener or server; `loadtest brokers` runs it. Prints JSON.
//!
//! ```text
//! append_load append FOLDER --in-flight 64 --topics 1 --value-bytes 100 --warm-up-ms 250 --time-ms 1000
//! append_load read FOLDER --records 400000 --value-bytes 100
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use embedded_log::batch::NewRecord;
use embedded_log::{AppendError, Appended, Log, Options, Partition, Pending};
use futures::FutureExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, folder, named @ ..] = arguments.as_slice() else {
        return Err("append_load append|read FOLDER [--NAME NUMBER]...".into());
    };
    let number = |name: &str, default: usize| {
        let at = named.iter().position(|argument| *argument == format!("--{name}"));
        at.map_or(Ok(default), |at| named.get(at + 1).map_or("", String::as_str).parse())
    };
    let value = vec![b'v'; number("value-bytes", 100)?];
    let log = Log::open(Path::new(folder), Options::default())?;
    if what == "read" {
        return read(&log, number("records", 400_000)?, &value).await;
    }
    let milliseconds = |name, default| number(name, default).map(|number| Duration::from_millis(number as u64));
    let mut load = Load::new(&log, number("topics", 1)?, &value).await?;
    let in_flight = number("in-flight", 64)?;
    load.run(in_flight, milliseconds("warm-up-ms", 250)?).await?;
    load.latencies_ns.clear();
    let (begun, acknowledged) = (Instant::now(), load.acknowledged);
    load.run(in_flight, milliseconds("time-ms", 1000)?).await?;
    let per_second = (load.acknowledged - acknowledged) as f64 / begun.elapsed().as_secs_f64();
    load.latencies_ns.sort_unstable();
    let at = |share: f64| load.latencies_ns[(share * (load.latencies_ns.len() - 1) as f64) as usize] as f64 / 1e3;
    println!(r#"{{"per_second":{per_second},"p50_us":{},"p99_us":{}}}"#, at(0.5), at(0.99));
    Ok(())
}

/// Reads what was appended, and every record in it.
async fn read(log: &Log, records: usize, value: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut load = Load::new(log, 1, value).await?;
    while load.appended < records {
        load.fill(6400.min(records - load.appended + load.waiting.len()))?;
        load.take().await?;
    }
    while !load.waiting.is_empty() {
        load.take().await?;
    }
    let (partition, begun) = (load.partitions[0].clone(), Instant::now());
    let (mut offset, mut bytes) = (0, 0);
    while offset < records as i64 {
        for batch in log.read(&partition, offset, 1 << 20)? {
            offset = batch.next_offset();
            for record in batch.records(64 << 20)? {
                bytes += record?.value.map_or(0, |value| value.len());
            }
        }
    }
    assert_eq!(bytes, records * value.len(), "all of it");
    println!(r#"{{"per_second":{}}}"#, records as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// Records on their way. A log answers in the order in which records were handed over.
struct Load<'a> {
    log: &'a Log,
    partitions: Vec<Arc<Partition>>,
    value: &'a [u8],
    waiting: VecDeque<(Instant, Pending<Appended, AppendError>)>,
    appended: usize,
    acknowledged: usize,
    latencies_ns: Vec<u64>,
}

impl<'a> Load<'a> {
    async fn new(log: &'a Log, topics: usize, value: &'a [u8]) -> Result<Self, Box<dyn Error>> {
        let mut partitions = Vec::new();
        for number in 0..topics {
            let topic = log.create_topic(&format!("topic-{number}"), 1, Vec::new()).await?;
            partitions.extend(topic.partition(0));
        }
        let (waiting, latencies_ns) = (VecDeque::new(), Vec::new());
        Ok(Self { log, partitions, value, waiting, appended: 0, acknowledged: 0, latencies_ns })
    }

    async fn run(&mut self, in_flight: usize, time: Duration) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.fill(in_flight)?;
            self.take().await?;
        }
        Ok(())
    }

    /// Hands records over until so many wait.
    fn fill(&mut self, in_flight: usize) -> Result<(), AppendError> {
        let now = Instant::now();
        while self.waiting.len() < in_flight {
            let partition = &self.partitions[self.appended % self.partitions.len()];
            let record = NewRecord { timestamp_ms: 1, key: None, value: Some(self.value), headers: &[] };
            self.waiting.push_back((now, self.log.append(partition, record)?));
            self.appended += 1;
        }
        Ok(())
    }

    /// Waits for the first answer, and takes those that came with it.
    async fn take(&mut self) -> Result<(), AppendError> {
        let Some((since, first)) = self.waiting.pop_front() else { return Ok(()) };
        first.await?;
        let now = Instant::now();
        self.answered(since, now);
        while let Some((since, pending)) = self.waiting.front_mut() {
            let since = *since;
            let Some(answer) = pending.now_or_never() else { break };
            answer?;
            self.waiting.pop_front();
            self.answered(since, now);
        }
        Ok(())
    }

    fn answered(&mut self, since: Instant, now: Instant) {
        self.acknowledged += 1;
        self.latencies_ns.push((now - since).as_nanos() as u64);
    }
}
