//! `HubMessage`: the nine kinds of message both sides exchange after the handshake.

use std::borrow::Cow;

use crate::payload::{Arguments, Payload};

/// One hub message, its values still undecoded. Source: the SignalR hub protocol document, and where it differs from
/// ASP.NET Core's implementation, the implementation.
#[derive(Debug, Clone, PartialEq)]
pub enum HubMessage<'a> {
    /// Call a method (type 1). With an id exactly one [`Completion`](Self::Completion) answers it, without one nothing does.
    Invocation(Invocation<'a>),
    /// One item of a stream (type 2), in either direction.
    StreamItem {
        /// Of the stream invocation, or of the upload stream.
        invocation_id: Cow<'a, str>,
        /// Any value, null included.
        item: Payload<'a>,
    },
    /// The end of a call or of a stream (type 3).
    Completion {
        /// Of the invocation answered.
        invocation_id: Cow<'a, str>,
        /// How it ended.
        outcome: Outcome<'a>,
    },
    /// Call a method that answers with a stream (type 4). Always has an id.
    StreamInvocation(Invocation<'a>),
    /// Stop a running stream (type 5).
    CancelInvocation {
        /// Of the stream invocation.
        invocation_id: Cow<'a, str>,
    },
    /// Sign of life (type 6); not answered.
    Ping,
    /// The last message before the transport ends (type 7).
    Close {
        /// Why, if not by plan.
        error: Option<Cow<'a, str>>,
        /// Whether a client with automatic reconnect should start over with a new connection.
        allow_reconnect: bool,
    },
    /// Stateful reconnect: all counted messages up to this one were processed (type 8).
    Ack {
        /// Number of the last one.
        sequence_id: u64,
    },
    /// Stateful reconnect: number of the next counted message (type 9).
    Sequence {
        /// That number, from 1.
        sequence_id: u64,
    },
}

/// What [`HubMessage::Invocation`] and [`HubMessage::StreamInvocation`] carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation<'a> {
    /// Chosen by the caller, opaque; may repeat. `None`: no answer wanted.
    pub invocation_id: Option<Cow<'a, str>>,
    /// Name of the method; servers compare it without case.
    pub target: Cow<'a, str>,
    /// Positional arguments.
    pub arguments: Arguments<'a>,
    /// Ids of the streams the caller will feed.
    pub stream_ids: Vec<Cow<'a, str>>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'a> {
    /// With a value, which is null for a method that returns none.
    Result(Payload<'a>),
    /// With an error text for the caller.
    Error(Cow<'a, str>),
    /// Without a value: the end of a stream.
    Void,
}
