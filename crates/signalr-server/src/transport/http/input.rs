//! `Input`: what POST requests bring, bounded, until the connection's task takes it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};

/// The client's bytes of one connection, one request after the other.
#[derive(Debug, Default)]
pub(crate) struct Input {
    state: Mutex<State>,
    /// Held by the request whose body comes in: others wait behind it, in their order.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
    /// Of the connection's task.
    reader: Option<Waker>,
    /// Of the request that waits for room.
    writer: Option<Waker>,
}

/// The connection has ended: nobody reads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotTaken;

impl Input {
    /// Waits until no other request brings its body.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Hands over a part of a body, once there is room for it.
    pub(crate) async fn put(&self, piece: Bytes) -> Result<(), NotTaken> {
        std::future::poll_fn(|cx| self.poll_room(cx)).await?;
        if piece.is_empty() {
            return Ok(());
        }
        self.push(piece);
        Ok(())
    }

    /// Takes bytes for which there was room; after the end nobody wants them.
    pub(crate) fn push(&self, piece: Bytes) {
        let mut state = self.lock();
        if !state.ended {
            state.bytes += piece.len();
            state.pieces.push_back(piece);
            wake(state.reader.take(), state);
        }
    }

    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), NotTaken>> {
        let mut state = self.lock();
        if state.ended {
            return Poll::Ready(Err(NotTaken));
        }
        if state.bytes < MOST {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Nothing more comes; what has come is still read.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let writer = state.writer.take();
        wake(state.reader.take(), state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// Reads what has come; 0: nothing more comes.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let mut state = self.lock();
        let mut read = 0;
        while let Some(front) = state.pieces.front_mut()
            && read < buffer.len()
        {
            let count = front.len().min(buffer.len() - read);
            front.copy_to_slice(&mut buffer[read..read + count]);
            read += count;
            if front.is_empty() {
                state.pieces.pop_front();
            }
        }
        state.bytes -= read;
        if read == 0 && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.pieces.is_empty() {
            state.pieces = VecDeque::new(); // an idle connection holds nothing
        }
        wake(state.writer.take(), state);
        Poll::Ready(read)
    }

    /// The next piece as it came; `None`: nothing more comes.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        let Some(piece) = state.pieces.pop_front() else {
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.bytes -= piece.len();
        wake(state.writer.take(), state);
        Poll::Ready(Some(piece))
    }

    /// Bytes that wait to be read. The task is woken when there are more.
    pub(crate) fn poll_waiting(&self, cx: &mut Context<'_>) -> usize {
        let mut state = self.lock();
        state.reader = Some(cx.waker().clone());
        state.bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outside of the lock.
fn wake(waker: Option<Waker>, state: MutexGuard<'_, State>) {
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Bytes that may wait before requests wait with theirs. Source: ASP.NET Core `ApplicationMaxBufferSize`.
const MOST: usize = 64 * 1024;
