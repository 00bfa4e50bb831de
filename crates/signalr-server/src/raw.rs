//! `RawServer`: connections without hub protocol. A program of its own meaning gets the client's bytes and sends its own,
//! over whichever transport the client has chosen.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::service::Service;
use hyper::{Request, Response};

use crate::body::{Body, RequestBody};
use crate::clock;
use crate::connection::ConnectionHandle;
use crate::frame::{Frame, OPCODE_BINARY, OPCODE_TEXT};
use crate::hub::Hub;
use crate::ids::ConnectionId;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::Pushed;
use crate::service::HubServer;
use crate::transport::Transport;
use crate::transport::http::Input;

/// Connections without hub protocol at a path, with negotiation and all transports. Cheap to clone.
///
/// ```
/// use signalr_server::{Options, RawConnection, RawServer};
///
/// let echo = RawServer::new("/echo", Options::default(), |mut connection: RawConnection| async move {
///     while let Some(bytes) = connection.receive().await {
///         connection.send_paced(&bytes).await;
///     }
/// });
/// ```
#[derive(Debug, Clone)]
pub struct RawServer(HubServer);

/// Serves one raw connection.
pub(crate) struct Handler {
    serve: Box<dyn Fn(RawConnection) -> BoxFuture<'static, ()> + Send + Sync>,
    opcode: u8,
}

impl RawServer {
    /// Serves each connection at `path` by a call of `serve`, which ends it by returning. Websocket frames are text, so
    /// what is sent over websockets must be UTF-8; see [`binary`](Self::binary).
    pub fn new<F, Fut>(path: &str, options: Options, serve: F) -> Self
    where
        F: Fn(RawConnection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::with(path, options, OPCODE_TEXT, serve)
    }

    /// The same with binary websocket frames, which carry any bytes.
    pub fn binary<F, Fut>(path: &str, options: Options, serve: F) -> Self
    where
        F: Fn(RawConnection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::with(path, options, OPCODE_BINARY, serve)
    }

    fn with<F, Fut>(path: &str, options: Options, opcode: u8, serve: F) -> Self
    where
        F: Fn(RawConnection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Handler { serve: Box::new(move |connection| serve(connection).boxed()), opcode };
        Self(HubServer::of(path, Hub::new(), options, Metrics::default(), Some(handler)))
    }

    /// Whether a request for this path is answered here.
    pub fn matches(&self, path: &str) -> bool {
        self.0.matches(path)
    }

    /// Answers one request.
    pub async fn answer<B: RequestBody>(&self, request: Request<B>) -> Response<Body> {
        self.0.answer(request).await
    }
}

impl<B: RequestBody> Service<Request<B>> for RawServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.0.call(request)
    }
}

/// One connection without hub protocol.
#[derive(Debug)]
pub struct RawConnection {
    handle: ConnectionHandle,
    input: Arc<Input>,
    transport: Transport,
    opcode: u8,
}

impl RawConnection {
    /// Its public name.
    pub fn id(&self) -> ConnectionId {
        self.handle.id()
    }

    /// What carries it.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The next bytes of the client, as they come: neither frames nor requests mean anything. `None`: it has ended.
    pub async fn receive(&mut self) -> Option<Bytes> {
        std::future::poll_fn(|cx| self.input.poll_next(cx)).await
    }

    /// Sends bytes as one websocket message, event, or part of the answer to a poll. Never waits; a client that does not
    /// take what is sent is ended at [`Options::max_queued_bytes`].
    pub fn send(&self, bytes: &[u8]) -> Pushed {
        self.handle.outbox().push(&Frame::around(self.opcode, bytes), None, clock::now())
    }

    /// Sends as [`send`](Self::send) does, but waits first until little waits for the client.
    pub async fn send_paced(&self, bytes: &[u8]) -> Pushed {
        self.handle.room().await;
        self.send(bytes)
    }
}

impl Handler {
    pub(crate) fn serve(
        &self,
        handle: ConnectionHandle,
        input: Arc<Input>,
        transport: Transport,
    ) -> BoxFuture<'static, ()> {
        (self.serve)(RawConnection { handle, input, transport, opcode: self.opcode })
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handler")
    }
}
