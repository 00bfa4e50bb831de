//! `Server`: a hub on port 0 or in memory, gone when dropped.

use std::net::SocketAddr;

use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use signalr_server::metrics::Metrics;
use signalr_server::{Hub, HubServer, Options};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::{Answer, Client, End, Http1, Http2, until};

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// `HubServer::serve` on a socket.
    Own,
    /// The service under a hyper server of one's own, on a socket.
    Hyper,
    /// The same over something that is no socket, so that only the connection's task can write.
    Duplex,
    /// `HubServer::serve`, and a websocket over HTTP/2.
    Http2,
    /// The same with Server-Sent Events.
    Events,
    /// The same with long polling.
    Polls,
}

impl Wire {
    /// How a connection ends that the server has ended.
    pub(crate) fn end(self) -> End {
        match self {
            Self::Events => End::LastEvent,
            Self::Polls => End::NoContent,
            _ => End::Close(Some(1000)),
        }
    }
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type BoxedIo = Box<dyn Stream>;

pub(crate) struct Server {
    pub(crate) hub: HubServer,
    wire: Wire,
    address: SocketAddr,
    accepting: JoinHandle<()>,
    registry: Registry,
}

impl Server {
    pub(crate) async fn start(hub: Hub) -> Self {
        Self::start_with(Wire::Own, hub, Options::default()).await
    }

    /// A hub at `/hub`.
    pub(crate) async fn start_with(wire: Wire, hub: Hub, options: Options) -> Self {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let hub = HubServer::with_metrics("/hub", hub, options, metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = hub.clone();
        let accepting = tokio::spawn(async move {
            match wire {
                Wire::Own | Wire::Http2 | Wire::Events | Wire::Polls => drop(server.serve(listener).await),
                Wire::Hyper | Wire::Duplex => {
                    while let Ok((stream, _)) = listener.accept().await {
                        stream.set_nodelay(true).unwrap();
                        serve_http(server.clone(), stream);
                    }
                }
            }
        });
        Self { hub, wire, address, accepting, registry }
    }

    /// A connection before its first byte.
    pub(crate) async fn dial(&self) -> BoxedIo {
        if self.wire == Wire::Duplex {
            let (client, server) = tokio::io::duplex(DUPLEX_BYTES);
            serve_http(self.hub.clone(), server);
            return Box::new(client);
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Box::new(stream)
    }

    /// A connection that takes little before it is read.
    pub(crate) async fn dial_narrow(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A connection before the handshake; a websocket without negotiation.
    pub(crate) async fn open(&self) -> Client {
        self.open_over(self.dial().await).await
    }

    /// The same, where what the server sends comes this way.
    pub(crate) async fn open_over(&self, io: BoxedIo) -> Client {
        match self.wire {
            Wire::Events => Client::events(io, self.dial().await, self.negotiated().await).await,
            Wire::Polls => Client::polls(io, self.dial().await, self.negotiated().await).await,
            Wire::Http2 => Http2::over(io).await.websocket("/hub").await,
            Wire::Own | Wire::Hyper | Wire::Duplex => Client::upgrade(io, "/hub").await,
        }
    }

    /// Path of a connection that was negotiated.
    pub(crate) async fn negotiated(&self) -> String {
        format!("/hub?id={}", self.negotiate().await.1)
    }

    /// A connection that the hub has been told of.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = self.open().await;
        self.shake_hands(&mut client).await;
        client
    }

    /// The handshake of a client while no other connects, and what follows it: the client has the answer earlier.
    pub(crate) async fn shake_hands(&self, client: &mut Client) {
        let opened = || self.metric("connections_opened_total");
        let before = opened();
        client.shake_hands().await;
        until("the hub is about to be told", || opened() > before).await;
    }

    /// One HTTP request: `GET /path`, then header lines.
    pub(crate) async fn http(&self, request: &str, headers: &[(&str, &str)]) -> Answer {
        Answer::to(self.dial().await, request, headers).await
    }

    /// A POST of this body, by a connection of its own.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        Http1::new(self.dial().await).ask(&format!("POST {path}"), &[], body).await
    }

    /// The public id and the token of a negotiation.
    pub(crate) async fn negotiate(&self) -> (String, String) {
        let answer = self.http("POST /hub/negotiate?negotiateVersion=1", &[]).await.json();
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        (text("connectionId"), text("connectionToken"))
    }

    /// Value of a metric by its exposition line up to the value, such as `panics_total`; 0 if there is none.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let value = text.lines().find_map(|found| found.strip_prefix(line).and_then(|rest| rest.strip_prefix(' ')));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves one connection as a program with a hyper server of its own would.
pub(crate) fn serve_http<I>(hub: HubServer, io: I)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let http = hyper::server::conn::http1::Builder::new();
    tokio::spawn(async move {
        let _ = http.serve_connection(TokioIo::new(io), hub).with_upgrades().await;
    });
}

const DUPLEX_BYTES: usize = 16 * 1024;
