//! `Place`: a server with a portal, over the data folder or over a real Kafka, and what a program is told in its environment.

use std::time::{Duration, SystemTime};

use access::{Algorithm, Signer, TokenRequest};
use e2e::program::Program;
use e2e::secured::SecuredKafka;
use e2e::stage::shared_kafka;
use streamgate::quix_environment::quix_environment;
use tokio::sync::OnceCell;

/// What programs are run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The listener beside the data folder, with nothing configured.
    Embedded,
    /// A real Kafka that asks nobody who they are.
    Kafka,
    /// One that asks for a password, by this mechanism, over TLS.
    Secured(&'static str),
}

/// A running server.
pub(crate) struct Place {
    pub(crate) program: Program,
}

impl Place {
    pub(crate) async fn of(kind: Kind) -> Self {
        let program = match kind {
            Kind::Embedded => Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await,
            Kind::Kafka => {
                let kafka = shared_kafka().await;
                let settings = format!("[portal]\nkafka_address = \"{kafka}\"");
                Program::serve_with_settings(&settings, &["--kafka", &kafka]).await
            }
            Kind::Secured(mechanism) => secured(mechanism).await,
        };
        Self { program }
    }

    /// The two variables that a program needs.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.program.url, "any")
    }
}

async fn secured(mechanism: &str) -> Program {
    static KAFKA: OnceCell<SecuredKafka> = OnceCell::const_new();
    let secured = KAFKA.get_or_init(|| SecuredKafka::start(&[])).await;
    Program::serve_with_settings(&secured.portal(mechanism), &["--kafka", &secured.kafka.bootstrap()]).await
}

/// What a program's environment says of a portal and a token.
pub(crate) fn environment(url: &str, token: &str) -> Vec<(&'static str, String)> {
    quix_environment(url, Some(token)).into()
}

/// A token of Ann's for an hour.
pub(crate) fn token(scopes: &str) -> String {
    let hour = Duration::from_secs(3600);
    let request = TokenRequest { scope: scopes.to_owned(), subject: Some("ann".into()), ..TokenRequest::lasting(hour) };
    signer().sign(&request, SystemTime::now()).unwrap()
}

pub(crate) fn signer() -> Signer {
    Signer::new(Algorithm::Hs256, SECRET.as_bytes()).unwrap()
}

/// What tokens are signed with.
pub(crate) const SECRET: &str = "a secret of these stories, long enough";
