//! `Input`: what POST requests bring, bounded, until the connection's task takes it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The client's bytes of one connection, one request after the other.
#[derive(Debug, Default)]
pub(crate) struct Input {
    state: Mutex<State>,
    /// Held by the request whose body comes in: others wait behind it, in their order.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Copied together: a piece of one byte may come in a block of many.
    waiting: BytesMut,
    /// The connection has not begun: any number of them may never do.
    is_early: bool,
    /// The connection has said goodbye.
    is_refused: bool,
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
    /// Of a connection that has not begun.
    pub(crate) fn early() -> Self {
        let state = State { is_early: true, ..State::default() };
        Self { state: Mutex::new(state), ..Self::default() }
    }

    /// The connection begins: it reads, so that more may wait.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        state.is_early = false;
        wake(state.writer.take(), state);
    }

    /// Waits until no other request brings its body.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Hands over a part of a body, as there is room for it.
    pub(crate) async fn put(&self, mut piece: impl Buf) -> Result<(), NotTaken> {
        while piece.has_remaining() {
            std::future::poll_fn(|cx| self.poll_put(cx, &mut piece)).await?;
        }
        Ok(())
    }

    fn poll_put(&self, cx: &mut Context<'_>, piece: &mut impl Buf) -> Poll<Result<(), NotTaken>> {
        let mut state = self.lock();
        let room = ready!(state.poll_room(cx))?;
        state.waiting.put(piece.take(room));
        wake(state.reader.take(), state);
        Poll::Ready(Ok(()))
    }

    /// Takes bytes for which there was room; after the end nobody wants them.
    pub(crate) fn push(&self, piece: &[u8]) {
        let mut state = self.lock();
        if !state.ended {
            state.waiting.put(piece);
            wake(state.reader.take(), state);
        }
    }

    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, NotTaken>> {
        self.lock().poll_room(cx)
    }

    /// The connection has said goodbye and takes no more. That is no end of what its client sends, who is to fetch it.
    pub(crate) fn refuse(&self) {
        let mut state = self.lock();
        state.is_refused = true;
        wake(state.writer.take(), state);
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
        let read = state.waiting.len().min(buffer.len());
        state.waiting.copy_to_slice(&mut buffer[..read]);
        if read == 0 && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.waiting.is_empty() {
            state.waiting = BytesMut::new(); // an idle connection holds nothing
        }
        wake(state.writer.take(), state);
        Poll::Ready(read)
    }

    /// Everything that has come; `None`: nothing more comes.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            if state.ended {
                return Poll::Ready(None);
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let piece = std::mem::take(&mut state.waiting).freeze();
        wake(state.writer.take(), state);
        Poll::Ready(Some(piece))
    }

    /// Bytes that wait to be read. The task is woken when there are more.
    pub(crate) fn poll_waiting(&self, cx: &mut Context<'_>) -> usize {
        let mut state = self.lock();
        state.reader = Some(cx.waker().clone());
        state.waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many bytes there is room for, once there is for any.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, NotTaken>> {
        if self.ended || self.is_refused {
            return Poll::Ready(Err(NotTaken));
        }
        let most = if self.is_early { MOST_EARLY } else { MOST };
        let room = most.saturating_sub(self.waiting.len());
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
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

/// The same before the connection begins: a handshake, and the first calls of a client that does not wait for its answer.
const MOST_EARLY: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// As in an HTTP/1.1 body of chunks of one byte.
    #[tokio::test]
    async fn crumbs_are_kept_together_and_not_in_the_blocks_they_came_in() {
        let input = Input::default();
        let block = Bytes::from(vec![b'x'; 60_000]);
        for index in 0..block.len() {
            input.put(block.slice(index..=index)).await.unwrap();
        }
        assert!(block.is_unique(), "who sends crumbs must not hold the blocks around them");
        let piece = std::future::poll_fn(|cx| input.poll_next(cx)).await;
        assert_eq!(piece.map(|piece| piece.len()), Some(60_000));
        let put = input.put(Bytes::from(vec![b'x'; 100_000])).now_or_never();
        assert_eq!(put, None, "a large piece waits as small ones do");
    }
}
