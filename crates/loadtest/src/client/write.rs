//! The writing task of a connection: joins hub messages into websocket messages, says goodbye.

use futures::SinkExt;
use futures::stream::SplitSink;
use signalr_proto::{Encoding, HubMessage};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Most bytes that are joined into one websocket message, unless a single hub message is longer.
const JOINED_BYTES: usize = 32 * 1024;

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;

/// What the writing task is to do.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// Send whole hub messages; several may be joined, as Microsoft's JavaScript client does.
    Hub(Vec<u8>),
    /// Send these bytes alone.
    Raw(Vec<u8>),
    /// Send a Close message and a close frame; nothing follows.
    Close,
    /// Send a close frame; nothing follows.
    CloseFrame,
    /// Drop the socket.
    Abort,
}

/// Why the writing task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Goodbye was said.
    Closed,
    /// As asked.
    Aborted,
    /// The socket takes no more.
    Failed,
}

/// Writes what comes, until told to stop or until nobody can send any more, which means to close.
pub(super) async fn write_all(mut sink: Sink, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) -> Stopped {
    let mut next = None;
    loop {
        let item = match next.take() {
            Some(item) => item,
            None => outgoing.recv().await.unwrap_or(Outgoing::Close),
        };
        let bytes = match item {
            Outgoing::Hub(bytes) => {
                let (bytes, after) = join(bytes, &mut outgoing);
                next = after;
                bytes
            }
            Outgoing::Raw(bytes) => bytes,
            Outgoing::Close => {
                let mut goodbye = Vec::new();
                let close = HubMessage::Close { error: None, allow_reconnect: false };
                Encoding::Json.encode(&close, &mut goodbye);
                return match write(&mut sink, goodbye).await {
                    true => close_frame(&mut sink).await,
                    false => Stopped::Failed,
                };
            }
            Outgoing::CloseFrame => return close_frame(&mut sink).await,
            Outgoing::Abort => return Stopped::Aborted,
        };
        if !write(&mut sink, bytes).await {
            return Stopped::Failed;
        }
    }
}

/// Adds the hub messages that wait behind `bytes`; also gives what followed them.
fn join(mut bytes: Vec<u8>, outgoing: &mut mpsc::UnboundedReceiver<Outgoing>) -> (Vec<u8>, Option<Outgoing>) {
    while bytes.len() < JOINED_BYTES {
        match outgoing.try_recv() {
            Ok(Outgoing::Hub(more)) => bytes.extend_from_slice(&more),
            Ok(other) => return (bytes, Some(other)),
            Err(_) => break,
        }
    }
    (bytes, None)
}

/// Whether the socket took it.
async fn write(sink: &mut Sink, bytes: Vec<u8>) -> bool {
    let message = match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(error) => Message::binary(error.into_bytes()),
    };
    sink.send(message).await.is_ok()
}

async fn close_frame(sink: &mut Sink) -> Stopped {
    let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    match sink.send(Message::Close(Some(frame))).await {
        Ok(()) => Stopped::Closed,
        Err(_) => Stopped::Failed,
    }
}
