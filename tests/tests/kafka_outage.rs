//! Kafka is killed (-9) and restarted again and again under load: nothing acknowledged is lost, doubled or out of order,
//! every call is answered, and live readers go on without a gap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use e2e::client::{HubClient, IncomingCall};
use e2e::kafka::Kafka;
use e2e::server::TestServer;
use e2e::wait::{own_topic, until};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const WRITERS: usize = 4;

/// Calls each writer keeps on their way.
const IN_FLIGHT: usize = 100;

/// Numbers of each stream, in the order seen.
type Sequences = BTreeMap<String, Vec<u64>>;

#[tokio::test(flavor = "multi_thread")]
async fn kafka_killed_under_load_loses_doubles_and_reorders_nothing_acknowledged() {
    let mut kafka = Kafka::start().await;
    let server = TestServer::start_on_kafka(&kafka.bootstrap()).await;
    let topic = own_topic("outage");
    let reader = Reader::start(&server, &topic).await;
    let load = Load::start(&server, &topic).await;

    let rounds = std::env::var("STREAMGATE_TEST_ROUNDS").map_or(20, |rounds| rounds.parse().expect("a number"));
    for round in 1..=rounds {
        load.acknowledges_more("before the kill", 500).await;
        until("100 calls in flight", async || server.calls_in_flight() >= 100).await;
        kafka.kill();
        until("calls wait for the broker", async || server.calls_in_flight() >= WRITERS * IN_FLIGHT).await;
        kafka.restart().await;
        let restarted = Instant::now();
        load.acknowledges_more("after the restart", 1).await;
        eprintln!("round {round}: acknowledged again {} ms after the restart", restarted.elapsed().as_millis());
    }

    let outcomes = load.stop().await;
    let stored = stored(&server, &topic).await;
    let seen = reader.has_seen(&stored).await;
    let acknowledged: usize = outcomes.values().map(|outcome| outcome.acknowledged.len()).sum();
    let failed: usize = outcomes.values().map(|outcome| outcome.failed).sum();
    eprintln!("{rounds} kills: {acknowledged} acknowledged, {failed} answered with an error");
    for (stream, outcome) in &outcomes {
        let stored = stored.get(stream).expect("each stream was written");
        assert!(stored.is_sorted_by(|a, b| a < b), "{stream} is stored in order, and nothing twice");
        let lost: Vec<_> = outcome.acknowledged.iter().filter(|number| stored.binary_search(number).is_err()).collect();
        assert!(lost.is_empty(), "{stream}: acknowledged and lost: {lost:?}");
    }
    assert_eq!(seen, stored, "the live reader saw all there is, in order");
}

/// What became of a writer's calls.
#[derive(Default)]
struct Outcome {
    acknowledged: Vec<u64>,
    failed: usize,
}

/// Writers that number their events and await nothing.
struct Load {
    acknowledged: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    writers: Vec<(String, JoinHandle<Outcome>)>,
}

impl Load {
    async fn start(server: &TestServer, topic: &str) -> Self {
        let mut load = Self { acknowledged: Arc::default(), stopped: Arc::default(), writers: Vec::new() };
        for number in 0..WRITERS {
            let stream = format!("writer-{number}");
            let client = server.connect().await;
            let (acknowledged, stopped) = (load.acknowledged.clone(), load.stopped.clone());
            let writing = write(client, topic.to_owned(), stream.clone(), acknowledged, stopped);
            load.writers.push((stream, tokio::spawn(writing)));
        }
        load
    }

    async fn acknowledges_more(&self, when: &str, calls: u64) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        until(when, async || self.acknowledged.load(Ordering::Relaxed) >= before + calls).await;
    }

    /// Lets the calls on their way end; each of them is answered.
    async fn stop(self) -> BTreeMap<String, Outcome> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut outcomes = BTreeMap::new();
        for (stream, writer) in self.writers {
            outcomes.insert(stream, e2e::wait::within("every call is answered", writer).await.expect("a writer"));
        }
        outcomes
    }
}

async fn write(
    client: HubClient,
    topic: String,
    stream: String,
    acknowledged: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
) -> Outcome {
    let (mut outcome, mut next) = (Outcome::default(), 0_u64);
    let mut calls = FuturesUnordered::new();
    loop {
        while calls.len() < IN_FLIGHT && !stopped.load(Ordering::Relaxed) {
            let event = json!([{ "timestamp": next, "id": "n", "value": next.to_string() }]);
            let call = client.start("SendEventData", &(&topic, &stream, event)).expect("the server lives");
            let number = next;
            calls.push(async move { (number, call.await) });
            next += 1;
        }
        match calls.next().await {
            Some((number, Ok(_))) => {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                outcome.acknowledged.push(number);
            }
            Some((_, Err(e2e::client::HubError::Failed(_)))) => outcome.failed += 1,
            Some((number, Err(error))) => panic!("{stream}: call {number} was not answered: {error}"),
            None => return outcome,
        }
    }
}

/// A subscriber that notes all it is called with.
struct Reader {
    reading: JoinHandle<()>,
    seen: Arc<std::sync::Mutex<Sequences>>,
}

impl Reader {
    async fn start(server: &TestServer, topic: &str) -> Self {
        let client = server.connect().await;
        client.invoke("SubscribeToPackages", &(topic,)).await.expect("a subscription");
        let seen = Arc::new(std::sync::Mutex::new(Sequences::new()));
        let notes = seen.clone();
        let reading = tokio::spawn(async move {
            while let Some(call) = client.next_call_of("PackageReceived").await {
                note(&mut notes.lock().unwrap(), &package(&call));
            }
        });
        Self { reading, seen }
    }

    /// Waits until as much was seen as is stored, on the connection of the beginning.
    async fn has_seen(self, stored: &Sequences) -> Sequences {
        let count = |sequences: &Sequences| sequences.values().map(Vec::len).sum::<usize>();
        until("the reader has seen everything", async || count(&self.seen.lock().unwrap()) >= count(stored)).await;
        assert!(!self.reading.is_finished(), "the reader was never cut off");
        self.reading.abort();
        self.seen.lock().unwrap().clone()
    }
}

/// What the topic holds.
async fn stored(server: &TestServer, topic: &str) -> Sequences {
    let url = format!("{}/topics/{topic}/packages?from=earliest&until_end=true", server.url());
    let text = reqwest::get(url).await.expect("an answer").text().await.expect("all of it");
    let mut stored = Sequences::new();
    for line in text.lines() {
        note(&mut stored, &serde_json::from_str(line).expect("a package"));
    }
    stored
}

fn package(call: &IncomingCall) -> Value {
    let (package,): (Value,) = call.bind().expect("one package");
    package
}

fn note(sequences: &mut Sequences, package: &Value) {
    let events: Value = serde_json::from_str(package["value"].as_str().expect("text")).expect("events");
    let number = events[0]["Timestamp"].as_u64().expect("a number");
    sequences.entry(package["streamId"].as_str().expect("text").to_owned()).or_default().push(number);
}
