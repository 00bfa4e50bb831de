//! Transports: what carries a connection's bytes. They differ in how input comes in and how output goes out, and share all
//! else.

pub(crate) mod http;
mod io;
pub(crate) mod websocket;

pub(crate) use io::Io;
use signalr_proto::encoding::TransferFormat;
use signalr_proto::negotiate::{self, AvailableTransport};

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Both directions on one websocket.
    WebSockets,
    /// The server's side as one response of events, the client's as POST requests.
    ServerSentEvents,
    /// The server's side as responses to polls, the client's as POST requests.
    LongPolling,
}

impl Transport {
    /// All of them, in the order in which clients are to prefer them.
    pub const ALL: [Self; 3] = [Self::WebSockets, Self::ServerSentEvents, Self::LongPolling];

    /// Name in the negotiation.
    pub fn name(self) -> &'static str {
        self.offer().transport
    }

    /// The most it can carry.
    pub(crate) fn format(self) -> TransferFormat {
        let is_binary = self.offer().transfer_formats.contains(&negotiate::BINARY);
        if is_binary { TransferFormat::Binary } else { TransferFormat::Text }
    }

    pub(crate) fn offer(self) -> AvailableTransport {
        match self {
            Self::WebSockets => negotiate::WEB_SOCKETS,
            Self::ServerSentEvents => negotiate::SERVER_SENT_EVENTS,
            Self::LongPolling => negotiate::LONG_POLLING,
        }
    }
}
