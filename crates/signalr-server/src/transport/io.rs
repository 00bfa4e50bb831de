//! `Io`: where a connection's bytes come from, and where they go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::Transport;
use super::http::HttpConnection;
use crate::outbox::Outbox;

/// What bytes come from and, where only the connection's task can write, go to.
pub(crate) enum Io {
    /// The socket itself, kept in the outbox, which writes to it from any thread.
    Socket(Option<TcpStream>),
    /// Anything else, such as TLS, and whether all that was written to it is flushed.
    Other { io: Pin<Box<dyn AsyncReadWrite>>, is_flushed: bool },
    /// Requests, whose responses take what waits in the outbox.
    Http(Arc<HttpConnection>),
    /// None at the moment: a websocket has broken off, and another may come.
    Detached,
}

pub(crate) trait AsyncReadWrite: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> AsyncReadWrite for T {}

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
                match try_read_all(socket, buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            },
            (Self::Socket(_), None) => Poll::Ready(Ok(0)),
            (Self::Http(connection), _) => connection.input.poll_read(cx, buffer).map(Ok),
            (Self::Detached, _) => Poll::Pending,
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
            (Self::Socket(_), None) | (Self::Http(_) | Self::Detached, _) => Poll::Ready(Ok(0)),
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
            Self::Http(_) | Self::Detached => {} // the end of a body, or an answer without content
        }
    }
}

/// Reads what is there. Where that leaves room nothing is left, so the socket counts as read without asking it once more.
fn try_read_all(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (room, mut last) = (buffer.len(), 0);
    let read = socket.try_io(Interest::READABLE, || match socket.try_read(buffer)? {
        count if 0 < count && count < room => {
            last = count;
            Err(io::ErrorKind::WouldBlock.into())
        }
        count => Ok(count),
    });
    if last > 0 { Ok(last) } else { read }
}

impl Io {
    /// Sends what waits, or waits until somebody else has taken it.
    pub(crate) fn poll_drain(&mut self, outbox: &Outbox, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Http(_) | Self::Detached = self {
            return outbox.poll_taken(cx).map(Ok);
        }
        std::task::ready!(outbox.poll_drain(cx, |cx, slices| self.poll_write(outbox.socket(), cx, slices)))?;
        self.poll_flush(cx)
    }

    /// The same, written by the connection's task only.
    pub(crate) fn by_task(self) -> Self {
        match self {
            Self::Socket(Some(socket)) => Self::Other { io: Box::pin(socket), is_flushed: true },
            io => io,
        }
    }

    /// Bytes that have come and are not read, where they wait with us.
    pub(crate) fn poll_waiting(&self, cx: &mut Context<'_>) -> usize {
        if let Self::Http(connection) = self { connection.input.poll_waiting(cx) } else { 0 }
    }

    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Socket(_) | Self::Other { .. } | Self::Detached => Transport::WebSockets,
            Self::Http(connection) => connection.transport,
        }
    }

    /// The transport's own sign of life, or its lack: it needs no pings, and a client that does not poll any more counts
    /// as gone at `Some` moment.
    pub(crate) fn polls(&self) -> Option<&HttpConnection> {
        match self {
            Self::Http(connection) if connection.transport == Transport::LongPolling => Some(connection),
            _ => None,
        }
    }
}
