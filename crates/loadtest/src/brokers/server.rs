//! Streamgate as a process, on a data folder of its own or on Kafka.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use loadtest::load::target::{Dialect, Target};
use loadtest::process::CpuClock;

use super::process::{Process, end_of};

/// Where the server keeps its topics.
pub(crate) enum Topics<'a> {
    /// In a folder `data` below this one, and it listens to Kafka clients.
    Here,
    /// In Kafka at this address.
    Kafka(&'a str),
}

/// A running server.
pub(crate) struct Server {
    /// The hub, and the topic that calls are written to.
    pub(crate) target: Target,
    /// Where Kafka clients find the topics of the folder.
    pub(crate) bootstrap: String,
    process: Process,
}

impl Server {
    pub(crate) fn start(program: &Path, folder: &Path, topics: &Topics<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
        let mut addresses = Vec::new();
        for port in &ports {
            addresses.push(port.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.local_addr()?.to_string());
        }
        drop(ports);
        let [public, management, kafka] = [&addresses[0], &addresses[1], &addresses[2]];
        let mut command = Command::new(program);
        // By default a gigabyte is kept: less than is written here before the last of it is read.
        command.env("RUST_LOG", "warn").env("STREAMGATE_LOG__RETENTION_BYTES", "64GiB");
        command.args(["serve", "--create-topics", "--listen", public, "--admin-listen", management]);
        match topics {
            Topics::Here => command.arg("--data").arg(folder.join("data")).args(["--kafka-listen", kafka]),
            Topics::Kafka(bootstrap) => command.args(["--kafka", bootstrap]),
        };
        let log = folder.join("server.log");
        let process = Process::start(&command, &log)?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !std::fs::read_to_string(&log).unwrap_or_default().contains("next:") {
            if !process.runs() || Instant::now() > deadline {
                bail!("{} does not start:\n{}", program.display(), end_of(&log));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let target = Target::new(&format!("http://{public}/hub"), Dialect::SignalR, "calls", None)?;
        Ok(Self { target, bootstrap: kafka.clone(), process })
    }

    pub(crate) fn clock(&self) -> anyhow::Result<CpuClock> {
        Ok(CpuClock::of(self.process.pid())?)
    }
}

const START_TIMEOUT: Duration = Duration::from_secs(20);
