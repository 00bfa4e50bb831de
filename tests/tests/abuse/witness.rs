//! `Witness`: an honest writer and an honest reader, who notice everything that is done to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::client::HubClient;
use e2e::wait::{own_topic, within};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Sends events one after the other, and expects each before it sends the next.
pub struct Witness {
    stop: Arc<AtomicBool>,
    running: JoinHandle<Vec<Duration>>,
}

/// From call to delivery, sorted.
pub struct Latencies(Vec<Duration>);

impl Witness {
    pub async fn start(url: &str) -> Self {
        let hub = format!("{url}/hub");
        let (writer, reader) = (HubClient::connect(&hub).await.unwrap(), HubClient::connect(&hub).await.unwrap());
        let topic = own_topic("witness");
        reader.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let mut latencies = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let number = latencies.len();
                let sent = writer.start("SendEventData", &(&topic, "s", [event(number)])).unwrap();
                let call = within("the witness's package", reader.next_call_of("PackageReceived")).await.unwrap();
                latencies.push(begun.elapsed());
                let (package,): (Value,) = call.bind().unwrap();
                assert_eq!(value(&package), number.to_string(), "each once, in order");
                within("the witness's acknowledgement", sent).await.unwrap();
                tokio::time::sleep(PAUSE).await;
            }
            latencies
        });
        Self { stop, running }
    }

    /// Ends it, and checks that nothing was lost or came in another order.
    pub async fn finish(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        let mut latencies = within("the witness's end", self.running).await.expect("nothing was done to the witness");
        assert!(!latencies.is_empty());
        latencies.sort_unstable();
        Latencies(latencies)
    }
}

impl Latencies {
    pub fn quantile(&self, part: f64) -> Duration {
        self.0[((self.0.len() - 1) as f64 * part) as usize]
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| self.quantile(part));
        write!(formatter, "{} events: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?}", self.0.len())
    }
}

pub fn event(number: usize) -> Value {
    json!({ "timestamp": number, "id": "E", "value": number.to_string() })
}

/// The value of the first event in a package.
pub fn value(package: &Value) -> String {
    let events: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
    events[0]["Value"].as_str().expect("a text").to_owned()
}

const PAUSE: Duration = Duration::from_millis(1);
