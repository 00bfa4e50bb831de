//! What is measured, on what.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use loadtest::load::calls;
use serde::Serialize;

use super::disk::Disk;
use super::kafka::Kafka;
use super::results::Measured;
use super::server::{Server, Topics};
use super::{Options, in_process, producer, reader};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// Records appended and acknowledged.
    Appends { in_flight: usize, topics: usize, linger_ms: u32 },
    /// Records read from the first on.
    Reads,
    /// `SendEventData` through websockets.
    Calls { in_flight: usize, connections: usize },
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// The log in a program's own process.
    InProcess,
    /// The embedded broker: through its Kafka listener, or behind the hub.
    Embedded,
    /// Kafka: itself, or behind the hub.
    Kafka,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appends { in_flight, topics, linger_ms } => {
                let plural = if *topics == 1 { "" } else { "s" };
                write!(f, "appends, {in_flight} in flight, {topics} topic{plural}, linger {linger_ms}")
            }
            Self::Reads => f.write_str("reads from the first record"),
            Self::Calls { in_flight, connections: 1 } => write!(f, "calls, {in_flight} in flight"),
            Self::Calls { in_flight, connections } => {
                write!(f, "calls, {in_flight} in flight over {connections} connections")
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InProcess => "in process",
            Self::Embedded => "embedded",
            Self::Kafka => "Kafka",
        })
    }
}

/// Everything that runs meanwhile, and its folder, which is deleted at the end.
pub(crate) struct Stage<'a> {
    options: &'a Options,
    embedded: Server,
    kafka: Option<(Kafka, Server)>,
    topics: Vec<String>,
    value: Vec<u8>,
    folder: Folder,
}

/// Deleted when dropped, after what runs in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // what is left of it disturbs nobody
    }
}

impl<'a> Stage<'a> {
    /// Starts everything, makes the topics, fills the one that is read, and warms up.
    pub(crate) fn open(options: &'a Options) -> anyhow::Result<Self> {
        let folder = Folder(options.folder.join(format!("bench-brokers-{}", std::process::id())));
        fs::create_dir_all(&folder.0).with_context(|| format!("cannot make {}", folder.0.display()))?;
        let embedded = Server::start(&options.server, &folder.0.join("embedded"), &Topics::Here)?;
        let kafka = match &options.kafka_libs {
            None => None,
            Some(libs) => {
                let kafka = Kafka::start(libs, &folder.0.join("kafka"))?;
                let topics = Topics::Kafka(&kafka.bootstrap);
                let server = Server::start(&options.server, &folder.0.join("on-kafka"), &topics)?;
                Some((kafka, server))
            }
        };
        let topics = (0..MANY_TOPICS).map(|number| format!("bench-{number}")).collect();
        let value = vec![b'v'; options.value_bytes];
        let stage = Self { options, embedded, kafka, topics, value, folder };
        stage.prepare()?;
        Ok(stage)
    }

    fn prepare(&self) -> anyhow::Result<()> {
        for subject in [Subject::Embedded, Subject::Kafka] {
            let Some(bootstrap) = self.bootstrap(subject) else { continue };
            let all = [&self.topics[..], &[READ_TOPIC.to_owned(), "calls".to_owned()]].concat();
            producer::create_topics(bootstrap, &all).with_context(|| format!("topics on {subject}"))?;
            producer::fill(bootstrap, READ_TOPIC, &self.value, self.options.records)
                .with_context(|| format!("filling a topic on {subject}"))?;
        }
        // Code that is compiled while it runs is to be compiled before.
        for scenario in self.scenarios("").into_iter().filter(|scenario| scenario.is_busiest()) {
            for subject in self.subjects(scenario) {
                self.measure(scenario, subject).with_context(|| format!("warming up: {scenario} on {subject}"))?;
            }
        }
        Ok(())
    }

    /// The scenarios whose names begin so.
    pub(crate) fn scenarios(&self, only: &str) -> Vec<Scenario> {
        let mut all = Vec::new();
        for linger_ms in [0, 1] {
            for topics in [1, MANY_TOPICS] {
                all.extend(IN_FLIGHT.map(|in_flight| Scenario::Appends { in_flight, topics, linger_ms }));
            }
        }
        all.push(Scenario::Reads);
        all.extend(IN_FLIGHT.map(|in_flight| Scenario::Calls { in_flight, connections: in_flight.min(CONNECTIONS) }));
        all.retain(|scenario| scenario.to_string().starts_with(only));
        all
    }

    /// Who takes part in a scenario. In process there is no lingering.
    pub(crate) fn subjects(&self, scenario: Scenario) -> Vec<Subject> {
        let in_process = match scenario {
            Scenario::Appends { linger_ms, .. } => linger_ms == 0,
            Scenario::Reads => true,
            Scenario::Calls { .. } => false,
        };
        let mut subjects = vec![Subject::Embedded];
        if in_process && self.options.in_process.is_some() {
            subjects.insert(0, Subject::InProcess);
        }
        subjects.extend(self.kafka.as_ref().map(|_| Subject::Kafka));
        subjects
    }

    pub(crate) fn disk(&self) -> anyhow::Result<Disk> {
        Ok(Disk::measure(&self.folder.0, self.time() / 4)?)
    }

    pub(crate) fn measure(&self, scenario: Scenario, subject: Subject) -> anyhow::Result<Measured> {
        let in_process = || self.options.in_process.as_deref().context("no program for it");
        let (value_bytes, records) = (self.options.value_bytes, self.options.records);
        let bootstrap = self.bootstrap(subject).unwrap_or_default();
        match (scenario, subject) {
            (Scenario::Appends { in_flight, topics, .. }, Subject::InProcess) => in_process::append(
                in_process()?,
                &self.folder.0,
                (in_flight, topics),
                value_bytes,
                (WARM_UP, self.time()),
            ),
            (Scenario::Appends { in_flight, topics, linger_ms }, _) => producer::run(producer::Plan {
                bootstrap,
                topics: &self.topics[..topics],
                in_flight,
                linger_ms,
                value: &self.value,
                warm_up: WARM_UP,
                time: self.time(),
            }),
            (Scenario::Reads, Subject::InProcess) => {
                in_process::read(in_process()?, &self.folder.0, records, value_bytes)
            }
            (Scenario::Reads, _) => reader::run(bootstrap, READ_TOPIC, records),
            (Scenario::Calls { in_flight, connections }, _) => {
                let server = if subject == Subject::Embedded { Some(&self.embedded) } else { self.on_kafka() };
                let server = server.context("no such server")?;
                let plan = calls::Plan {
                    in_flight,
                    connections,
                    payload_bytes: value_bytes,
                    warm_up: WARM_UP,
                    time: self.time(),
                };
                Ok(Measured::of_calls(&calls::run(&server.target, plan, Some(server.clock()?))?))
            }
        }
    }

    fn bootstrap(&self, subject: Subject) -> Option<&str> {
        match subject {
            Subject::InProcess => None,
            Subject::Embedded => Some(&self.embedded.bootstrap),
            Subject::Kafka => self.kafka.as_ref().map(|(kafka, _)| kafka.bootstrap.as_str()),
        }
    }

    fn on_kafka(&self) -> Option<&Server> {
        self.kafka.as_ref().map(|(_, server)| server)
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.options.seconds.max(0.1))
    }
}

impl Scenario {
    /// Whether throughput is what matters in it.
    pub(crate) fn is_busiest(self) -> bool {
        match self {
            Self::Appends { in_flight, .. } | Self::Calls { in_flight, .. } => in_flight == IN_FLIGHT[2],
            Self::Reads => false,
        }
    }

    /// Whether latency is what matters in it.
    pub(crate) fn is_quietest(self) -> bool {
        match self {
            Self::Appends { in_flight, linger_ms, .. } => in_flight == 1 && linger_ms == 0,
            Self::Calls { in_flight, .. } => in_flight == 1,
            Self::Reads => false,
        }
    }
}

const IN_FLIGHT: [usize; 3] = [1, 64, 6400];
const MANY_TOPICS: usize = 64;
const CONNECTIONS: usize = 16;
const READ_TOPIC: &str = "bench-read";
const WARM_UP: Duration = Duration::from_millis(250);
