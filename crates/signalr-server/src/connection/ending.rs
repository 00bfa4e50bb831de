//! How a connection ends: what is said last, and how long that may take.

use std::time::{Duration, Instant};

use bytes::Bytes;
use signalr_proto::CloseReason;

use crate::frame::{HEAD_ROOM, OPCODE_CLOSE, write_head};

/// Where a connection stands in its life.
#[derive(Debug)]
pub(crate) enum Stage {
    Running,
    /// The goodbye is on its way out.
    Draining {
        deadline: Instant,
    },
    /// Ours is out, the client's is awaited: closing a socket with unread input would destroy what the client has not
    /// read yet.
    Lingering {
        deadline: Instant,
    },
}

impl Stage {
    pub(crate) fn draining(now: Instant) -> Self {
        Self::Draining { deadline: now + DRAIN }
    }

    pub(crate) fn lingering(now: Instant) -> Self {
        Self::Lingering { deadline: now + LINGER }
    }

    /// When this stage ends by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Draining { deadline } | Self::Lingering { deadline } => Some(*deadline),
        }
    }
}

/// Whether what waits for a connection that ends for this reason goes out before the goodbye.
pub(crate) fn keeps_output(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::TooSlow | CloseReason::Fault(_))
}

/// Whether calls that are being admitted when a connection ends for this reason go on, for as long as the client's goodbye is
/// waited for. A stop and the end of credentials have waited for them before.
pub(crate) fn admits_calls(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Draining | CloseReason::Expired | CloseReason::Revoked)
}

/// An error for the log: it may repeat what a client wrote, of which only so much is kept, and nothing that controls a
/// terminal.
pub(crate) fn shown(error: String) -> String {
    let kept = error.chars().take(MAX_SHOWN);
    kept.map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

/// A websocket close frame.
pub(crate) fn close_frame(code: u16) -> Bytes {
    let mut frame = vec![0; HEAD_ROOM];
    frame.extend_from_slice(&code.to_be_bytes());
    let start = write_head(OPCODE_CLOSE, &mut frame);
    Bytes::from(frame).slice(start..)
}

/// Source: the send timeout of ASP.NET Core's transports.
const DRAIN: Duration = Duration::from_secs(10);

/// Source: ASP.NET Core `WebSocketOptions.CloseTimeout`.
const LINGER: Duration = Duration::from_secs(5);

/// Characters.
const MAX_SHOWN: usize = 200;
