//! The SignalR hub protocol without I/O: framing, messages, handshake, negotiation, and the state of one connection.
//!
//! Nothing here reads a clock, a socket or a source of randomness: bytes and [`Instant`](std::time::Instant)s come in as
//! arguments, bytes and decisions come out. [`Connection`] is the whole of it; the other modules are its parts, useful by
//! themselves for encoding once and sending to many.
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use signalr_proto::{Connection, Event, HubMessage, Options, Output};
//!
//! let now = Instant::now();
//! let mut server = Connection::server(Arc::new(Options::default()), now);
//! let mut input: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":1,\"target\":\"add\",\"arguments\":[1,2]}\x1e";
//!
//! assert!(matches!(server.receive(&mut input, now), Some(Event::Opened)));
//! assert!(matches!(server.poll_output(), Some(Output::Send(bytes)) if bytes == b"{}\x1e"));
//! let Some(Event::Message { message: HubMessage::Invocation(call), .. }) = server.receive(&mut input, now) else { panic!() };
//! assert_eq!(call.target, "add");
//! assert_eq!(call.arguments.bind::<(i64, i64)>().unwrap(), (1, 2));
//! ```

pub mod close;
pub mod connection;
pub mod encoding;
pub mod framing;
pub mod handshake;
pub mod message;
pub mod negotiate;
pub mod payload;
pub mod value;

pub use close::{CloseReason, ErrorDetail};
pub use connection::{Connection, Event, Options, Output};
pub use encoding::{DecodeError, EncodeError, Encoding, TransferFormat, ValueError};
pub use message::{HubMessage, Invocation, Outcome};
pub use payload::{Arguments, BindError, FromArguments, Payload};
