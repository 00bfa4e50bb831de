//! The clients: who they are and how their programs are started.

use e2e::java::Java;
use e2e::python::Python;
use serde_json::Value;
use tokio::process::Command;

use crate::process::Process;

/// A Kafka client library.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Client {
    Confluent,
    KafkaPython,
    AioKafka,
    Java,
}

impl Client {
    /// Starts a scenario.
    pub(crate) async fn start(self, scenario: &str, bootstrap: &str, topic: &str, more: &[&str]) -> Process {
        let mut command = self.command().await;
        command.args([scenario, "--bootstrap", bootstrap, "--topic", topic]).args(more);
        Process::start(&format!("{self:?} {scenario}"), command)
    }

    /// Runs a scenario to its end and gives its verdict.
    pub(crate) async fn run(self, scenario: &str, bootstrap: &str, topic: &str, more: &[&str]) -> Value {
        let lines = self.start(scenario, bootstrap, topic, more).await.finish().await;
        lines.into_iter().last().unwrap_or_else(|| panic!("{self:?} {scenario} gave no verdict"))
    }

    async fn command(self) -> Command {
        match self {
            Self::Confluent => Python::modern().await.command("confluent.py"),
            Self::KafkaPython => Python::modern().await.command("kafka_python.py"),
            Self::AioKafka => Python::modern().await.command("aio.py"),
            Self::Java => Java::scenarios().await.command(),
        }
    }
}
