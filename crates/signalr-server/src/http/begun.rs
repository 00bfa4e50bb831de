//! `Begun`: a TCP connection whose first bytes were taken to tell its version of HTTP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection whose version of HTTP is known. Whoever reads it gets its first bytes too.
#[derive(Debug)]
pub struct Begun {
    first: BytesMut,
    stream: TcpStream,
}

impl Begun {
    /// Waits for as many bytes as it takes to tell; `true` for HTTP/2.
    ///
    /// # Errors
    /// If the connection breaks off.
    pub async fn of(mut stream: TcpStream) -> io::Result<(Self, bool)> {
        let mut first = BytesMut::with_capacity(FIRST_BYTES);
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            if stream.read_buf(&mut first).await? == 0 {
                break;
            }
        }
        let is_http2 = first.starts_with(PREFACE);
        Ok((Self { first, stream }, is_http2))
    }

    /// The connection itself, and what was taken of it and not read since.
    pub(crate) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.first.freeze())
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.get_mut().stream)
    }
}

impl AsyncRead for Begun {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { first, stream } = self.get_mut();
        if first.is_empty() {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        let count = first.len().min(buffer.remaining());
        buffer.put_slice(&first[..count]);
        first.advance(count);
        if first.is_empty() {
            *first = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Source: RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Most that is taken: a request of a browser, as a rule.
const FIRST_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_version_is_told_however_the_bytes_come_and_none_is_missing_afterwards() {
        let longer = [PREFACE, &[b'x'; 3000]].concat();
        let rows: [(&[&[u8]], bool); 6] = [
            (&[b"GET / HTTP/1.1\r\n\r\n"], false),
            (&[b"P", b"OST / HTTP/1.1\r\n\r\n"], false),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"\nmore"], true),
            (&[&longer], true),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM"], false),
            (&[], false),
        ];
        for (pieces, expected) in rows {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let began = tokio::spawn(Begun::of(server));
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
            let (mut begun, is_http2) = began.await.unwrap().unwrap();
            let mut read = Vec::new();
            begun.read_to_end(&mut read).await.unwrap();
            assert_eq!((is_http2, read), (expected, pieces.concat()), "{pieces:?}");
        }
    }
}
