//! Why a client may have nothing to show for a kind: a closed list, each entry with where it holds.

use crate::cells::{Cell, Client, Encoding, Transport, Version};

/// Whether that is why this kind may be empty there.
pub fn holds(reason: &str, cell: &Cell, kind: &str) -> bool {
    REASONS.iter().any(|(known, holds)| *known == reason && holds(cell, kind))
}

type Holds = fn(&Cell, &str) -> bool;

const REASONS: [(&str, Holds); 14] = [
    ("server-sent events carry text only", |cell, _| {
        cell.transport == Transport::ServerSentEvents && cell.encoding == Encoding::MessagePack
    }),
    ("clients before 7 have no client results", |cell, kind| kind == "results" && before(cell, Version::V8)),
    ("clients before 8 have no stateful reconnect", |cell, kind| kind == "stateful" && before(cell, Version::V8)),
    ("stateful reconnect is for WebSockets", |cell, kind| {
        kind == "stateful" && cell.transport != Transport::WebSockets && javascript(cell)
    }),
    ("the client has no such transport", |cell, _| match cell.client {
        Client::PySignalR => cell.transport != Transport::WebSockets,
        Client::Java => cell.transport == Transport::ServerSentEvents,
        _ => false,
    }),
    ("the client polls for text only", |cell, _| {
        cell.client == Client::SignalRCore
            && cell.transport == Transport::LongPolling
            && cell.encoding == Encoding::MessagePack
    }),
    ("Maven Central has no MessagePack for the client", |cell, _| {
        cell.client == Client::Java && cell.encoding == Encoding::MessagePack
    }),
    ("the client has no stateful reconnect", |cell, kind| kind == "stateful" && !javascript(cell)),
    ("the client has no automatic reconnect", |cell, kind| kind == "reconnect" && cell.client == Client::Java),
    // And is told 404: its next attempt repeats the id of the connection that is gone.
    ("the client reconnects with its old id", |cell, kind| kind == "reconnect" && cell.client == Client::PySignalR),
    ("the client always asks for an answer", |cell, kind| kind == "send" && cell.client == Client::SignalRCore),
    ("the client has no client results", |cell, kind| kind == "results" && cell.client == Client::SignalRCore),
    // So its polls are another user's than its calls.
    ("the client polls without its token", |cell, kind| {
        kind == "users" && cell.client == Client::SignalRCore && cell.transport == Transport::LongPolling
    }),
    // Its completion of an upload lacks the kind of result.
    ("the client cannot end an upload in messagepack", |cell, kind| {
        kind == "upload" && cell.client == Client::SignalRCore && cell.encoding == Encoding::MessagePack
    }),
];

fn before(cell: &Cell, version: Version) -> bool {
    matches!(cell.client, Client::Node(own) if own < version)
}

fn javascript(cell: &Cell) -> bool {
    matches!(cell.client, Client::Node(_) | Client::Chromium)
}
