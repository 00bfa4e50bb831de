//! `Outbox`: the only writer of a connection.
//!
//! A push writes to the socket at once when nothing waits, on the thread of whoever pushes, and queues a reference to the
//! shared frame otherwise; the connection's task drains the queue when the socket takes more. Over Server-Sent Events and
//! long polling every push queues, and the body of a response takes what waits. Everything a connection sends goes this
//! way, so frames never interleave, and no push ever waits; whoever wants to waits for room before it.
//!
//! The lock is a leaf: nothing else is locked under it, and no waker is called or dropped under it.

mod burst;
mod queue;
mod replay;
mod room;
mod take;
mod total;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use signalr_proto::{CloseReason, Encoding};
use tokio::net::TcpStream;

use crate::frame::Frame;
use crate::metrics::Metrics;
use crate::transport::Transport;

pub use self::burst::Burst;
use self::queue::Queue;
use self::replay::Replay;
pub(crate) use self::total::Total;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The system has all of it.
    Sent,
    /// It waits for the socket.
    Queued,
    /// The connection is ending or has ended; the frame was dropped.
    Ended,
}

/// Bounds of what may wait for one connection.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) frames: usize,
    /// Of what may wait for all connections together.
    pub(crate) total: Total,
    /// Bytes without acknowledgement before producers wait.
    pub(crate) unacknowledged: usize,
    /// Longest wait of one frame.
    pub(crate) age: Duration,
    /// Longest time without a byte written while something waits.
    pub(crate) stall: Duration,
}

/// Who takes what waits to where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    /// The connection's task writes it to a websocket.
    Task,
    /// The body of one response that goes on and on.
    Stream,
    /// The body of the next poll's response: between polls nothing is written, however long that takes.
    Polls,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    /// `None` where only the connection's task can write, as on TLS: every push queues.
    socket: Option<TcpStream>,
    drain: Drain,
    bounds: Arc<Bounds>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    last_push: Instant,
    /// `None` while nothing waits.
    queue: Option<Box<Queue>>,
    /// What waits does not count among what waits for all any more.
    is_written_off: bool,
    /// Of the connection's task. A push takes it only when the queue was empty: one wake per episode.
    waker: Option<Waker>,
    /// Somebody wanted to wake the task when there was no waker.
    is_called: bool,
    /// Of the body that takes what waits, where that is not the task.
    taker: Option<Waker>,
    /// What the client has not acknowledged, where it does so.
    replay: Option<Box<Replay>>,
    /// The websocket has broken off; another may come.
    detached: bool,
    /// A producer at this connection's own pace waits until less does.
    awaits_room: bool,
    /// Of those outside of the connection's task that wait likewise.
    senders: Vec<Waker>,
}

#[derive(Debug)]
enum Phase {
    Open,
    /// The task is to say goodbye for this reason; nothing else is taken any more.
    Condemned(CloseReason),
    /// The goodbye is queued.
    Closing,
    Ended,
}

impl Outbox {
    pub(crate) fn new(
        socket: Option<TcpStream>,
        drain: Drain,
        bounds: Arc<Bounds>,
        metrics: Arc<Metrics>,
        now: Instant,
    ) -> Self {
        let state = State {
            phase: Phase::Open,
            is_called: false,
            last_push: now,
            queue: None,
            is_written_off: false,
            waker: None,
            taker: None,
            replay: None,
            detached: false,
            awaits_room: false,
            senders: Vec::new(),
        };
        Self { socket, drain, bounds, metrics, state: Mutex::new(state) }
    }

    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    pub(crate) fn transport(&self) -> Transport {
        match self.drain {
            Drain::Task => Transport::WebSockets,
            Drain::Stream => Transport::ServerSentEvents,
            Drain::Polls => Transport::LongPolling,
        }
    }

    /// Whether what it is given are websocket frames; else whole hub messages without any frame.
    pub(crate) fn is_framed(&self) -> bool {
        self.drain == Drain::Task
    }

    /// Sends a shared frame, or queues a reference to it. Never waits; any thread.
    pub(crate) fn push(&self, frame: &Frame, burst: Option<Burst>, now: Instant) -> Pushed {
        let start = if self.is_framed() { 0 } else { frame.payload_start() };
        self.push_with(self.lock(), &frame.bytes[start..], burst, now, |written| frame.bytes.slice(start + written..))
    }

    /// Sends bytes that nobody shares, and copies only what must be queued.
    pub(crate) fn push_slice(&self, frame: &[u8], now: Instant) -> Pushed {
        self.push_slice_with(self.lock(), frame, now)
    }

    /// Sends bytes of which whoever sees what `opens` does can only be behind: it runs while nobody else can push.
    pub(crate) fn push_first(&self, frame: &[u8], now: Instant, opens: impl FnOnce()) -> Pushed {
        let state = self.lock();
        opens();
        self.push_slice_with(state, frame, now)
    }

    fn push_slice_with(&self, state: MutexGuard<'_, State>, frame: &[u8], now: Instant) -> Pushed {
        self.push_with(state, frame, None, now, |written| Bytes::copy_from_slice(&frame[written..]))
    }

    fn push_with(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: &[u8],
        burst: Option<Burst>,
        now: Instant,
        rest: impl FnOnce(usize) -> Bytes,
    ) -> Pushed {
        if !matches!(state.phase, Phase::Open) {
            return Pushed::Ended;
        }
        // A pong is no sign of life to a client, which sees hub messages only.
        let is_control = self.is_framed() && frame.first().is_some_and(|first| first & CONTROL != 0);
        if !is_control {
            state.last_push = now;
        }
        let mut written = 0;
        if let (None, Some(socket)) = (&state.queue, &self.socket) {
            match socket.try_write(frame) {
                Ok(count) if count == frame.len() => return Pushed::Sent,
                Ok(count) => written = count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return self.condemn_locked(state, CloseReason::TransportEnded),
            }
        }
        let (is_started, was_empty) = (written > 0, state.queue.is_none());
        if !self.admits(&mut state, frame.len() - written, burst, now) {
            if is_started {
                // Without its rest the goodbye would cut into this frame.
                self.enqueue(&mut state, rest(written), is_started, now);
            }
            self.metrics.limit_hit("output_queue");
            return self.condemn_locked(state, CloseReason::TooSlow);
        }
        let rest = rest(written);
        if let Some(replay) = &mut state.replay {
            replay.keep(&rest);
            if replay.bytes() > self.bounds.bytes {
                self.metrics.limit_hit("reconnect_buffer");
                return self.condemn_locked(state, CloseReason::TooSlow);
            }
        }
        if state.detached {
            state.end_empty_queue();
            return Pushed::Queued;
        }
        let (mut waker, mut taker) = (None, None);
        if was_empty {
            // The task writes it, or sees to it that it does not wait for too long.
            waker = if self.drain == Drain::Polls { None } else { state.waker.take() };
            taker = state.taker.take();
        }
        self.enqueue(&mut state, rest, is_started, now);
        drop(state);
        for waker in [taker, waker].into_iter().flatten() {
            waker.wake();
        }
        if self.is_over_total() { self.make_room() } else { Pushed::Queued }
    }

    /// From here on what is sent is kept until the client acknowledges it. Only without a socket, whose part of a frame
    /// would be out already.
    pub(crate) fn keep_unacknowledged(&self, encoding: Encoding) {
        debug_assert!(self.socket.is_none());
        self.lock().replay = Some(Box::new(Replay::new(encoding)));
    }

    /// The client has everything up to this number; whether a producer of the connection's task that waits has room again.
    /// Those outside of it are woken.
    pub(crate) fn acknowledge(&self, number: u64) -> bool {
        let mut state = self.lock();
        if let Some(replay) = &mut state.replay {
            replay.acknowledge(number);
        }
        let has_room_again = self.has_room_again(&mut state);
        let senders = self.senders_with_room(&mut state);
        drop(state);
        senders.into_iter().for_each(Waker::wake);
        has_room_again
    }

    /// The websocket has broken off: what waits is only kept.
    pub(crate) fn detach(&self) {
        let mut state = self.lock();
        self.forget_all(&mut state);
        state.detached = true;
    }

    /// Another websocket is there: everything that was not acknowledged goes out first.
    pub(crate) fn reattach(&self, now: Instant) {
        let mut state = self.lock();
        self.forget_all(&mut state);
        state.detached = false;
        let frames: Vec<_> = state.replay.iter().flat_map(|replay| replay.frames()).collect();
        frames.into_iter().for_each(|frame| self.enqueue(&mut state, frame, false, now));
    }

    /// Ends the connection from outside of its task: nothing more is taken, and the task says goodbye.
    pub(crate) fn condemn(&self, reason: CloseReason) {
        let state = self.lock();
        if matches!(state.phase, Phase::Open) {
            self.condemn_locked(state, reason);
        }
    }

    fn condemn_locked(&self, mut state: MutexGuard<'_, State>, reason: CloseReason) -> Pushed {
        state.phase = Phase::Condemned(reason);
        let (waker, senders) = (state.waker.take(), std::mem::take(&mut state.senders));
        drop(state);
        waker.into_iter().chain(senders).for_each(Waker::wake);
        Pushed::Ended
    }

    /// Why the connection is to end, if somebody wants it to.
    pub(crate) fn condemned(&self) -> Option<CloseReason> {
        match &self.lock().phase {
            Phase::Condemned(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Whether nothing follows what waits.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.lock().phase, Phase::Closing | Phase::Ended)
    }

    /// Queues the last bytes; nothing is taken after them. `keep`: whether what waits goes out first. A frame that has
    /// begun always does.
    pub(crate) fn close(&self, last: Bytes, keep: bool, now: Instant) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Ended | Phase::Closing) {
            return;
        }
        if !keep {
            self.forget_unbegun(&mut state);
        }
        state.phase = Phase::Closing;
        if !last.is_empty() {
            self.enqueue(&mut state, last, false, now);
        }
        let (taker, senders) = (state.taker.take(), std::mem::take(&mut state.senders));
        drop(state);
        taker.into_iter().chain(senders).for_each(Waker::wake);
    }

    /// Forgets everything; later pushes are told so.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        state.replay = None;
        self.forget_all(&mut state);
        let (waker, taker, senders) = (state.waker.take(), state.taker.take(), std::mem::take(&mut state.senders));
        drop(state);
        drop(waker);
        taker.into_iter().chain(senders).for_each(Waker::wake);
    }

    /// Moment of the last push of hub messages that was taken.
    pub(crate) fn last_push(&self) -> Instant {
        self.lock().last_push
    }

    /// When what waits will have waited for too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.drain == Drain::Polls {
            return None;
        }
        let state = self.lock();
        let queue = state.queue.as_ref()?;
        Some((queue.since()? + self.bounds.age).min(queue.last_progress() + self.bounds.stall))
    }

    /// Wakes the connection's task for something that is not in here.
    pub(crate) fn wake_task(&self) {
        // It stays: who is next may be heard in the same turn of the task, which gives its waker at the end.
        let mut state = self.lock();
        let waker = state.waker.clone();
        state.is_called = waker.is_none(); // a turn has begun, and may have looked already
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Whether so many bytes more may wait; if so, the queue is there for them.
    fn admits(&self, state: &mut State, more: usize, burst: Option<Burst>, now: Instant) -> bool {
        let (bounds, is_polled) = (&self.bounds, self.drain == Drain::Polls);
        let is_old = |since| !is_polled && now.saturating_duration_since(since) > bounds.age;
        let queue = state.queue.get_or_insert_with(|| Box::new(Queue::new(now)));
        let is_admitted =
            queue.len() < bounds.frames && !queue.since().is_some_and(is_old) && queue.admit(burst, more, bounds.bytes);
        if !is_admitted {
            state.end_empty_queue();
        }
        is_admitted
    }

    fn enqueue(&self, state: &mut State, bytes: Bytes, is_started: bool, now: Instant) {
        if !state.is_written_off {
            self.metrics.output_queued(bytes.len());
        }
        state.queue.get_or_insert_with(|| Box::new(Queue::new(now))).push(bytes, is_started, now);
    }

    fn forget_all(&self, state: &mut State) {
        if let Some(queue) = state.queue.take() {
            self.dequeued(state, queue.bytes());
        }
    }

    fn forget_unbegun(&self, state: &mut State) {
        let forgotten = state.queue.as_mut().map_or(0, |queue| queue.forget_unbegun());
        self.dequeued(state, forgotten);
    }

    /// Takes so many bytes off the account, and the queue away if they were the last.
    fn dequeued(&self, state: &mut State, bytes: usize) {
        if !state.is_written_off {
            self.metrics.output_dequeued(bytes);
        }
        state.end_empty_queue();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Bytes that wait.
    fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.bytes())
    }

    fn end_empty_queue(&mut self) {
        if self.queue.as_ref().is_some_and(|queue| queue.len() == 0) {
            self.queue = None;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.end();
    }
}

/// Bit of the opcodes of control frames. Source: RFC 6455, section 5.5.
const CONTROL: u8 = 0x08;

#[cfg(test)]
mod tests;
