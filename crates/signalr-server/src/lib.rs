//! A SignalR hub server for any Rust program: clients of Microsoft's SignalR call methods here, and are called back.
//!
//! A [`Hub`] is a set of methods by name. A [`HubServer`] puts it at a path; it is a hyper and a tower service, and
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
//! As a tower service it stands beside the routes of an axum application:
//!
//! ```
//! # use signalr_server::{Hub, HubServer, Options};
//! let chat = HubServer::new("/chat", Hub::new(), Options::default());
//! let app: axum::Router = axum::Router::new().fallback_service(chat); // and `axum::serve(listener, app)`
//! ```
//!
//! Methods may also answer with a stream ([`Hub::stream_method`]), read streams of their caller
//! ([`Hub::upload_method`]), and ask clients for results ([`Client::invoke`]).

mod address;
pub mod auth;
mod body;
mod call;
mod client_results;
mod clients;
mod clock;
mod connection;
mod connection_store;
pub mod cors;
mod directory;
mod error;
mod frame;
mod groups;
pub mod http;
mod hub;
mod ids;
pub mod metrics;
mod negotiate;
mod options;
mod outbox;
mod pace;
mod rate;
mod raw;
mod refusal;
mod routes;
mod service;
mod streams;
#[cfg(feature = "tls")]
pub mod tls;
mod tower;
mod transport;
mod uploads;
mod user;

pub use address::ClientAddress;
pub use auth::{Authentication, Authenticator, Denied};
pub use body::{Body, RequestBody};
pub use client_results::InvokeError;
pub use clients::{Client, Clients, Target};
pub use connection::ConnectionHandle;
pub use error::{HubError, SendError};
pub use frame::{Frame, FrameBuilder};
pub use groups::Groups;
pub use hub::{Caller, Hub};
pub use ids::ConnectionId;
pub use options::Options;
pub use outbox::{Burst, Pushed};
pub use pace::Paces;
pub use raw::{RawConnection, RawServer};
pub use service::HubServer;
pub use signalr_proto::value;
pub use signalr_proto::{CloseReason, Encoding, ErrorDetail, FromArguments, Options as ProtocolOptions};
pub use transport::Transport;
pub use uploads::{FromUploads, Upload};
pub use user::User;
