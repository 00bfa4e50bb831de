//! One connection of the public port: TLS where it is on, its version of HTTP, and its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use quix_gateway::{Visitor, workspace_of_host};
use signalr_server::http::{self, Begun};
use signalr_server::tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::activity::{Activity, Stream};
use super::addresses::{self, Place};
use super::host;
use super::newcomers::Newcomer;
use super::public::{Door, Side};

/// How a connection was let in.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// Whose it is.
    pub(super) client: IpAddr,
    /// By which listener it came.
    pub(super) side: Side,
    /// It among those of which no request was let in.
    pub(super) newcomer: Arc<Newcomer>,
    /// Its place among those of its address, where these are counted.
    pub(super) place: Option<Place>,
    /// Whether it is only to be told that it is one too many.
    pub(super) refused: bool,
}

impl Visit {
    /// Tells the hub and the routes who asks, if it is more than anybody. A websocket, which leaves its HTTP connection
    /// behind, takes the place along; over HTTP/2 its stream.
    pub(super) fn introduce<B>(&self, request: &mut Request<B>, visitor: Option<Visitor>) {
        let workspace = host::of(request).and_then(workspace_of_host);
        let place = self.place.as_ref().filter(|_| request.headers().contains_key(header::UPGRADE));
        let stream = request.extensions_mut().remove::<Stream>().filter(|_| request.method() == Method::CONNECT);
        // Reads are counted by it; a connection of the hub need not keep it.
        let reads = request.method() == Method::GET && request.uri().path().starts_with("/topics/");
        let address = reads.then(|| addresses::network(self.client.to_canonical()));
        if visitor.is_none() && workspace.is_none() && address.is_none() && place.is_none() && stream.is_none() {
            return;
        }
        let visitor = visitor.unwrap_or(Visitor::anybody());
        let visitor = address.into_iter().fold(visitor, Visitor::at);
        let visitor = workspace.into_iter().fold(visitor, |visitor, workspace| visitor.in_workspace(&workspace));
        let visitor = place.into_iter().fold(visitor, |visitor, place| visitor.keeping(place.clone()));
        let visitor = stream.into_iter().fold(visitor, Visitor::keeping);
        request.extensions_mut().insert(visitor);
    }
}

impl Door {
    /// Serves a connection to its end: that of the client, or a polite one when the door closes. One of which no request is
    /// let in may have to go for others.
    pub(super) async fn receive(self: Arc<Self>, stream: TcpStream, visit: Visit, closing: watch::Receiver<bool>) {
        let newcomer = visit.newcomer.clone();
        tokio::select! {
            () = self.converse(stream, visit, closing) => {}
            () = newcomer.must_go() => {}
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, visit: Visit, mut closing: watch::Receiver<bool>) {
        let limits = &self.settings.limits;
        let _ = stream.set_nodelay(true);
        // Websockets notice a stall by themselves and say so; this ends whatever else nobody reads, and dead peers.
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(limits.write_stall * 2));
        if let Some(certificate) = &self.settings.certificate {
            let tls = certificate.tls();
            // Boxed, here and below, so that plain HTTP/1.1 needs no room for it.
            return Box::pin(self.receive_tls(tls, stream, visit, closing)).await;
        }
        let begun = tokio::select! {
            begun = timeout(limits.head_timeout, Begun::of(stream)) => begun,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        if let Ok(Ok((begun, is_http2))) = begun {
            self.serve_http(begun, is_http2, visit, closing).await;
        }
    }

    async fn receive_tls(
        self: Arc<Self>,
        tls: Tls,
        stream: TcpStream,
        visit: Visit,
        mut closing: watch::Receiver<bool>,
    ) {
        let accepted = tokio::select! {
            accepted = timeout(self.settings.limits.tls_handshake_timeout, tls.accept(stream)) => accepted,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match accepted {
            Ok(Ok((io, is_http2))) => self.serve_http(io, is_http2, visit, closing).await,
            // The client's way of speaking TLS; it has been told.
            Ok(Err(_)) => {}
            Err(_) => self.hit("tls_handshake_timeout"),
        }
    }

    async fn serve_http<I>(self: Arc<Self>, io: I, is_http2: bool, visit: Visit, mut closing: watch::Receiver<bool>)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let head_timeout = self.settings.limits.head_timeout;
        let (io, asked, is_refused) = (TokioIo::new(io), Arc::new(Notify::new()), visit.refused);
        let asks = asked.clone();
        let keep_alive = self.settings.limits.keep_alive;
        let activity = is_http2.then(Arc::<Activity>::default);
        let streams = activity.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            asks.notify_one();
            let (door, visit) = (self.clone(), visit.clone());
            let stream = streams.as_ref().map(Activity::begin);
            stream.iter().for_each(|stream| drop(request.extensions_mut().insert(stream.clone())));
            async move {
                let answer = door.answer(request, visit).await;
                Ok::<_, Infallible>(match stream {
                    Some(stream) => answer.map(|body| stream.through(body)),
                    None => answer,
                })
            }
        });
        let mut closes = pin!(closing.wait_for(|closing| *closing));
        if !is_http2 {
            let mut http = http::http1();
            let connection = http.header_read_timeout(head_timeout).serve_connection(io, service).with_upgrades();
            let end = async {
                let _ = closes.await;
                End::Politely
            };
            return drive(connection, UpgradeableConnection::graceful_shutdown, end).await;
        }
        let activity = activity.unwrap_or_default();
        let end = async {
            let asked = tokio::select! {
                asked = timeout(head_timeout, asked.notified()) => asked.is_ok(),
                _ = closes.as_mut() => false,
            };
            match (asked, is_refused) {
                // HTTP/1.1 has a timeout of its own for that.
                (false, _) => return End::AtOnce,
                (true, true) => {}
                (true, false) => tokio::select! {
                    _ = closes => {}
                    () = activity.ceases(keep_alive) => {}
                },
            }
            End::Politely
        };
        let connection = http::http2().serve_connection(io, service);
        Box::pin(drive(connection, http2::Connection::graceful_shutdown, end)).await;
    }
}

/// How a connection ends that does not end by itself.
enum End {
    /// With the answers under way.
    Politely,
    AtOnce,
}

async fn drive<C: Future>(connection: C, shut_down: impl FnOnce(Pin<&mut C>), end: impl Future<Output = End>) {
    let mut connection = pin!(connection);
    let end = tokio::select! {
        // An error is the client's way of speaking HTTP, and has been answered as far as it can be.
        _ = connection.as_mut() => return,
        end = end => end,
    };
    if let End::Politely = end {
        shut_down(connection.as_mut());
        let _ = connection.await;
    }
}
