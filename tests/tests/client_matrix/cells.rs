//! A cell: which client with which transport and encoding, how its program is run, and what that says.

use std::fmt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use e2e::java::Java;
use e2e::python::Python;
use serde_json::Value;
use tokio::process::Command;

/// What every program tells of, in this order.
pub const KINDS: [&str; 12] = [
    "invoke",
    "send",
    "receive",
    "stream",
    "upload",
    "results",
    "data",
    "groups",
    "users",
    "close",
    "reconnect",
    "stateful",
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Client {
    /// `@microsoft/signalr` in node.
    Node(Version),
    /// The newest in Chromium.
    Chromium,
    PySignalR,
    SignalRCore,
    /// `com.microsoft.signalr`
    Java,
}

/// Of the JavaScript client; the packages stand in `signalr-matrix/package.json`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Version {
    V3,
    V5,
    V6,
    V8,
    Newest,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transport {
    WebSockets,
    ServerSentEvents,
    LongPolling,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    Json,
    MessagePack,
}

#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub client: Client,
    pub transport: Transport,
    pub encoding: Encoding,
}

/// What a client has to tell of one kind.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Checked(u64),
    Nothing { reason: String },
    Failed { error: String },
}

impl Cell {
    pub fn all() -> Vec<Self> {
        use Encoding::{Json, MessagePack};
        use Transport::{LongPolling, ServerSentEvents, WebSockets};
        use Version::{Newest, V3, V5, V6, V8};
        let javascript = [V3, V5, V6, V8, Newest].map(Client::Node);
        let others = [Client::Chromium, Client::PySignalR, Client::SignalRCore, Client::Java];
        let mut cells = Vec::new();
        for client in javascript.into_iter().chain(others) {
            for transport in [WebSockets, ServerSentEvents, LongPolling] {
                cells.extend([Json, MessagePack].map(|encoding| Self { client, transport, encoding }));
            }
        }
        cells
    }

    /// One outcome per kind.
    pub async fn run(&self, url: &str) -> Vec<Outcome> {
        if let Some(reason) = self.missing() {
            return KINDS.iter().map(|_| Outcome::Nothing { reason: reason.to_owned() }).collect();
        }
        let mut command = self.command(url).await;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().expect("the client's program runs");
        let Ok(output) = tokio::time::timeout(PATIENCE, child.wait_with_output()).await else {
            return KINDS.iter().map(|_| Outcome::Failed { error: format!("not done after {PATIENCE:?}") }).collect();
        };
        let output = output.expect("it can be waited for");
        let (lines, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines: Vec<Value> = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let of = |kind| match lines.iter().find(|line| line["kind"] == kind) {
            Some(line) => Outcome::of(line),
            None => Outcome::Failed { error: format!("nothing about it; {}: {said}", output.status) },
        };
        KINDS.into_iter().map(of).collect()
    }

    /// Why the client is not even started.
    fn missing(&self) -> Option<&'static str> {
        let binary = self.encoding == Encoding::MessagePack;
        match (self.client, self.transport) {
            (Client::Java, _) if binary => Some("Maven Central has no MessagePack for the client"),
            (Client::Java, Transport::ServerSentEvents) => Some("the client has no such transport"),
            (Client::PySignalR, Transport::ServerSentEvents | Transport::LongPolling) => {
                Some("the client has no such transport")
            }
            (_, Transport::ServerSentEvents) if binary => Some("server-sent events carry text only"),
            (Client::SignalRCore, Transport::LongPolling) if binary => Some("the client polls for text only"),
            _ => None,
        }
    }

    async fn command(&self, url: &str) -> Command {
        let transport = format!("{:?}", self.transport);
        let encoding = self.encoding.name();
        let node = |version: Version| {
            let mut command = Command::new("node");
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("signalr-matrix/cell.mjs"));
            command.args(["--url", url, "--client", version.alias()]);
            command.args(["--transport", &transport, "--protocol", encoding]);
            command
        };
        match self.client {
            Client::Node(version) => node(version),
            Client::Chromium => {
                let mut command = node(Version::Newest);
                command.arg("--browser");
                command
            }
            Client::PySignalR | Client::SignalRCore => {
                let program =
                    if self.client == Client::PySignalR { "pysignalr_cell.py" } else { "signalrcore_cell.py" };
                let mut command = Python::signalr().await.command(program);
                command.args([url, &transport, encoding]);
                command
            }
            Client::Java => {
                let mut command = Java::matrix().await.command();
                command.args([url, &transport]);
                command
            }
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let client = match self.client {
            Client::Node(Version::Newest) => "node newest".to_owned(),
            Client::Node(version) => format!("node {}", version.alias()),
            Client::Chromium => "chromium newest".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        let transport = match self.transport {
            Transport::WebSockets => "websockets",
            Transport::ServerSentEvents => "events",
            Transport::LongPolling => "polling",
        };
        write!(f, "{client:<15} {transport:<10} {:<11}", self.encoding.name())
    }
}

impl Version {
    fn alias(self) -> &'static str {
        match self {
            Self::V3 => "3",
            Self::V5 => "5",
            Self::V6 => "6",
            Self::V8 => "8",
            Self::Newest => "newest",
        }
    }
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }
}

impl Outcome {
    fn of(line: &Value) -> Self {
        let reason = || line["reason"].as_str().unwrap_or_default().to_owned();
        match (line["ok"].as_bool(), line["count"].as_u64()) {
            (Some(true), Some(count)) if count > 0 => Self::Checked(count),
            (Some(true), _) => Self::Nothing { reason: reason() },
            _ => Self::Failed { error: reason() },
        }
    }
}

/// For a cell; each kind has a bound of its own.
const PATIENCE: Duration = Duration::from_secs(300);
