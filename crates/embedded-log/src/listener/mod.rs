//! The Kafka door of a log: what Kafka's clients need to produce, consume, and consume in groups.
//!
//! ```text
//! socket ─► frames ─► request ─► dispatch ─► produce | fetch | groups | … ─► response ─► write ─► socket
//! ```
//!
//! One task per connection. Its requests are answered in their order; `Produce` requests are with the log before the next
//! request is read, so that they share commits. There is no authentication in it, and no transactions.

mod configs;
mod connection;
mod dispatch;
mod errors;
mod fetch;
mod frames;
mod groups;
mod list_offsets;
mod metadata;
mod metrics;
mod node;
mod offsets;
mod options;
mod produce;
mod producer_ids;
mod request;
mod response;
mod shape;
mod topics;
mod versions;
mod write;

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    task::{JoinError, JoinSet},
};

use self::{
    connection::End,
    frames::FrameError,
    node::{Client, Node},
    request::Refusal,
};
pub use self::{
    metrics::ListenerMetrics,
    options::{GroupOptions, ListenerOptions},
};
use crate::Log;

/// A bound address where Kafka clients will be served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds an address; clients can connect from here on, and wait.
    ///
    /// # Errors
    /// What the system says, as when the address is taken.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await? })
    }

    /// Where it listens; tells the port when 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves clients until `shutdown` resolves. Then nothing more is accepted or read, what waits for records or for others is
    /// answered at once, what is with the log is answered when it is durable, and all is closed within
    /// [`ListenerOptions::drain_timeout`].
    pub async fn serve(self, log: Log, options: ListenerOptions, shutdown: impl Future<Output = ()>) {
        let node = Node::new(log, options);
        let mut connections = JoinSet::new();
        let (mut shutdown, mut time) = (pin!(shutdown), pin!(node.groups.keep_time()));
        let mut offsets = pin!(groups::keep_offsets(&node));
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                () = &mut time => {}
                () = &mut offsets => {}
                Some(ended) = connections.join_next() => note_end(&node, ended),
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => accept(&node, &mut connections, stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await; // descriptors may be short
                    }
                },
            }
        }
        drop(self.socket);
        node.stopping.send_replace(true);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                note_end(&node, ended);
            }
        };
        if tokio::time::timeout(node.options.drain_timeout, drained).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections are cut off");
            connections.shutdown().await;
        }
        node.metrics().open.subtract(node.metrics().open.get() as usize);
    }
}

fn accept(node: &Arc<Node>, connections: &mut JoinSet<()>, stream: TcpStream, peer: SocketAddr) {
    let metrics = node.metrics();
    if connections.len() >= node.options.max_connections {
        metrics.refused.add(1);
        tracing::debug!(%peer, "connection refused: there are too many");
        return;
    }
    let Ok(local) = stream.local_addr() else { return }; // it is gone already
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "Nagle's algorithm stays on");
    }
    metrics.accepted.add(1);
    metrics.open.add(1);
    tracing::debug!(%peer, "connection opened");
    let client = Client::new(&node.options, local, peer);
    let node = node.clone();
    connections.spawn(async move {
        let end = connection::run(node.clone(), stream, client).await;
        count_end(&node, &end);
        if end.is_ordinary() {
            tracing::debug!(%peer, reason = %end, "connection closed");
        } else {
            tracing::warn!(%peer, reason = %end, "connection ended");
        }
    });
}

fn count_end(node: &Node, end: &End) {
    let metrics = node.metrics();
    let counter = match end {
        End::Idle => &metrics.idle,
        End::Slow | End::Stalled => &metrics.slow,
        End::Frame(FrameError::TooLarge { .. }) => &metrics.too_large,
        End::Frame(FrameError::Malformed(_)) | End::Refused(Refusal::Malformed) => &metrics.malformed,
        End::Refused(Refusal::Unsupported { .. }) => &metrics.unsupported,
        End::Stopped | End::Io(_) | End::Frame(FrameError::Closed | FrameError::Io(_)) => return,
    };
    counter.add(1);
}

fn note_end(node: &Node, ended: Result<(), JoinError>) {
    node.metrics().open.subtract(1);
    if ended.is_err_and(|error| error.is_panic()) {
        node.metrics().panicked.add(1);
        tracing::error!("a connection's task panicked; the connection is closed");
    }
}

/// What a connection makes of one request, without a socket and as if the listener was stopping, so that nothing waits. For
/// fuzzing. `None`: the connection would end.
#[doc(hidden)]
pub async fn fuzz_request(log: &Log, frame: bytes::Bytes) -> Option<usize> {
    use self::response::Reply;

    let node = Node::new(log.clone(), ListenerOptions::default());
    node.stopping.send_replace(true);
    let here = SocketAddr::from(([127, 0, 0, 1], 9092));
    let client = Client::new(&node.options, here, here);
    let request = request::Request::parse(frame).ok()?;
    match dispatch::begin(&node, &client, request).await.ok()? {
        Reply::None => Some(0),
        Reply::Now(response) => Some(response.len()),
        Reply::Later(answer) => answer.await.ok().map(|response| response.len()),
    }
}

/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
