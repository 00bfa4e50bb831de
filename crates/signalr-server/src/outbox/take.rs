//! The outbox's far end: the connection's task writes what waits, or the body of a response takes it.

use std::io;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{Outbox, Phase};
use crate::clock;

impl Outbox {
    /// Writes what waits until the queue is empty (`Ready`) or the socket full. Only for the connection's task, which is
    /// woken when there is something to do again.
    ///
    /// Nobody else writes while the queue is not empty, so the lock is not held during the write.
    pub(crate) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut Context<'_>, &[io::IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut state = self.lock();
            let old = match &state.waker {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => state.waker.replace(cx.waker().clone()),
            };
            // Whoever condemned it during this turn may have found no waker to wake.
            let condemned = matches!(state.phase, Phase::Condemned(_));
            let (empty, is_called) = (state.queue.is_none(), std::mem::take(&mut state.is_called));
            let waiting: Vec<Bytes> =
                state.queue.iter().flat_map(|queue| queue.frames()).take(MAX_SLICES).cloned().collect();
            drop(state);
            drop(old);
            if condemned || is_called {
                cx.waker().wake_by_ref();
            }
            if condemned {
                return Poll::Pending;
            }
            if empty {
                return Poll::Ready(Ok(()));
            }
            let slices: Vec<io::IoSlice<'_>> = waiting.iter().map(|bytes| io::IoSlice::new(bytes)).collect();
            match write(cx, &slices) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    if self.written(count) {
                        cx.waker().wake_by_ref();
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// For the connection's task where another takes what waits: `Ready` once nothing does. The task is woken when there
    /// is something to do again.
    pub(crate) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let old = state.waker.replace(cx.waker().clone());
        let (condemned, empty) = (matches!(state.phase, Phase::Condemned(_)), state.queue.is_none());
        drop(state);
        drop(old);
        if condemned {
            cx.waker().wake_by_ref();
        }
        if empty && !condemned { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes what waits up to about so many bytes, or waits for some; `None`: nothing follows any more.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, most: usize) -> Poll<Option<Vec<Bytes>>> {
        let mut state = self.lock();
        let Some(queue) = &mut state.queue else {
            if matches!(state.phase, Phase::Closing | Phase::Ended) {
                return Poll::Ready(None);
            }
            let old = state.taker.replace(cx.waker().clone());
            drop(state);
            drop(old);
            return Poll::Pending;
        };
        let before = queue.bytes();
        let taken = queue.take(most, clock::now());
        let bytes = before - queue.bytes();
        self.dequeued(&mut state, bytes);
        let is_last = state.queue.is_none() && matches!(state.phase, Phase::Closing);
        let waker = if self.has_room_again(&mut state) || is_last { state.waker.clone() } else { None };
        let senders = self.senders_with_room(&mut state);
        drop(state);
        waker.into_iter().chain(senders).for_each(Waker::wake);
        Poll::Ready(Some(taken))
    }

    /// Counts what went out; whether a producer that waits has room again.
    pub(super) fn written(&self, count: usize) -> bool {
        let mut state = self.lock();
        if let Some(queue) = &mut state.queue {
            queue.written(count, clock::now());
        }
        self.dequeued(&mut state, count);
        let has_room_again = self.has_room_again(&mut state);
        let senders = self.senders_with_room(&mut state);
        drop(state);
        senders.into_iter().for_each(Waker::wake);
        has_room_again
    }
}

/// Most pieces given to one `writev`.
const MAX_SLICES: usize = 64;
