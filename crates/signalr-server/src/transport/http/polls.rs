//! `Polls`: one poll at a time waits for output; whoever comes later takes its place. `Answered` is the body of its answer.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{self, Either};
use tokio::sync::watch;

use super::HttpConnection;
use crate::clock;

/// The polls of one connection.
#[derive(Debug)]
pub(crate) struct Polls {
    /// Number of the latest poll; earlier ones give up.
    latest: watch::Sender<u64>,
    /// Held by the poll that takes output: the outbox wakes only one, which must be the latest.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: usize,
    /// When the last one was answered, or some of an answer taken, while none waits.
    idle_since: Option<Instant>,
    /// The client has deleted the connection: it wants nothing more.
    deleted: bool,
    /// A poll was told that nothing follows.
    over: bool,
}

/// How a poll ends.
#[derive(Debug)]
pub(crate) enum Poll {
    /// With everything that waited.
    Output(Answered),
    /// Without anything; the client is to poll again.
    Empty,
    /// Another poll has taken its place, or the connection is over.
    NoContent,
}

impl Polls {
    /// Of a connection that begins now: its first poll is answered at once.
    pub(crate) fn new(now: Instant) -> Self {
        let state = State { waiting: 0, idle_since: Some(now), deleted: false, over: false };
        Self { latest: watch::Sender::default(), turn: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    /// When a client that neither polls nor takes any of an answer counts as gone.
    pub(crate) fn deadline(&self, patience: Duration) -> Option<Instant> {
        self.lock().idle_since.map(|since| since + patience)
    }

    /// The client has some of an answer, and is yet to have the rest or to poll again.
    fn taken(&self) {
        let mut state = self.lock();
        if state.waiting == 0 {
            state.idle_since = Some(clock::now()); // the task looks at it when the time before is up
        }
    }

    /// Whether the client knows that nothing follows.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.deleted || state.over
    }

    /// Whether the client wants no more output.
    pub(crate) fn is_deleted(&self) -> bool {
        self.lock().deleted
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpConnection {
    /// The client ends the connection, and wants no more output.
    pub(crate) fn delete(&self) {
        self.polls.lock().deleted = true;
        self.polls.latest.send_modify(|latest| *latest += 1);
        self.input.end();
        self.handle.outbox().wake_task();
    }

    /// Waits for output, up to `timeout`. Dropping the future gives up and loses nothing.
    pub(crate) async fn poll(self: &Arc<Self>, timeout: Duration) -> Poll {
        let (_waiting, number) = self.enter();
        let mut latest = self.polls.latest.subscribe();
        let superseded = async { drop(latest.wait_for(|latest| *latest != number).await) };
        let outbox = self.handle.outbox();
        let output = tokio::time::timeout(timeout, async {
            let _turn = self.polls.turn.lock().await;
            std::future::poll_fn(|cx| outbox.poll_take(cx, usize::MAX)).await
        });
        match future::select(pin!(superseded), pin!(output)).await {
            _ if self.polls.is_deleted() => Poll::NoContent,
            Either::Left(_) => Poll::NoContent,
            Either::Right((Ok(Some(output)), _)) => {
                Poll::Output(Answered { left: output.into(), connection: self.clone() })
            }
            Either::Right((Ok(None), _)) => {
                self.polls.lock().over = true;
                self.input.end(); // nobody needs to wait for the client
                self.handle.outbox().wake_task();
                Poll::NoContent
            }
            Either::Right((Err(_), _)) => Poll::Empty,
        }
    }

    /// The poll and its number.
    fn enter(&self) -> (Waiting<'_>, u64) {
        let polls = &self.polls;
        {
            let mut state = polls.lock();
            state.waiting += 1;
            state.idle_since = None;
        }
        let mut number = 0;
        polls.latest.send_modify(|latest| {
            *latest += 1;
            number = *latest;
        });
        (Waiting(self), number)
    }
}

/// A poll that waits.
struct Waiting<'c>(&'c HttpConnection);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.polls.lock();
        state.waiting -= 1;
        if state.waiting == 0 {
            state.idle_since = Some(clock::now());
            drop(state);
            self.0.handle.outbox().wake_task(); // it counts from now on
        }
    }
}

/// What is left of an answer. It goes out in slices: each that is taken shows that the client is there, however long the
/// whole takes.
#[derive(Debug)]
pub(crate) struct Answered {
    left: VecDeque<Bytes>,
    connection: Arc<HttpConnection>,
}

impl Answered {
    /// The next piece of the body; `None`: the end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let front = self.left.front_mut()?;
        let slice = front.split_to(front.len().min(SLICE));
        if front.is_empty() {
            self.left.pop_front();
        }
        self.connection.polls.taken();
        Some(slice)
    }

    /// Pieces that are left of it.
    pub(crate) fn left(&self) -> &VecDeque<Bytes> {
        &self.left
    }
}

/// Bytes taken at once.
const SLICE: usize = 64 * 1024;
