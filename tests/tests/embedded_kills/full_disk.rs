//! A disk that fills and empties: writes are refused, reads go on, and all heals by itself.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::wait::{own_topic, until, within};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::caller::{Answer, Caller};
use crate::hub_reader::HubReader;
use crate::server::{Server, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_serves_reads_and_heals_by_itself() {
    let Some(disk) = SmallDisk::mount() else { return };
    let settings = [("STREAMGATE_LOG__SEGMENT_SIZE", "4MiB"), ("STREAMGATE_LOG__RETENTION_BYTES", "1GiB")];
    let mut server = Server::in_folder(disk.path().join("data"), &settings);
    server.start().await;
    let topic = own_topic("full");
    let mut caller = Caller::connect(&server, &topic).await;
    assert!(caller.is_acknowledged().await);
    let reader = HubReader::start(&server.hub(), &topic);
    until("a subscription", async || reader.probes().len() == 1).await;
    assert_eq!(caller.call(200, 1000).await, vec![Answer::Acknowledged; 200]);

    disk.fill();
    let mut refusal = String::new();
    until("calls are refused", async || match caller.call(1, 100_000).await.remove(0) {
        Answer::Acknowledged => false,
        Answer::NotWritten(text) => {
            refusal = text;
            true
        }
        Answer::Unknown => panic!("nothing was begun that could not be finished"),
    })
    .await;
    assert!(refusal.contains("disk is full"), "{refusal}");
    let refused = caller.call(100, 100_000).await;
    assert!(refused.iter().all(|answer| *answer != Answer::Unknown), "{refused:?}");
    // Reads go on, also those of who came before.
    caller.verdict(&server).await;
    let seen = caller.acknowledged()[1..].to_vec();
    until("the live reader has seen all there is", async || reader.has_now_seen(&seen)).await;
    assert!(!text(&format!("{}/health/live", server.url())).await.is_empty());
    eprintln!("ready while the disk is full: {}", server.ready().await);

    // It also starts on a full disk.
    server.kill().await;
    server.start().await;
    caller.reconnect(&server).await;
    caller.verdict(&server).await;
    let answers = caller.call(100, 100_000).await;
    assert!(answers.iter().any(|answer| matches!(answer, Answer::NotWritten(_))), "still full: {answers:?}");

    // Whoever waits for room is served when there is some.
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", server.kafka())
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    let record = FutureRecord::to(&topic).key("kafka-0").payload(r#"[{"Value":"0"}]"#);
    let waiting = producer.send_result(record).expect("room in the producer's queue");
    disk.empty();
    let stored = within("the Kafka producer's acknowledgement", waiting).await.expect("an answer");
    assert!(stored.is_ok(), "{stored:?}");
    until("it heals", async || caller.is_acknowledged().await).await;
    assert_eq!(caller.call(200, 1000).await, vec![Answer::Acknowledged; 200]);
    caller.verdict(&server).await;
    until("ready again", async || server.ready().await == 200).await;
    server.kill().await;
    server.start().await;
    caller.verdict(&server).await;
}

/// A file system of its own, unmounted when dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, after saying why, where none can be mounted.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "streamgate-test"]).arg(folder.path());
        let said = match mount.output() {
            Ok(output) if output.status.success() => return Some(Self { folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("SKIPPED: only root can mount a small file system: {said}");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes what room there is.
    fn fill(&self) {
        let mut file = File::create(self.foreign()).expect("room for a name");
        let block = [b'x'; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.foreign()).expect("it is there");
    }

    fn foreign(&self) -> PathBuf {
        self.path().join("foreign")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that was just killed may still hold it.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.path().display());
        }
    }
}
