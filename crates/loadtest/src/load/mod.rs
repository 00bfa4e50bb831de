//! The load generator: one thread, one `epoll`, any number of sockets.
//!
//! It shares the machine with the server it measures, so it reads big chunks, finds sequence numbers by a scan instead of
//! parsing, and leaves to `signalr-proto` only what is rare: handshakes, completions, pings, goodbyes.

pub mod calls;
pub mod churn;
pub mod error;
pub mod fanout;
pub mod idle;
pub mod latency;
pub mod marker;
pub mod order;
pub mod pacing;
mod peer;
mod publisher;
mod random;
mod swarm;
mod tally;
pub mod target;
pub mod wire;
