//! Calls on their way: invocation ids, and who waits for which completion.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use serde_json::value::RawValue;
use signalr_proto::{Outcome, Payload};
use tokio::sync::oneshot;

use super::error::{Closed, HubError};

type Answer = Result<Box<RawValue>, HubError>;

/// The calls of one connection that have no completion yet.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    closed: Option<Closed>,
}

/// A call on its way: a future of its result. Dropping it does not cancel the call.
#[derive(Debug)]
pub struct PendingCall {
    id: String,
    answer: oneshot::Receiver<Answer>,
}

impl Calls {
    /// Takes the next id; fails once the connection has ended.
    pub(super) fn open(self: &Arc<Self>) -> Result<PendingCall, HubError> {
        let mut state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(HubError::Closed(closed.clone()));
        }
        state.last_id += 1;
        let (sender, answer) = oneshot::channel();
        let id = state.last_id;
        state.waiting.insert(id, sender);
        Ok(PendingCall { id: id.to_string(), answer })
    }

    /// Hands an outcome to whoever waits; answers to unknown ids are ignored.
    pub(super) fn complete(&self, id: &str, outcome: Outcome<'_>) {
        let Ok(id) = id.parse() else { return };
        let waiting = self.lock().waiting.remove(&id);
        if let Some(sender) = waiting {
            // The caller may have dropped its end; then nobody wants to know.
            let _ = sender.send(answer(outcome));
        }
    }

    /// Fails all that wait, and all that come later.
    pub(super) fn close(&self, closed: &Closed) {
        let mut state = self.lock();
        state.closed = Some(closed.clone());
        for (_, sender) in state.waiting.drain() {
            let _ = sender.send(Err(HubError::Closed(closed.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingCall {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Future for PendingCall {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        Poll::Ready(answer.unwrap_or_else(|_| Err(HubError::Closed(Closed::unknown()))))
    }
}

fn answer(outcome: Outcome<'_>) -> Answer {
    match outcome {
        Outcome::Result(Payload::Json(text)) => raw(text),
        Outcome::Result(_) => Err(HubError::Failed("result in an unknown encoding".to_owned())),
        Outcome::Error(text) => Err(HubError::Failed(text.into_owned())),
        Outcome::Void => raw("null"),
    }
}

fn raw(text: &str) -> Answer {
    RawValue::from_string(text.to_owned()).map_err(HubError::Result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_reach_their_callers_in_any_order() {
        let calls = Arc::new(Calls::default());
        let (first, second) = (calls.open().unwrap(), calls.open().unwrap());
        calls.complete("9", Outcome::Void);
        calls.complete(second.id(), Outcome::Error("no".into()));
        calls.complete(first.id(), Outcome::Result(Payload::Json("[1]")));
        assert_eq!(first.await.unwrap().get(), "[1]");
        assert!(matches!(second.await, Err(HubError::Failed(text)) if text == "no"));
    }

    #[tokio::test]
    async fn the_end_fails_calls_before_and_after_it() {
        let calls = Arc::new(Calls::default());
        let before = calls.open().unwrap();
        calls.close(&Closed::unknown());
        assert!(matches!(before.await, Err(HubError::Closed(_))));
        assert!(matches!(calls.open(), Err(HubError::Closed(_))));
    }
}
