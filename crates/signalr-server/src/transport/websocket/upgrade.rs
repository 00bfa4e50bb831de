//! From a request that asks for a websocket to the socket under it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether this is a request for a websocket, and if so the `Sec-WebSocket-Accept` that grants it or the status that
/// refuses it.
pub(crate) fn accept<B>(request: &Request<B>) -> Option<Result<HeaderValue, StatusCode>> {
    let headers = request.headers();
    let asked = request.method() == Method::GET
        && has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket");
    asked.then(|| {
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(StatusCode::UPGRADE_REQUIRED);
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
        Ok(accept_key(key.as_bytes()))
    })
}

fn accept_key(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is a valid header value")
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// What bytes come from and, where only the connection's task can write, go to.
pub(crate) enum Io {
    /// The socket itself, kept in the outbox, which writes to it from any thread.
    Socket(Option<TcpStream>),
    /// Anything else, such as TLS, and whether all that was written to it is flushed.
    Other { io: Pin<Box<dyn AsyncReadWrite>>, is_flushed: bool },
}

pub(crate) trait AsyncReadWrite: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> AsyncReadWrite for T {}

/// Takes an upgraded connection apart; the bytes are what the client sent right behind its request.
pub(crate) fn into_io(upgraded: Upgraded) -> (Io, Bytes) {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => (Io::Socket(Some(parts.io.into_inner())), parts.read_buf),
        Err(upgraded) => (Io::Other { io: Box::pin(TokioIo::new(upgraded)), is_flushed: true }, Bytes::new()),
    }
}

impl Io {
    pub(crate) fn poll_read(
        &mut self,
        socket: Option<&TcpStream>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match (self, socket) {
            (Self::Other { io, .. }, _) => {
                let mut buffer = ReadBuf::new(buffer);
                io.as_mut().poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
            }
            (Self::Socket(_), Some(socket)) => loop {
                std::task::ready!(socket.poll_read_ready(cx))?;
                match socket.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            },
            (Self::Socket(_), None) => Poll::Ready(Ok(0)),
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        socket: Option<&TcpStream>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match (self, socket) {
            (Self::Other { io, is_flushed }, _) => {
                let written = std::task::ready!(io.as_mut().poll_write_vectored(cx, slices))?;
                *is_flushed = false;
                Poll::Ready(Ok(written))
            }
            (Self::Socket(_), Some(socket)) => loop {
                std::task::ready!(socket.poll_write_ready(cx))?;
                match socket.try_write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            },
            (Self::Socket(_), None) => Poll::Ready(Ok(0)),
        }
    }

    /// Sends off what was written. Apart from writing: what waits for a flush is written already.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Other { io, is_flushed } = self
            && !*is_flushed
        {
            std::task::ready!(io.as_mut().poll_flush(cx))?;
            *is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing follows.
    pub(crate) fn shut_down(&mut self, socket: Option<&TcpStream>, cx: &mut Context<'_>) {
        match self {
            // A failure means that the connection is gone already.
            Self::Other { io, .. } => drop(io.as_mut().poll_shutdown(cx)),
            Self::Socket(_) => {
                if let Some(socket) = socket {
                    let _ = socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Write);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::get("/hub");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_6455_is_granted() {
        let asked = request(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept(&asked).unwrap().unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn other_requests_are_told_apart() {
        assert!(accept(&request(&[("connection", "upgrade"), ("upgrade", "h2c")])).is_none());
        assert!(accept(&request(&[("upgrade", "websocket")])).is_none());
        let old = request(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8")]);
        assert_eq!(accept(&old), Some(Err(StatusCode::UPGRADE_REQUIRED)));
        let keyless = request(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]);
        assert_eq!(accept(&keyless), Some(Err(StatusCode::BAD_REQUEST)));
    }
}
