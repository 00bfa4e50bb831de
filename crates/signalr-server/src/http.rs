//! How hubs are best served over HTTP/1.1 and HTTP/2: hyper's settings for a listener of one's own.
//!
//! Over TLS the two are told apart by ALPN; over plain TCP by the first bytes ([`Begun`]), as clients that speak HTTP/2
//! there know so beforehand. `Upgrade: h2c` is not offered.

mod begun;

use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use begun::Begun;

/// HTTP/1.1: 10 s and 32 KiB for the head of a request. Serve it with upgrades, for websockets.
pub fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    http
}

/// HTTP/2 with websockets (RFC 8441): 100 streams, windows of 64 KiB and 1 MiB, 32 KiB of headers, 20 resets pending, a
/// ping after 20 s of silence that is waited for as long.
pub fn http2() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_pending_accept_reset_streams(20)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}

/// A hyper service that can be served in either version, such as a [`HubServer`](crate::HubServer).
pub trait ServesHttp:
    HttpService<
        Incoming,
        ResBody: hyper::body::Body<Data: Send, Error: Into<Failure>> + Send + 'static,
        Error: Into<Failure>,
        Future: Send + 'static,
    > + Send
    + 'static
{
}

impl<S> ServesHttp for S where
    S: HttpService<
            Incoming,
            ResBody: hyper::body::Body<Data: Send, Error: Into<Failure>> + Send + 'static,
            Error: Into<Failure>,
            Future: Send + 'static,
        > + Send
        + 'static
{
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Serves one TCP connection in whichever version its client speaks.
pub async fn serve(stream: TcpStream, service: impl ServesHttp) {
    let _ = stream.set_nodelay(true);
    if let Ok(Ok((begun, is_http2))) = tokio::time::timeout(HEAD_TIMEOUT, Begun::of(stream)).await {
        serve_as(begun, is_http2, service).await;
    }
}

/// Serves one connection in the version agreed on.
pub async fn serve_as<I>(io: I, is_http2: bool, service: impl ServesHttp)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // An error here is the client's way of speaking HTTP; it has been answered as far as it can be.
    if is_http2 {
        let _ = http2().serve_connection(TokioIo::new(io), service).await;
    } else {
        let _ = http1().serve_connection(TokioIo::new(io), service).with_upgrades().await;
    }
}

pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
