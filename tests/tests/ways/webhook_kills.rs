//! A server is killed again and again while services post: what was acknowledged is there.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use e2e::ports::lasting_ports;
use e2e::program::{Program, printed, process};
use e2e::wait::{until, within};
use serde_json::Value;
use ways::webhook::Preset;

use crate::sender::{Sender, track};

const SETTINGS: &str = r#"
[[webhooks]]
path = "/webhooks/segment"
topic = "segment-data"
preset = "segment"
secret = "s3cret"
"#;

const SENDERS: usize = 4;
const KILLS: usize = 8;

/// Deliveries by id.
#[derive(Debug, Default)]
struct Deliveries {
    acknowledged: Mutex<Vec<String>>,
    /// Those that were posted more than once.
    repeated: Mutex<HashSet<String>>,
    count: AtomicUsize,
    enough: AtomicBool,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill_and_only_what_was_sent_twice_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.toml"), SETTINGS).unwrap();
    let ports = lasting_ports();
    let url = format!("http://127.0.0.1:{}", ports[0]);
    let mut program = start(folder.path(), ports).await;
    let deliveries = Arc::new(Deliveries::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let sender = Sender::new(Preset::Segment, format!("{url}/webhooks/segment"));
            tokio::spawn(send_until_enough(sender, number, deliveries.clone()))
        })
        .collect();
    for kill in 0..KILLS {
        let before = deliveries.count.load(Ordering::Relaxed);
        until("more are acknowledged", async || deliveries.count.load(Ordering::Relaxed) >= before + 20 + 7 * kill)
            .await;
        program.kill().await;
        program = start(folder.path(), ports).await;
    }
    deliveries.enough.store(true, Ordering::Relaxed);
    for sender in senders {
        within("the last delivery", sender).await.unwrap();
    }

    let mut written: HashMap<String, usize> = HashMap::new();
    let lines =
        printed(&["tail", "segment-data", "--from", "earliest", "--until-end", "--json", "--url", &url], "").await;
    for line in lines.lines() {
        let package: Value = serde_json::from_str(line).unwrap();
        let events: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
        let body: Value = serde_json::from_str(events[0]["Value"].as_str().unwrap()).unwrap();
        *written.entry(body["messageId"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let (acknowledged, repeated) = (deliveries.acknowledged.lock().unwrap(), deliveries.repeated.lock().unwrap());
    assert!(acknowledged.len() > KILLS * 20);
    for id in acknowledged.iter() {
        assert!(written.contains_key(id), "{id} was acknowledged and is not there");
    }
    for (id, times) in &written {
        assert!(*times == 1 || repeated.contains(id), "{id} was sent once and is there {times} times");
    }
    assert!(repeated.len() >= KILLS, "each kill hit deliveries under way: {}", repeated.len());
}

/// As services do: one after the other, each until it is acknowledged.
async fn send_until_enough(sender: Sender, number: usize, deliveries: Arc<Deliveries>) {
    for count in 0.. {
        let id = format!("{number}-{count}");
        let body = track(&id);
        while !sender.post(&body).await.is_ok_and(|answer| answer.status() == 200) {
            deliveries.repeated.lock().unwrap().insert(id.clone());
            tokio::time::sleep(Duration::from_millis(5)).await; // the pause of a sender that tries again
        }
        deliveries.acknowledged.lock().unwrap().push(id);
        deliveries.count.fetch_add(1, Ordering::Relaxed);
        if deliveries.enough.load(Ordering::Relaxed) {
            return;
        }
    }
}

async fn start(folder: &Path, ports: [u16; 2]) -> Program {
    let [public, management] = ports.map(|port| format!("127.0.0.1:{port}"));
    let mut command = process();
    command.args(["serve", "--listen", &public, "--admin-listen", &management, "--kafka-listen", "off", "--data"]);
    command.arg(folder.join("data")).arg("--config").arg(folder.join("settings.toml"));
    Program::start(command).await
}
