//! `Streams`: the server streams of one connection. Each is polled when it has been woken, in turns with the others, and
//! only while the connection's output has room.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures::task::AtomicWaker;
use signalr_proto::Encoding;

use crate::error::CallError;
use crate::metrics::{Counted, MethodMetrics};
use crate::streams::ItemStream;

#[derive(Default)]
pub(crate) struct Streams {
    running: HashMap<Arc<str>, Running>,
    ready: Arc<Ready>,
}

/// A stream under way, and what is needed to end it.
pub(crate) struct Running {
    pub(crate) items: Box<dyn ItemStream>,
    pub(crate) target: Box<str>,
    pub(crate) began: Instant,
    pub(crate) metrics: Option<Arc<MethodMetrics>>,
    /// Ids of the streams it reads.
    pub(crate) uploads: Box<[Box<str>]>,
    pub(crate) counted: Counted,
}

/// A stream that has ended by itself.
pub(crate) struct EndedStream {
    pub(crate) id: Arc<str>,
    pub(crate) stream: Running,
    pub(crate) result: Result<(), CallError>,
}

/// What one turn of the connection may produce.
pub(crate) struct Budget {
    polls: usize,
    bytes: usize,
}

/// Streams that were woken, in that order. One may stand here that has ended meanwhile.
#[derive(Default)]
struct Ready {
    queue: Mutex<VecDeque<Arc<StreamWaker>>>,
    task: AtomicWaker,
}

struct StreamWaker {
    id: Arc<str>,
    is_queued: AtomicBool,
    /// Weak, as the queue holds those that were woken.
    ready: Weak<Ready>,
}

impl Streams {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// Adds a stream; it is polled in the connection's next turn.
    pub(crate) fn start(&mut self, id: &str, stream: Running, cx: &Context<'_>) {
        let id: Arc<str> = id.into();
        let waker =
            StreamWaker { id: id.clone(), is_queued: AtomicBool::new(false), ready: Arc::downgrade(&self.ready) };
        self.ready.task.register(cx.waker());
        Arc::new(waker).wake();
        self.running.insert(id, stream);
    }

    /// Takes a stream out, to be dropped.
    pub(crate) fn take(&mut self, id: &str) -> Option<Running> {
        let taken = self.running.remove(id);
        if self.running.is_empty() {
            self.ready.clear(); // nobody would look there again before another stream begins
        }
        taken
    }

    /// Lets streams produce until one ends. `None`: none is ready, or the budget is used up; the task is woken to go on.
    pub(crate) fn poll_ended(
        &mut self,
        budget: &mut Budget,
        encoding: Encoding,
        cx: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<EndedStream> {
        self.ready.task.register(cx.waker());
        loop {
            if budget.is_used_up(out) {
                if !self.ready.is_empty() {
                    cx.waker().wake_by_ref();
                }
                return None;
            }
            let woken = self.ready.next()?;
            let Some(stream) = self.running.get_mut(&woken.id) else {
                continue;
            };
            budget.polls -= 1;
            let waker = Waker::from(woken.clone());
            let polled = stream.items.poll_item(&woken.id, encoding, &mut Context::from_waker(&waker), out);
            let result = match polled {
                Poll::Pending => continue,
                Poll::Ready(Some(Ok(()))) => {
                    // Behind all others that are ready.
                    woken.wake();
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => Ok(()),
            };
            let stream = self.running.remove(&woken.id)?;
            return Some(EndedStream { id: woken.id.clone(), stream, result });
        }
    }
}

impl Budget {
    /// For a turn whose output so far is `out`.
    pub(crate) fn new(out: &[u8]) -> Self {
        Self { polls: POLLS_PER_TURN, bytes: out.len() + BYTES_PER_TURN }
    }

    fn is_used_up(&self, out: &[u8]) -> bool {
        self.polls == 0 || out.len() >= self.bytes
    }
}

impl Ready {
    fn next(&self) -> Option<Arc<StreamWaker>> {
        let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()?;
        // From here on it may be woken again.
        next.is_queued.store(false, Ordering::Release);
        Some(next)
    }

    fn clear(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn is_empty(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(ready) = self.ready.upgrade() else { return };
        ready.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(self);
        ready.task.wake();
    }
}

/// Polls before others get their turn.
const POLLS_PER_TURN: usize = 128;

/// The same in bytes of output.
const BYTES_PER_TURN: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    struct Never;

    impl ItemStream for Never {
        fn poll_item(
            &mut self,
            _: &str,
            _: Encoding,
            _: &mut Context<'_>,
            _: &mut Vec<u8>,
        ) -> Poll<Option<Result<(), CallError>>> {
            Poll::Pending
        }
    }

    #[test]
    fn streams_that_were_stopped_leave_nothing() {
        let mut streams = Streams::default();
        let cx = Context::from_waker(Waker::noop());
        for id in 0..100 {
            let (target, uploads) = (Box::from("s"), Box::default());
            let counted = Counted::by(&Default::default());
            let stream =
                Running { items: Box::new(Never), target, began: Instant::now(), metrics: None, uploads, counted };
            streams.start(&id.to_string(), stream, &cx);
            assert!(streams.take(&id.to_string()).is_some());
        }
        assert!(streams.ready.is_empty());
    }

    #[test]
    fn what_was_woken_and_never_polled_goes_with_its_connection() {
        let ready = Arc::new(Ready::default());
        let waker = StreamWaker { id: "1".into(), is_queued: AtomicBool::new(false), ready: Arc::downgrade(&ready) };
        let waker = Arc::new(waker);
        waker.clone().wake();
        assert!(!ready.is_empty());
        drop(ready);
        assert_eq!((Arc::strong_count(&waker), waker.ready.strong_count()), (1, 0));
    }
}
