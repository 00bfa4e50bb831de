//! `Load`: everybody who writes and reads while the server comes and goes, and the verdict on what they were told.

use std::cell::RefCell;
use std::time::Duration;

use e2e::wait::until;
use serde_json::Value;

use crate::archive::Archive;
use crate::dice::Dice;
use crate::hub_reader::HubReader;
use crate::kafka_writer::KafkaWriter;
use crate::marks::{Mark, Place};
use crate::scripts::{ScriptReader, ScriptWriter};
use crate::server::{Server, text};
use crate::verdict::Verdict;

/// Two versions of the official client and a Kafka producer write; our client, the official one and a Kafka consumer read.
pub(crate) struct Load {
    scripts: Vec<ScriptWriter>,
    kafka: KafkaWriter,
    archive: Archive,
    pub(crate) reader: HubReader,
    script_reader: ScriptReader,
    /// What was counted when it went on last.
    before: RefCell<Vec<u64>>,
}

impl Load {
    pub(crate) fn start(server: &Server, topic: &str, dice: &mut Dice) -> Self {
        let archive = Archive::start(&server.kafka(), topic);
        let kafka = KafkaWriter::start(&server.kafka(), topic, dice, archive.of_kafka.clone());
        let scripts = ["6", "newest"].map(|version| ScriptWriter::start(version, &server.url(), topic));
        Self {
            scripts: scripts.into(),
            kafka,
            archive,
            reader: HubReader::start(&server.hub(), topic),
            script_reader: ScriptReader::start(&server.url(), topic),
            before: RefCell::default(),
        }
    }

    /// Waits until everybody has got further than the last time.
    pub(crate) async fn goes_on(&self, when: &str) {
        let before = self.before.take();
        let further =
            |counts: &[u64]| (0..).zip(counts).all(|(i, count)| *count >= before.get(i).unwrap_or(&0) + PROGRESS);
        let all_further = async {
            while self.archive.reads() && !further(&self.counts()) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all_further).await.is_ok();
        let counts = self.counts();
        if !(in_time && self.archive.reads()) {
            let consumer = if self.archive.reads() { "reads" } else { "has ended" };
            let scripts: Vec<_> = self.scripts.iter().map(ScriptWriter::connection).collect();
            panic!(
                "{when}, somebody does not go on. Counts of {WHO}: {counts:?}, before: {before:?}; the scripts said last: \
                 {scripts:?}, the producer {:?}; the consumer {consumer}",
                self.kafka.last_error()
            );
        }
        self.before.replace(counts);
    }

    fn counts(&self) -> Vec<u64> {
        let writers = self.scripts.iter().map(ScriptWriter::acknowledged);
        let readers = [self.archive.len(), self.reader.seen(), self.script_reader.seen()];
        writers.chain([self.kafka.acknowledged()]).chain(readers).collect()
    }

    /// Lets the writers end, the readers see all there is, and compares.
    pub(crate) async fn verdict(self, server: &Server, topic: &str) {
        let (mut acknowledged, mut refused, mut unknown) = (Vec::new(), Vec::new(), 0);
        for script in self.scripts {
            let calls = script.stop().await;
            acknowledged.extend(calls.acknowledged);
            refused.extend(calls.refused);
            unknown += calls.unknown;
        }
        let told = self.kafka.stop().await;
        let kept = kept(server, topic).await;
        let mut ends = self.archive.ends();
        kept.iter().for_each(|(place, _)| ends[place.partition as usize] = place.offset + 1);
        until("the consumer has seen all there is", async || self.archive.ends() == ends || !self.archive.reads())
            .await;
        let last: Vec<_> = (0..).zip(&ends).map(|(partition, end)| Place { partition, offset: end - 1 }).collect();
        let last: Vec<_> = kept.iter().filter(|(place, _)| last.contains(place)).map(|(_, mark)| *mark).collect();
        until("the live reader has seen all there is", async || self.reader.has_now_seen(&last)).await;

        let probes = self.reader.probes();
        let connections = [self.reader.stop().await, self.script_reader.stop().await];
        let records = self.archive.stop();
        let mut verdict = Verdict::over(&records);
        verdict.kept(&kept, &ends);
        verdict.acknowledged(acknowledged.iter().chain(&probes).copied());
        verdict.acknowledged_at(told.iter().copied());
        verdict.refused(refused.iter().copied());
        for (name, connections) in ["our client", "the official client"].iter().zip(&connections) {
            for (number, connection) in connections.iter().enumerate() {
                verdict.seen(&format!("{name}, connection {number},"), connection);
            }
        }
        eprintln!(
            "{} stored, {} of them kept; {} acknowledged to hub clients, {} refused, {unknown} unknown; {} acknowledged to \
             the Kafka producer; {} and {} connections of readers",
            records.iter().map(Vec::len).sum::<usize>(),
            kept.len(),
            acknowledged.len(),
            refused.len(),
            told.len(),
            connections[0].len(),
            connections[1].len(),
        );
        verdict.give();
        assert!(unknown > 0, "calls were in flight when the server was killed");
    }
}

/// What the HTTP door shows of a topic.
pub(crate) async fn kept(server: &Server, topic: &str) -> Vec<(Place, Mark)> {
    let lines = text(&format!("{}/topics/{topic}/packages?from=earliest&until_end=true", server.url())).await;
    let record = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = |member: &str| line[member].as_str().unwrap_or_else(|| panic!("no package: {line}"));
        let number = |member: &str| line[member].as_i64().expect("a number");
        let place = Place { partition: number("partition") as i32, offset: number("offset") };
        (place, Mark::of_package(text("streamId"), text("value")))
    };
    lines.lines().map(record).collect()
}

const WHO: &str = "two scripts, producer; consumer, our reader, script that reads";
/// What each has to get on by between two ends.
const PROGRESS: u64 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Longer than the 100 s after which the official client gives up a request that has no answer.
const PATIENCE: Duration = Duration::from_secs(150);
