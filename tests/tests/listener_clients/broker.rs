//! What the clients are put to: Streamgate's listener, or a real Kafka as a control of what is expected.

use e2e::kafka::Kafka;
use e2e::ports::lasting_ports;
use e2e::program::Program;
use e2e::stage::shared_kafka;
use tempfile::TempDir;

/// A broker that makes no topics by use. All of it is stopped when dropped.
pub(crate) struct Broker {
    kind: Kind,
    /// Streamgate: that of the listener, or one over the Kafka.
    program: Option<Program>,
}

enum Kind {
    Listener {
        data: TempDir,
        port: u16,
    },
    Kafka(Kafka),
    /// For a control without restarts.
    SharedKafka(String),
}

impl Broker {
    /// A broker that is not restarted.
    pub(crate) async fn start() -> Self {
        if control() { Self::shared_kafka().await } else { Self::listener().await }
    }

    /// The real Kafka of this test program.
    pub(crate) async fn shared_kafka() -> Self {
        Self { kind: Kind::SharedKafka(shared_kafka().await), program: None }
    }

    /// A broker that is.
    pub(crate) async fn start_mortal() -> Self {
        if control() { Self { kind: Kind::Kafka(Kafka::start().await), program: None } } else { Self::listener().await }
    }

    /// Streamgate's listener.
    pub(crate) async fn listener() -> Self {
        let [port] = lasting_ports();
        let mut broker = Self { kind: Kind::Listener { data: TempDir::new().expect("a folder"), port }, program: None };
        broker.serve().await;
        broker
    }

    /// Address for clients, the same over restarts.
    pub(crate) fn bootstrap(&self) -> String {
        match &self.kind {
            Kind::Listener { port, .. } => format!("127.0.0.1:{port}"),
            Kind::Kafka(kafka) => kafka.bootstrap(),
            Kind::SharedKafka(bootstrap) => bootstrap.clone(),
        }
    }

    /// URL of a Streamgate that has the same topics.
    pub(crate) async fn url(&mut self) -> String {
        if self.program.is_none() {
            self.serve().await;
        }
        self.program.as_ref().expect("it runs").url.clone()
    }

    /// Kills it (SIGKILL) and starts it on the same data and port.
    pub(crate) async fn kill_and_restart(&mut self) {
        match &mut self.kind {
            Kind::Listener { .. } => {
                self.program.take().expect("it runs").kill().await;
                self.serve().await;
            }
            Kind::Kafka(kafka) => kafka.restart().await,
            Kind::SharedKafka(_) => panic!("a shared broker is not restarted"),
        }
    }

    /// What becomes of transactions.
    pub(crate) fn transactions(&self) -> &'static str {
        match self.kind {
            Kind::Listener { .. } => "refused",
            Kind::Kafka(_) | Kind::SharedKafka(_) => "work",
        }
    }

    async fn serve(&mut self) {
        let bootstrap = self.bootstrap();
        let source = match &self.kind {
            Kind::Listener { data, .. } => {
                vec!["--data", data.path().to_str().expect("a text"), "--kafka-listen", &bootstrap]
            }
            Kind::Kafka(_) | Kind::SharedKafka(_) => vec!["--kafka", &bootstrap],
        };
        self.program = Some(Program::serve(&[&source[..], &["--create-topics=false"]].concat()).await);
    }
}

/// Whether this run asks a real Kafka, to see that what is expected of ours is what Kafka does.
fn control() -> bool {
    std::env::var_os("STREAMGATE_TEST_KAFKA_CONTROL").is_some()
}
