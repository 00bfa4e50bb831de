//! `HubReader`: subscribes to the packages of the topic, again after every end of a connection; notes what each one saw.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::client::HubClient;
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::marks::Mark;

/// One connection from its subscription to its end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Connection {
    /// Sent once the subscription was confirmed, so it and all after it have to come.
    pub(crate) probe: Option<Mark>,
    pub(crate) seen: Vec<Mark>,
}

/// The task that reads.
pub(crate) struct HubReader {
    connections: Arc<Mutex<Vec<Connection>>>,
    /// Probes acknowledged, and when.
    probes: Arc<Mutex<Vec<(Mark, Instant)>>>,
    seen: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    reading: JoinHandle<()>,
}

impl HubReader {
    pub(crate) fn start(hub: &str, topic: &str) -> Self {
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let probes = Arc::<Mutex<Vec<(Mark, Instant)>>>::default();
        let (seen, stopped) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let reading = Reading {
            hub: hub.to_owned(),
            topic: topic.to_owned(),
            connections: connections.clone(),
            probes: probes.clone(),
            seen: seen.clone(),
            stopped: stopped.clone(),
        };
        let reading = tokio::spawn(reading.run());
        Self { connections, probes, seen, stopped, reading }
    }

    /// Packages seen on all connections.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The probes that were acknowledged.
    pub(crate) fn probes(&self) -> Vec<Mark> {
        self.probes.lock().unwrap().iter().map(|(mark, _)| *mark).collect()
    }

    /// When the first probe after that instant was acknowledged; waits for it.
    pub(crate) async fn acknowledgement_after(&self, instant: Instant) -> Instant {
        let mut acknowledged = None;
        until("a call is acknowledged again", async || {
            acknowledged = self.probes.lock().unwrap().iter().map(|(_, at)| *at).find(|at| *at > instant);
            acknowledged.is_some()
        })
        .await;
        acknowledged.expect("waited for")
    }

    /// Whether the connection that is open now has seen all of these.
    pub(crate) fn has_now_seen(&self, marks: &[Mark]) -> bool {
        let connections = self.connections.lock().unwrap();
        let seen = |connection: &Connection, mark: &Mark| connection.seen.iter().rev().any(|seen| seen == mark);
        connections.last().is_some_and(|connection| marks.iter().all(|mark| seen(connection, mark)))
    }

    pub(crate) async fn stop(self) -> Vec<Connection> {
        self.stopped.store(true, Ordering::Relaxed);
        self.reading.abort();
        let _ = self.reading.await; // cancelled
        std::mem::take(&mut self.connections.lock().unwrap())
    }
}

struct Reading {
    hub: String,
    topic: String,
    connections: Arc<Mutex<Vec<Connection>>>,
    probes: Arc<Mutex<Vec<(Mark, Instant)>>>,
    seen: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl Reading {
    async fn run(self) {
        while !self.stopped.load(Ordering::Relaxed) {
            match HubClient::connect(&self.hub).await {
                Ok(client) => self.connection(client).await,
                Err(_) => tokio::time::sleep(BACK_OFF).await,
            }
        }
    }

    async fn connection(&self, client: HubClient) {
        if client.invoke("SubscribeToPackages", &(&self.topic,)).await.is_err() {
            return tokio::time::sleep(BACK_OFF).await;
        }
        let probe = {
            let mut connections = self.connections.lock().unwrap();
            let probe = Mark::new("probe", connections.len() as u64);
            connections.push(Connection { probe: Some(probe), seen: Vec::new() });
            probe
        };
        let event = json!([{ "timestamp": 0, "id": "n", "value": probe.number.to_string() }]);
        let call = client.start("SendEventData", &(&self.topic, "probe", event));
        let answered = async {
            if let Ok(call) = call
                && call.await.is_ok()
            {
                self.probes.lock().unwrap().push((probe, Instant::now()));
            }
        };
        tokio::join!(answered, self.note(&client));
    }

    async fn note(&self, client: &HubClient) {
        while let Some(call) = client.next_call_of("PackageReceived").await {
            let (package,): (Value,) = call.bind().expect("one package");
            let text = |member: &str| package[member].as_str().expect("a text");
            let mark = Mark::of_package(text("streamId"), text("value"));
            self.connections.lock().unwrap().last_mut().expect("this one").seen.push(mark);
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const BACK_OFF: Duration = Duration::from_millis(10);
