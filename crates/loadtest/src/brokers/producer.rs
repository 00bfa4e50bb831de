//! librdkafka as the writer: so many records in flight, how many are acknowledged, and how long each takes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use loadtest::load::latency::Latencies;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use super::results::Measured;

/// How a run is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) bootstrap: &'a str,
    /// Written to in turns, partition 0 of each.
    pub(crate) topics: &'a [String],
    pub(crate) in_flight: usize,
    pub(crate) linger_ms: u32,
    pub(crate) value: &'a [u8],
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// Makes topics with one partition; those that exist are left as they are.
pub(crate) fn create_topics(bootstrap: &str, names: &[String]) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("log_level", "0").create()?;
    let topics: Vec<_> = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1))).collect();
    let timeout = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let made = runtime.block_on(admin.create_topics(&topics, &timeout))?;
    for topic in made {
        match topic {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("topic {name}: {code}"),
        }
    }
    Ok(())
}

/// Writes by a plan.
pub(crate) fn run(plan: Plan<'_>) -> anyhow::Result<Measured> {
    let state = Arc::new(Shared::new(plan.warm_up));
    let producer: ThreadedProducer<Context> = ClientConfig::new()
        .set("bootstrap.servers", plan.bootstrap)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", plan.linger_ms.to_string())
        .create_with_context(Context(state.clone()))?;
    let hysteresis = plan.in_flight / 16;
    let mut sent = 0;
    // Connected, and its producer id known.
    send(&producer, &state, plan, 0)?;
    producer.flush(TIMEOUT)?;
    state.begin(Instant::now());
    let end = state.elapsed() + plan.warm_up + plan.time;
    while state.elapsed() < end {
        let room = plan.in_flight - state.wait_until_below(sent, plan.in_flight - hysteresis)?;
        for _ in 0..room {
            send(&producer, &state, plan, sent)?;
            sent += 1;
        }
    }
    let measured = state.measured();
    producer.flush(TIMEOUT)?;
    Ok(measured)
}

/// Fills a topic with so many records.
pub(crate) fn fill(bootstrap: &str, topic: &str, value: &[u8], records: usize) -> anyhow::Result<()> {
    let state = Arc::new(Shared::new(Duration::ZERO));
    let producer: ThreadedProducer<Context> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create_with_context(Context(state.clone()))?;
    let topics = [topic.to_owned()];
    let plan = Plan {
        bootstrap,
        topics: &topics,
        in_flight: 50_000,
        linger_ms: 5,
        value,
        warm_up: Duration::ZERO,
        time: Duration::ZERO,
    };
    state.begin(Instant::now());
    for sent in 0..records {
        state.wait_until_below(sent, plan.in_flight)?;
        send(&producer, &state, plan, sent)?;
    }
    producer.flush(TIMEOUT)?;
    let delivered = state.lock().delivered;
    ensure!(delivered == records, "{delivered} of {records} were stored");
    Ok(())
}

fn send(producer: &ThreadedProducer<Context>, state: &Shared, plan: Plan<'_>, number: usize) -> anyhow::Result<()> {
    let topic = &plan.topics[number % plan.topics.len()];
    let now = state.elapsed().as_nanos() as usize;
    let mut record = BaseRecord::<(), [u8], usize>::with_opaque_to(topic, now).partition(0).payload(plan.value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => record = again,
            Err((error, _)) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the sending thread and the delivery reports share.
struct Shared {
    warm_up: Duration,
    clock: Instant,
    state: Mutex<State>,
    fewer: Condvar,
}

struct State {
    begun: Duration,
    delivered: usize,
    /// The sender waits for so many to be delivered.
    wanted: usize,
    latencies: Latencies,
    failure: Option<String>,
}

struct Context(Arc<Shared>);

impl Shared {
    fn new(warm_up: Duration) -> Self {
        let latencies = Latencies::new();
        let state = State { begun: Duration::MAX, delivered: 0, wanted: usize::MAX, latencies, failure: None };
        Self { warm_up, clock: Instant::now(), state: Mutex::new(state), fewer: Condvar::new() }
    }

    /// What was delivered before does not count.
    fn begin(&self, now: Instant) {
        let mut state = self.lock();
        (state.begun, state.delivered) = (now - self.clock, 0);
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Waits until fewer than `most` are in flight (or none), and says how many are.
    fn wait_until_below(&self, sent: usize, most: usize) -> anyhow::Result<usize> {
        let mut state = self.lock();
        while sent - state.delivered >= most.max(1) && state.failure.is_none() {
            state.wanted = sent + 1 - most.max(1);
            let (guard, waited) = self.fewer.wait_timeout(state, TIMEOUT).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            ensure!(!waited.timed_out(), "no acknowledgement in {TIMEOUT:?}");
        }
        state.wanted = usize::MAX;
        match &state.failure {
            Some(failure) => Err(anyhow!("not acknowledged: {failure}")),
            None => Ok(sent - state.delivered),
        }
    }

    fn measured(&self) -> Measured {
        let now = self.elapsed();
        let state = self.lock();
        let seconds = (now - state.begun - self.warm_up).as_secs_f64();
        Measured::new(state.latencies.count() as f64 / seconds, Some(state.latencies.summary()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {}

impl ProducerContext for Context {
    /// When it was sent, nanoseconds of the clock.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: usize) {
        let now = self.0.elapsed();
        let mut state = self.0.lock();
        if let Err((error, _)) = result {
            state.failure.get_or_insert(error.to_string());
        }
        state.delivered += 1;
        if now >= state.begun.saturating_add(self.0.warm_up) {
            state.latencies.record(sent as u64, now.as_nanos() as u64);
        }
        if state.delivered >= state.wanted || state.failure.is_some() {
            state.wanted = usize::MAX;
            self.0.fewer.notify_one();
        }
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);
