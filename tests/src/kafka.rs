//! `Kafka`: a real broker for tests: one Java process in a temporary folder, which can be killed, frozen and restarted.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kafka_bridge::broker::{Broker, CreateTopicError, Health};
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;

use crate::maven;
use crate::ports::lasting_ports;

/// One broker, stopped when dropped, and when the process that started it ends in any way.
#[derive(Debug)]
pub struct Kafka {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
    starts: u32,
}

/// How a broker is configured.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Lines for `server.properties` after the usual ones; a later line wins.
    pub properties: Vec<(String, String)>,
    /// A second listener, for clients that prove who they are.
    pub secured: Option<Secured>,
}

/// A listener with TLS, SCRAM-SHA-256 and PLAIN, beside the plain one that the tests themselves use.
#[derive(Debug, Clone)]
pub struct Secured {
    /// Of `localhost`.
    pub port: u16,
    /// Key and certificate in PEM, in one file.
    pub keystore: PathBuf,
    /// The one user.
    pub user: String,
    /// What the user proves it by.
    pub password: String,
}

impl Secured {
    fn properties(&self, port: u16, controller_port: u16) -> String {
        let Self { port: secured_port, keystore, user, password } = self;
        format!(
            "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},USERS://127.0.0.1:{secured_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},USERS://localhost:{secured_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_SSL
listener.name.users.sasl.enabled.mechanisms=SCRAM-SHA-256,PLAIN
listener.name.users.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.users.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";
ssl.keystore.type=PEM
ssl.keystore.location={}
",
            keystore.display()
        )
    }

    fn format_arguments(&self) -> [String; 2] {
        let credential = format!("SCRAM-SHA-256=[name={},password={}]", self.user, self.password);
        ["--add-scram".to_owned(), credential]
    }
}

impl Kafka {
    /// Formats and starts a broker on free ports, and waits until it makes topics. Topics are not made by use.
    ///
    /// # Panics
    /// When that fails; with the end of the broker's log where it has one.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// The same with further properties.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub async fn start_with(options: Options) -> Self {
        match Self::try_start(options).await {
            Ok(kafka) => kafka,
            Err(error) => panic!("no Kafka broker: {error:?}"),
        }
    }

    /// A broker that is formatted but not started: for a server that comes before its Kafka. [`Kafka::restart`] starts it.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub fn prepare() -> Self {
        match Self::format(&Options::default()) {
            Ok(kafka) => kafka,
            Err(error) => panic!("no Kafka broker: {error:?}"),
        }
    }

    /// Address for clients, `127.0.0.1:port`; the same over restarts.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the broker (SIGKILL) and waits until it is gone. Its data stays.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Starts the broker anew on the same data and port, after killing it where it still runs; waits until it makes topics.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub async fn restart(&mut self) {
        self.kill();
        if let Err(error) = self.launch().await {
            panic!("the Kafka broker does not start again: {error:?}");
        }
    }

    /// Freezes the broker (SIGSTOP) until [`Kafka::thaw`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends [`Kafka::freeze`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(self.process.as_ref().is_some_and(|process| process.signal(signal)), "the broker does not run");
    }

    async fn try_start(options: Options) -> Result<Self> {
        let mut kafka = tokio::task::spawn_blocking(move || Self::format(&options)).await??;
        kafka.launch().await?;
        Ok(kafka)
    }

    fn format(options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Port 0 would not do: the broker must know its address beforehand.
        let [port, controller_port] = lasting_ports();
        let mut properties = properties(folder.path(), port, controller_port);
        for (name, value) in &options.properties {
            properties += &format!("{name}={value}\n");
        }
        if let Some(secured) = &options.secured {
            properties += &secured.properties(port, controller_port);
        }
        fs::write(folder.path().join("server.properties"), properties)?;
        let formatted = java(folder.path(), &["-Xmx128m", "-XX:TieredStopAtLevel=1"])?
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"])
            .args(options.secured.iter().flat_map(Secured::format_arguments))
            .output()
            .context("java does not run")?;
        ensure!(formatted.status.success(), "not formatted: {}", String::from_utf8_lossy(&formatted.stderr));
        Ok(Self { folder, port, process: None, starts: 0 })
    }

    async fn launch(&mut self) -> Result<()> {
        self.starts += 1;
        let log = self.folder.path().join("broker.log");
        let process = self.process.insert(Process::start(self.folder.path(), &log)?);
        let ready = wait_until_ready(&format!("127.0.0.1:{}", self.port), self.starts, process).await;
        ready.with_context(|| format!("end of the broker's log:\n{}", end_of(&log)))
    }
}

/// Metadata and a topic made: an open port is not enough.
async fn wait_until_ready(bootstrap: &str, start: u32, process: &Process) -> Result<()> {
    let settings = KafkaSettings { brokers: bootstrap.to_owned(), ..KafkaSettings::default() };
    let broker = KafkaBroker::connect(settings, Metrics::default())?;
    let deadline = Instant::now() + READY_TIMEOUT;
    let topic = format!("ready-{start}");
    loop {
        ensure!(process.runs(), "the broker has ended");
        ensure!(Instant::now() < deadline, "not ready after {READY_TIMEOUT:?}");
        if broker.health() == Health::Reachable {
            match broker.create_topic(&topic, Some(1)).await {
                Ok(_) | Err(CreateTopicError::Exists(_)) => return Ok(()),
                Err(_) => {} // not yet
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The Java process below a shell that kills it as soon as our end of its input closes: so it never outlives us.
#[derive(Debug)]
struct Process {
    shell: Child,
    pid: u32,
}

impl Process {
    fn start(folder: &Path, log: &Path) -> Result<Self> {
        let java = java(folder, &["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])?;
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "sh"])
            .arg(log)
            .arg(java.get_program())
            .args(java.get_args())
            .args(["kafka.Kafka", "server.properties"])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut pid = String::new();
        BufReader::new(shell.stdout.take().context("piped")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().context("the shell names the process")?;
        Ok(Self { shell, pid })
    }

    /// Whether it is there and no zombie (its shell collects it only at the end).
    fn runs(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with(['Z', 'X']))
    }

    fn signal(&self, signal: &str) -> bool {
        Command::new("kill").arg(signal).arg(self.pid.to_string()).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take()); // the shell kills it, collects it, and ends
        if let Err(error) = self.shell.wait() {
            eprintln!("the broker's shell could not be waited for: {error}");
        }
    }
}

/// Arguments: log file, program, its arguments.
const WATCHDOG: &str = r#"log=$1; shift
"$@" </dev/null >>"$log" 2>&1 &
pid=$!
echo $pid
read -r _
kill -9 $pid
wait $pid 2>/dev/null"#;

/// A Java command in `folder` with the broker's jars.
fn java(folder: &Path, flags: &[&str]) -> Result<Command> {
    let mut command = Command::new("java");
    command
        .args(flags)
        .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]);
    command.arg("-cp").arg(maven::jars("kafka", "kafka/pom.xml")?.join("*")).current_dir(folder);
    Ok(command)
}

fn properties(folder: &Path, port: u16, controller_port: u16) -> String {
    let data = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
",
        data.display()
    )
}

fn end_of(log: &Path) -> String {
    let Ok(file) = File::open(log) else {
        return "(no log)".to_owned();
    };
    let lines: Vec<_> = BufReader::new(file).lines().map_while(std::io::Result::ok).collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Any 16 bytes in URL-safe base64.
const CLUSTER_ID: &str = "c3RyZWFtZ2F0ZS10ZXN0cw";
/// A loaded machine took 20 s.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
