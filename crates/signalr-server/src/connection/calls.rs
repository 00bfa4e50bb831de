//! `Calls`: the calls of one connection that have begun and not ended. They begin in the order they arrive, each running
//! at once as far as it can; only what must wait is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures::stream::{FuturesUnordered, Stream};
use signalr_proto::{CloseReason, Encoding, ErrorDetail, HubMessage, Invocation, Outcome};

use crate::call::{Admission, CallFuture, Completion, RestFuture};
use crate::error::CallError;
use crate::hub::Caller;
use crate::metrics::MethodMetrics;
use crate::service::Shared;

pub(crate) struct Calls {
    server: Arc<Shared>,
    /// Made with the first call that must wait and dropped with the last, so that an idle connection has none.
    waiting: Option<FuturesUnordered<Call>>,
    /// What this connection has added to the server's number of waiting calls; a call that panics is not in `waiting`
    /// any more.
    counted: usize,
    slots_used: usize,
    bytes: usize,
}

/// A call that has begun.
struct Call {
    stage: Stage,
    /// Taken by the step that ends the stage.
    answer: Option<Answer>,
}

enum Stage {
    /// Holds a slot, or as the connected handler all of them.
    Holding(CallFuture),
    Admitted(RestFuture),
}

/// What is needed to answer a call.
struct Answer {
    /// `None`: nobody wants one.
    invocation_id: Option<Box<str>>,
    target: Box<str>,
    /// Bytes of the message, counted while the call is unanswered.
    bytes: usize,
    began: Instant,
    metrics: Option<MethodMetrics>,
    is_connected_handler: bool,
}

/// How far a call has come.
enum Step {
    Admitted(Answer, RestFuture),
    Ended { answer: Answer, held_slot: bool, result: Result<Completion, CallError> },
}

/// The connected handler failed; the connection ends.
pub(crate) struct ConnectRefused(pub(crate) CloseReason);

impl Calls {
    pub(crate) fn new(server: Arc<Shared>) -> Self {
        Self { server, waiting: None, counted: 0, slots_used: 0, bytes: 0 }
    }

    /// Whether another call may begin now.
    pub(crate) fn has_slot(&self) -> bool {
        self.slots_used < self.server.options.max_parallel_invocations
    }

    /// Whether another message may be read at all.
    pub(crate) fn has_room(&self) -> bool {
        let options = &self.server.options;
        self.bytes < options.max_bytes_in_flight && self.len() < options.max_calls_in_flight
    }

    fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, FuturesUnordered::len)
    }

    /// Runs the handler for new connections; calls wait until it has ended.
    pub(crate) fn connect(
        &mut self,
        caller: Caller,
        encoding: Encoding,
        now: Instant,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        let server = self.server.clone();
        let Some(handler) = server.hub.connected(caller) else {
            return Ok(());
        };
        self.slots_used = server.options.max_parallel_invocations;
        let answer = Answer {
            invocation_id: None,
            target: "OnConnected".into(),
            bytes: 0,
            began: now,
            metrics: None,
            is_connected_handler: true,
        };
        self.advance(Call::new(Stage::Holding(handler), answer), encoding, cx, out)
    }

    /// Begins a call, for which [`has_slot`](Self::has_slot) was asked before.
    pub(crate) fn begin(
        &mut self,
        caller: Caller,
        call: &Invocation<'_>,
        (encoding, bytes, now): (Encoding, usize, Instant),
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) {
        let server = self.server.clone();
        let (registered, begun) = server.hub.begin(caller, call, encoding);
        match begun {
            Ok(future) => {
                let answer = Answer {
                    invocation_id: call.invocation_id.as_deref().map(Box::from),
                    target: call.target.as_ref().into(),
                    bytes,
                    began: now,
                    metrics: registered.and_then(|registered| registered.metrics.clone()),
                    is_connected_handler: false,
                };
                self.slots_used += 1;
                self.bytes += bytes;
                // Only the connected handler can refuse the connection.
                let _ = self.advance(Call::new(Stage::Holding(future), answer), encoding, cx, out);
            }
            Err(error) => {
                match registered.and_then(|registered| registered.metrics.as_ref()) {
                    Some(metrics) => drop(metrics.error.inc()),
                    None => server.metrics.unanswerable(error.label()),
                }
                self.answer_error(call.invocation_id.as_deref(), &call.target, &error, encoding, out);
            }
        }
    }

    /// Answers a stream invocation: no method here streams.
    pub(crate) fn refuse_stream(&self, call: &Invocation<'_>, encoding: Encoding, out: &mut Vec<u8>) {
        let error = if self.server.hub.has(&call.target) { CallError::PlainByStream } else { CallError::UnknownTarget };
        self.server.metrics.unanswerable(error.label());
        self.answer_error(call.invocation_id.as_deref(), &call.target, &error, encoding, out);
    }

    /// Goes on with the calls that can; completions are appended to `out`.
    pub(crate) fn poll(
        &mut self,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        while let Some(waiting) = &mut self.waiting {
            let step = match Pin::new(waiting).poll_next(cx) {
                Poll::Ready(Some(step)) => step,
                Poll::Ready(None) => {
                    self.waiting = None;
                    break;
                }
                Poll::Pending => break,
            };
            self.uncount(1);
            if let Some(call) = self.take_step(step, encoding, out)? {
                self.advance(call, encoding, cx, out)?;
            }
        }
        Ok(())
    }

    /// Drops all calls; what they began elsewhere goes on there.
    pub(crate) fn clear(&mut self) {
        self.uncount(self.counted);
        self.waiting = None;
        (self.slots_used, self.bytes) = (0, 0);
    }

    /// Runs a call as far as it comes by itself, and keeps it if that is not to its end.
    fn advance(
        &mut self,
        mut call: Call,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        while let Poll::Ready(step) = Pin::new(&mut call).poll(cx) {
            match self.take_step(step, encoding, out)? {
                Some(admitted) => call = admitted,
                None => return Ok(()),
            }
        }
        self.server.calls_waiting.fetch_add(1, Ordering::Relaxed);
        self.counted += 1;
        self.waiting.get_or_insert_default().push(call);
        Ok(())
    }

    fn uncount(&mut self, calls: usize) {
        self.counted -= calls;
        self.server.calls_waiting.fetch_sub(calls, Ordering::Relaxed);
    }

    /// Accounts for a step; the call, if it goes on.
    fn take_step(&mut self, step: Step, encoding: Encoding, out: &mut Vec<u8>) -> Result<Option<Call>, ConnectRefused> {
        match step {
            Step::Admitted(answer, rest) => {
                self.free_slot(&answer);
                Ok(Some(Call::new(Stage::Admitted(rest), answer)))
            }
            Step::Ended { answer, held_slot, result } => {
                if held_slot {
                    self.free_slot(&answer);
                }
                self.end(answer, result, encoding, out)?;
                Ok(None)
            }
        }
    }

    fn end(
        &mut self,
        answer: Answer,
        result: Result<Completion, CallError>,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        self.bytes -= answer.bytes;
        if let (true, Err(error)) = (answer.is_connected_handler, &result) {
            return Err(ConnectRefused(match error {
                CallError::Method(error) => {
                    CloseReason::Refused { text: error.to_string(), for_client: error.is_for_caller() }
                }
                other => CloseReason::Refused { text: other.text(&answer.target, ErrorDetail::All), for_client: false },
            }));
        }
        if let Some(metrics) = &answer.metrics {
            if result.is_ok() {
                metrics.ok.inc()
            } else {
                metrics.error.inc()
            };
            metrics.seconds.observe(answer.began.elapsed().as_secs_f64());
        }
        let Some(invocation_id) = &answer.invocation_id else {
            return Ok(());
        };
        match result {
            Ok(completion) => encoding.encode(
                &HubMessage::Completion {
                    invocation_id: (&**invocation_id).into(),
                    outcome: Outcome::Result(completion.payload(encoding)),
                },
                out,
            ),
            Err(error) => self.answer_error(Some(invocation_id), &answer.target, &error, encoding, out),
        }
        Ok(())
    }

    fn free_slot(&mut self, answer: &Answer) {
        self.slots_used -= if answer.is_connected_handler { self.slots_used } else { 1 };
    }

    fn answer_error(
        &self,
        invocation_id: Option<&str>,
        target: &str,
        error: &CallError,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) {
        let Some(invocation_id) = invocation_id else {
            tracing::debug!(target, error = ?error, "a call that wants no answer failed");
            return;
        };
        let text = error.text(target, self.server.options.protocol.error_detail);
        let outcome = Outcome::Error(text.into());
        encoding.encode(&HubMessage::Completion { invocation_id: invocation_id.into(), outcome }, out);
    }
}

impl Call {
    fn new(stage: Stage, answer: Answer) -> Self {
        Self { stage, answer: Some(answer) }
    }
}

impl Future for Call {
    type Output = Step;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let (held_slot, result) = match &mut self.stage {
            Stage::Holding(future) => match ready!(future.as_mut().poll(cx)) {
                Ok(Admission::Admitted(rest)) => {
                    let answer = self.answer.take().expect("a stage ends once");
                    return Poll::Ready(Step::Admitted(answer, rest));
                }
                Ok(Admission::Done(completion)) => (true, Ok(completion)),
                Err(error) => (true, Err(error)),
            },
            Stage::Admitted(rest) => (false, ready!(rest.as_mut().poll(cx))),
        };
        let answer = self.answer.take().expect("a stage ends once");
        Poll::Ready(Step::Ended { answer, held_slot, result })
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.clear();
    }
}
