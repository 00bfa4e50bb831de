//! Why a connection ends, as a table: what the peer is told, whether it should come back, what the metric says.

use std::borrow::Cow;

use crate::handshake::HandshakeError;
use crate::message::HubMessage;

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The hub, or this server's operator, ended it.
    Ended,
    /// The peer said goodbye, with an error text if it had one.
    PeerClosed(Option<String>),
    /// The transport ended without a goodbye.
    TransportEnded,
    /// The handshake did not succeed.
    Handshake(HandshakeError),
    /// A message broke the protocol.
    Protocol(String),
    /// A message was longer than `max_message_bytes`.
    MessageTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The transport ended within a message.
    CutOff,
    /// The peer was silent for longer than the peer timeout.
    PeerTimeout,
    /// The peer reads slower than the server sends, past the bounds of its output queue.
    TooSlow,
    /// Nothing could be written for too long.
    WriteStalled,
    /// The transport's own rules were broken.
    Transport(Cow<'static, str>),
    /// A gap in what the connection was subscribed to, or another fault that only a new connection mends.
    Fault(Cow<'static, str>),
    /// The handler for new connections failed.
    Refused {
        /// Why.
        text: String,
        /// Whether it is for the client to know, whatever is told of errors otherwise.
        for_client: bool,
    },
    /// After a reconnect the peer goes on behind messages that never came.
    Gap,
    /// The server is stopping.
    Draining,
    /// The credentials of the peer have expired; it may come back with new ones.
    Expired,
    /// The credentials of the peer were taken back; it has no business to come back.
    Revoked,
}

/// How much of an error a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorDetail {
    /// Only what a hub raised for the client on purpose. As ASP.NET Core with `EnableDetailedErrors` off.
    #[default]
    Hidden,
    /// Also what speaks of the client's own doing: limits it met, arguments that did not fit.
    ClientFaults,
    /// Everything, internals included; for development.
    All,
}

impl CloseReason {
    /// The Close message for the peer, or `None` where it would not be read or not be allowed.
    pub fn message(&self, detail: ErrorDetail) -> Option<HubMessage<'static>> {
        let (error, allow_reconnect) = match self {
            Self::TransportEnded | Self::Handshake(_) | Self::WriteStalled => return None,
            Self::Ended | Self::PeerClosed(_) => (None, false),
            Self::Draining | Self::Expired => (None, true),
            Self::Revoked => (Some(with_detail(Some(REVOKED), true)), false),
            Self::Refused { text, for_client } => {
                (Some(with_detail(Some(text), *for_client || detail >= ErrorDetail::All)), false)
            }
            _ => (Some(with_detail(self.detail().as_deref(), detail >= ErrorDetail::ClientFaults)), true),
        };
        Some(HubMessage::Close { error: error.map(Cow::Owned), allow_reconnect })
    }

    /// What the handler for ended connections is told; `None` for an end by plan.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Ended | Self::PeerClosed(None) | Self::Draining | Self::Expired => None,
            Self::PeerClosed(Some(error)) => Some(error.clone()),
            Self::TransportEnded => Some("The transport ended without a close frame.".to_owned()),
            Self::Handshake(error) => Some(error.to_string()),
            Self::WriteStalled => Some("Nothing could be written to the connection for too long.".to_owned()),
            Self::Refused { text, .. } => Some(text.clone()),
            Self::Revoked => Some(REVOKED.to_owned()),
            _ => self.cause().map(|(_, text)| text.into_owned()),
        }
    }

    /// Closed set of labels for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Ended => "server",
            Self::PeerClosed(_) | Self::TransportEnded => "client",
            Self::Handshake(_) | Self::Protocol(_) | Self::CutOff | Self::Transport(_) | Self::Gap => "protocol",
            Self::MessageTooLarge { .. } => "limit",
            Self::PeerTimeout => "idle",
            Self::TooSlow | Self::WriteStalled => "slow",
            Self::Fault(_) | Self::Refused { .. } => "error",
            Self::Draining => "drain",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// What the peer may be told.
    fn detail(&self) -> Option<String> {
        let (kind, text) = self.cause()?;
        Some(match kind {
            Some(kind) => format!("{kind}: {text}"),
            None => text.into_owned(),
        })
    }

    /// What went wrong, and its kind, which is the name of an exception in ASP.NET Core.
    fn cause(&self) -> Option<(Option<&'static str>, Cow<'_, str>)> {
        Some(match self {
            Self::Protocol(text) => (Some(INVALID_DATA), text.into()),
            Self::MessageTooLarge { limit } => (
                Some(INVALID_DATA),
                format!(
                    "The maximum message size of {limit}B was exceeded. The message size can be configured in \
                     AddHubOptions."
                )
                .into(),
            ),
            Self::Gap => (
                Some("InvalidOperationException"),
                "Sequence ID greater than amount of messages we've received.".into(),
            ),
            Self::CutOff => (Some(INVALID_DATA), "Connection terminated while reading a message.".into()),
            Self::PeerTimeout => (
                Some("OperationCanceledException"),
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.".into(),
            ),
            Self::TooSlow => (None, "The subscriber is too slow.".into()),
            Self::Transport(text) | Self::Fault(text) => (None, text.as_ref().into()),
            _ => return None,
        })
    }
}

const INVALID_DATA: &str = "InvalidDataException";
const REVOKED: &str = "Access was revoked.";

fn with_detail(detail: Option<&str>, told: bool) -> String {
    match detail {
        Some(detail) if told => format!("Connection closed with an error. {detail}"),
        _ => "Connection closed with an error.".to_owned(),
    }
}

impl PartialOrd for ErrorDetail {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(error: Option<&str>, allow_reconnect: bool) -> Option<HubMessage<'static>> {
        Some(HubMessage::Close { error: error.map(|text| Cow::Owned(text.to_owned())), allow_reconnect })
    }

    #[test]
    fn each_end_says_what_clients_expect() {
        let large = CloseReason::MessageTooLarge { limit: 8 };
        let rows = [
            (CloseReason::Ended, ErrorDetail::All, close(None, false)),
            (CloseReason::PeerClosed(None), ErrorDetail::All, close(None, false)),
            (CloseReason::Draining, ErrorDetail::Hidden, close(None, true)),
            (CloseReason::TransportEnded, ErrorDetail::All, None),
            (CloseReason::Expired, ErrorDetail::Hidden, close(None, true)),
            (
                CloseReason::Revoked,
                ErrorDetail::Hidden,
                close(Some("Connection closed with an error. Access was revoked."), false),
            ),
            (large.clone(), ErrorDetail::Hidden, close(Some("Connection closed with an error."), true)),
            (
                large,
                ErrorDetail::ClientFaults,
                close(
                    Some(
                        "Connection closed with an error. InvalidDataException: The maximum message size of 8B was \
                         exceeded. The message size can be configured in AddHubOptions.",
                    ),
                    true,
                ),
            ),
            (
                CloseReason::TooSlow,
                ErrorDetail::ClientFaults,
                close(Some("Connection closed with an error. The subscriber is too slow."), true),
            ),
            (
                CloseReason::Refused { text: "HubException: full".into(), for_client: true },
                ErrorDetail::Hidden,
                close(Some("Connection closed with an error. HubException: full"), false),
            ),
            (
                CloseReason::Refused { text: "secret".into(), for_client: false },
                ErrorDetail::ClientFaults,
                close(Some("Connection closed with an error."), false),
            ),
        ];
        for (reason, detail, expected) in rows {
            assert_eq!(reason.message(detail), expected, "{reason:?}");
        }
    }

    #[test]
    fn the_hub_is_told_the_text_alone() {
        let text = "Connection terminated while reading a message.";
        assert_eq!(CloseReason::CutOff.error().as_deref(), Some(text));
        let told = format!("Connection closed with an error. InvalidDataException: {text}");
        assert_eq!(CloseReason::CutOff.message(ErrorDetail::All), close(Some(&told), true));
    }
}
