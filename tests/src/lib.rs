//! What stories of the whole server are told with: a server in this process, the program as a process, a real Kafka, and
//! the scripts that drive the official JavaScript client and a browser.

pub mod conformance;
pub mod java;
pub mod kafka;
pub mod maven;
pub mod node;
pub mod ports;
pub mod program;
pub mod python;
pub mod report;
pub mod seed;
pub mod server;
pub mod stage;
pub mod wait;

pub use loadtest::client;
