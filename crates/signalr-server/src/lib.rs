//! A SignalR hub server for any Rust program: clients of Microsoft's SignalR call methods here, and are called back.
//!
//! A [`Hub`] is a set of methods by name. A [`HubServer`] puts it at a path; it is a hyper service, and
//! [`HubServer::serve`] runs it on a listener by itself. Inside methods, [`Caller`] reaches whoever called, and through
//! [`Caller::clients`] everyone else.
//!
//! ```
//! use signalr_server::{Caller, Hub, HubServer, Options};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let hub = Hub::new()
//!     .method("Add", |_: Caller, (a, b): (i64, i64)| async move { Ok(a + b) })
//!     .method("Say", |caller: Caller, (text,): (String,)| async move {
//!         caller.clients().all().send("Said", &(text,)).await?;
//!         Ok(())
//!     });
//! let server = HubServer::new("/chat", hub, Options::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let running = tokio::spawn(server.clone().serve(listener));
//! # running.abort();
//! # Ok(()) }
//! ```
//!
//! So far: WebSockets, JSON and MessagePack. Other transports, streams and client results have their places but are not
//! there yet.

mod call;
mod clients;
mod connection;
mod connection_store;
pub mod cors;
mod error;
mod frame;
mod groups;
mod hub;
mod ids;
pub mod metrics;
mod negotiate;
mod options;
mod outbox;
mod service;
mod transport;

pub use clients::{Clients, Target};
pub use connection::ConnectionHandle;
pub use error::{HubError, SendError};
pub use frame::{Frame, FrameBuilder};
pub use groups::Groups;
pub use hub::{Caller, Hub};
pub use ids::ConnectionId;
pub use options::Options;
pub use outbox::Pushed;
pub use service::{Body, HubServer};
pub use signalr_proto::value;
pub use signalr_proto::{CloseReason, Encoding, ErrorDetail, FromArguments, Options as ProtocolOptions};
