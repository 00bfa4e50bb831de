//! What can go wrong: one error per operation, and the reason a connection ended for.

use std::fmt;

use signalr_proto::{CloseReason, EncodeError};
use tokio_tungstenite::tungstenite;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not of the form `http://host[:port]/path`; TLS is not spoken.
    #[error("not a hub url: {0}")]
    Url(String),
    /// The server could not be reached, or went away.
    #[error("connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The negotiation was not an HTTP exchange.
    #[error("negotiation failed: {0}")]
    Http(#[from] hyper::Error),
    /// The negotiation was answered with another status than 200, such as 401.
    #[error("negotiation answered with status {status}: {body}")]
    Negotiate {
        /// HTTP status.
        status: u16,
        /// Its body.
        body: String,
    },
    /// The negotiation was answered by a refusal, a redirect, or what cannot be read.
    #[error("negotiation refused: {0}")]
    Refused(String),
    /// The websocket upgrade was answered with another status than 101.
    #[error("websocket upgrade answered with status {status}: {body}")]
    Upgrade {
        /// HTTP status.
        status: u16,
        /// Its body, as far as it came along.
        body: String,
    },
    /// The websocket upgrade failed otherwise.
    #[error("websocket upgrade failed: {0}")]
    WebSocket(Box<tungstenite::Error>),
    /// The websocket was open, and the connection ended before the hub's handshake succeeded.
    #[error("handshake failed: {0}")]
    Handshake(Closed),
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The server answered with this error text.
    #[error("{0}")]
    Failed(String),
    /// The connection has ended; whether the call was carried out is unknown.
    #[error("connection closed: {0}")]
    Closed(Closed),
    /// The arguments cannot be written.
    #[error(transparent)]
    Arguments(#[from] EncodeError),
    /// The result is not of the type asked for.
    #[error("unexpected result: {0}")]
    Result(serde_json::Error),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The first cause; `PeerClosed` if the server said goodbye, with the error text of its Close message.
    pub reason: CloseReason,
    /// Whether the server's Close message asked to reconnect.
    pub allow_reconnect: bool,
    /// Code of the server's websocket close frame: `None` if none came, 1005 if it had no code.
    pub websocket_code: Option<u16>,
}

impl Closed {
    /// The connection's task vanished with its runtime.
    pub(super) fn unknown() -> Self {
        Self { reason: CloseReason::TransportEnded, allow_reconnect: false, websocket_code: None }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            CloseReason::PeerClosed(Some(error)) => write!(formatter, "server said: {error}")?,
            CloseReason::PeerClosed(None) => formatter.write_str("server said goodbye")?,
            reason => formatter.write_str(&reason.error().unwrap_or_else(|| "ended".to_owned()))?,
        }
        match self.websocket_code {
            Some(code) => write!(formatter, " (websocket code {code})"),
            None => Ok(()),
        }
    }
}
