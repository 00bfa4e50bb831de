//! What stories of the whole server are told with: a server in this process, the program as a process, a real Kafka, and
//! the scripts that drive the official JavaScript client and a browser.

pub mod certificate;
pub mod conformance;
pub mod http2;
pub mod java;
pub mod kafka;
pub mod maven;
pub mod node;
pub mod ports;
pub mod program;
pub mod python;
pub mod receiver;
pub mod report;
pub mod secured;
pub mod seed;
pub mod server;
pub mod stage;
pub mod wait;

pub use loadtest::client;

/// What `reqwest` needs before it makes clients: which implementation of TLS there is. Done by whatever starts a server.
pub(crate) fn trust() {
    // Fails if that was done before.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}
