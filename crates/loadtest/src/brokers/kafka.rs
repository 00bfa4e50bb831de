//! A real Kafka: one node, as its own documentation starts it, with a heap of 512 MiB.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::process::{Process, end_of};
use super::producer;

/// A running broker.
pub(crate) struct Kafka {
    /// `127.0.0.1:port`
    pub(crate) bootstrap: String,
    _process: Process,
}

impl Kafka {
    /// Formats a folder, starts a broker in it, and waits until it makes topics.
    pub(crate) fn start(libs: &Path, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let libs = libs.canonicalize().with_context(|| format!("no jars of Kafka in {}", libs.display()))?;
        let ports = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [port, controller_port] = ports.map(|socket| socket.local_addr().map(|address| address.port()));
        let bootstrap = format!("127.0.0.1:{}", port?);
        fs::write(folder.join("server.properties"), properties(&folder, &bootstrap, controller_port?))?;
        let class_path = libs.join("*");
        let java = |flags: &[&str], arguments: &[&str]| {
            let mut java = Command::new("java");
            java.args(flags).args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]).arg(&class_path);
            java.args(arguments).current_dir(&folder);
            java
        };
        let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"];
        let formatted = java(&["-Xmx128m"], &format).output().context("java does not run")?;
        ensure!(formatted.status.success(), "not formatted: {}", String::from_utf8_lossy(&formatted.stderr));
        let log = folder.join("broker.log");
        let broker = java(&["-Xms512m", "-Xmx512m"], &["kafka.Kafka", "server.properties"]);
        let process = Process::start(&broker, &log)?;
        wait_until_ready(&bootstrap, &process, &log)?;
        Ok(Self { bootstrap, _process: process })
    }
}

/// An open port is not enough: until a topic can be made.
fn wait_until_ready(bootstrap: &str, process: &Process, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while let Err(error) = producer::create_topics(bootstrap, &["ready".to_owned()]) {
        if !process.runs() || Instant::now() > deadline {
            bail!("Kafka does not start: {error}; end of its log:\n{}", end_of(log));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn properties(folder: &Path, address: &str, controller_port: u16) -> String {
    let data = folder.join("data");
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller_port}
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
",
        data.display()
    )
}

/// Any 16 bytes in URL-safe base64.
const CLUSTER_ID: &str = "c3RyZWFtZ2F0ZS1iZW5jaA";
const READY_TIMEOUT: Duration = Duration::from_secs(120);
