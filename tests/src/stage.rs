//! `stage`: each story is told over memory, over a data folder and over real Kafka; the tests of one program share one Kafka.

use tokio::sync::OnceCell;

use crate::kafka::Kafka;
use crate::server::TestServer;

/// What a story is told over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The memory broker.
    Memory,
    /// The embedded broker, in a folder that goes with the server.
    Embedded,
    /// A real Apache Kafka.
    Kafka,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Embedded, Self::Kafka];

    /// A server over it.
    pub async fn server(self) -> TestServer {
        match self {
            Self::Memory => TestServer::start().await,
            Self::Embedded => TestServer::start_embedded().await,
            Self::Kafka => TestServer::start_on_kafka(&shared_kafka().await).await,
        }
    }
}

/// Address of the Kafka that this test program shares. It ends with the program.
pub async fn shared_kafka() -> String {
    static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
    KAFKA.get_or_init(Kafka::start).await.bootstrap()
}
