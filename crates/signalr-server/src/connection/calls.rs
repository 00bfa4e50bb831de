//! `Calls`: the calls of one connection that have begun and not ended. They begin in the order they arrive, each running
//! at once as far as it can; only what must wait is kept.
//!
//! A call *beside* the slots is one that waits for this or another client: it reads uploads, or has asked for a client's
//! result. It counts as no call in flight, since a connection that is not read could never let it end.

mod beside;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::stream::{FuturesUnordered, Stream};
use signalr_proto::{CloseReason, Encoding, ErrorDetail, HubMessage, Invocation, Outcome};

use self::beside::Beside;
pub(crate) use self::beside::Wait;
use crate::call::{Admission, Begun, CallFuture, Completion, Given, Guard, Work};
use crate::client_results::{Place, poll_in};
use crate::clock;
use crate::connection::ConnectionHandle;
use crate::error::{CallError, HubError};
use crate::hub::{Caller, Registered};
use crate::metrics::MethodMetrics;
use crate::service::Shared;

pub(crate) struct Calls {
    server: Arc<Shared>,
    /// Made with the first call that must wait and dropped with the last, so that an idle connection has none.
    waiting: Option<FuturesUnordered<Call>>,
    /// Server streams and uploads, made with the first of them and dropped with the last.
    beside: Option<Box<Beside>>,
    /// What this connection has added to the server's number of waiting calls; a call that panics is not in `waiting`
    /// any more.
    counted: usize,
    slots_used: u32,
    /// Of `waiting`, those that read uploads.
    uploading: u32,
    /// Of `waiting`, those that have asked a client.
    asking: u32,
    bytes: usize,
    is_connecting: bool,
    /// Of completions that are not on their way yet.
    guards: Vec<Guard>,
    /// No more calls begin on this connection.
    is_ending: bool,
}

/// A call that has begun.
struct Call {
    /// Taken by the step that ends it.
    under_way: Option<(CallFuture, Answer)>,
    standing: Standing,
}

/// How a call stands to the slots of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Holds one, or as the connected handler all of them.
    Holding,
    /// Holds one until it is admitted.
    Admitting,
    /// Has given its slot back and counts as in flight.
    Admitted,
    /// Beside the slots, as it reads uploads.
    Uploading,
    /// Beside the slots, as it has asked a client.
    Asking,
}

/// What is needed to answer a call.
struct Answer {
    /// `None`: nobody wants one.
    invocation_id: Option<Box<str>>,
    target: Box<str>,
    /// Ids of the streams it reads.
    uploads: Box<[Box<str>]>,
    /// Bytes of the message, counted while the call is in flight.
    bytes: usize,
    began: Instant,
    metrics: Option<Arc<MethodMetrics>>,
    is_connected_handler: bool,
    /// Of its completion, once it has one.
    guard: Option<Guard>,
}

/// How far a call has come.
enum Step {
    Admitted(CallFuture, Answer),
    /// It waits for a client.
    Asking(CallFuture, Answer),
    Ended(Result<Completion, CallError>, Answer),
}

/// The connected handler failed; the connection ends.
pub(crate) struct ConnectRefused(pub(crate) CloseReason);

/// Of a message that calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: usize,
    pub(crate) now: Instant,
}

impl Calls {
    pub(crate) fn new(server: Arc<Shared>) -> Self {
        Self {
            server,
            waiting: None,
            beside: None,
            counted: 0,
            slots_used: 0,
            uploading: 0,
            asking: 0,
            bytes: 0,
            is_connecting: false,
            guards: Vec::new(),
            is_ending: false,
        }
    }

    /// Whether another call may begin now.
    fn has_slot(&self) -> bool {
        (self.slots_used as usize) < self.server.options.max_parallel_invocations
    }

    /// Whether another message may be read at all.
    pub(crate) fn has_room(&self) -> bool {
        let options = &self.server.options;
        self.bytes < options.max_bytes_in_flight && self.in_flight() < options.max_calls_in_flight
    }

    /// Calls that have begun and are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        let waiting = self.waiting.as_ref().map_or(0, FuturesUnordered::len);
        waiting.saturating_sub((self.uploading + self.asking) as usize)
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
        self.slots_used = u32::try_from(server.options.max_parallel_invocations).unwrap_or(u32::MAX);
        self.is_connecting = true;
        let answer = Answer {
            invocation_id: None,
            target: "OnConnected".into(),
            uploads: Box::default(),
            bytes: 0,
            began: now,
            metrics: None,
            is_connected_handler: true,
            guard: None,
        };
        self.advance(Call::new(handler, answer, Standing::Holding), encoding, cx, out)
    }

    /// Takes a message, for which [`must_wait`](Self::must_wait) was asked before. What is for a call or stream that is not
    /// there is ignored.
    pub(crate) fn take(
        &mut self,
        handle: &ConnectionHandle,
        message: HubMessage<'_>,
        arrival: Arrival,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) {
        match message {
            HubMessage::Invocation(call) => self.begin(handle, &call, arrival, cx, out),
            HubMessage::StreamInvocation(call) => self.begin_stream(handle, &call, arrival, cx, out),
            HubMessage::StreamItem { invocation_id, item } => self.take_item(&invocation_id, item, arrival.bytes),
            HubMessage::CancelInvocation { invocation_id } => self.cancel(&invocation_id, arrival.encoding, out),
            HubMessage::Completion { invocation_id, outcome } => {
                let is_of_upload = self.end_upload(&invocation_id, &outcome);
                if !is_of_upload {
                    handle.answer(&invocation_id, outcome);
                }
            }
            // The protocol has done what the others ask for.
            _ => {}
        }
    }

    fn begin(
        &mut self,
        handle: &ConnectionHandle,
        call: &Invocation<'_>,
        arrival: Arrival,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) {
        let (server, encoding) = (self.server.clone(), arrival.encoding);
        let (registered, future, sinks, standing) = match self.begun(&server, handle, call, false, encoding) {
            Ok((registered, Begun { work: Work::Call(future), sinks })) => {
                (registered, future, sinks, Standing::Holding)
            }
            Ok((registered, Begun { work: Work::Pipelined(future), sinks })) => {
                (registered, future, sinks, Standing::Admitting)
            }
            Ok((_, Begun { work: Work::Stream(_), .. })) => unreachable!("its kind was checked"),
            Err(error) => {
                return self.answer_error(call.invocation_id.as_deref(), &call.target, &error, encoding, out);
            }
        };
        let mut answer = Answer {
            invocation_id: call.invocation_id.as_deref().map(Box::from),
            target: call.target.as_ref().into(),
            uploads: Box::default(),
            bytes: 0,
            began: arrival.now,
            metrics: registered.metrics.clone(),
            is_connected_handler: false,
            guard: None,
        };
        let standing = if sinks.is_empty() {
            answer.bytes = arrival.bytes;
            self.slots_used += 1;
            self.bytes += arrival.bytes;
            standing
        } else {
            answer.uploads = self.beside(handle).open(&server, call, sinks);
            self.uploading += 1;
            Standing::Uploading
        };
        // Only the connected handler can refuse the connection.
        let _ = self.advance(Call::new(future, answer, standing), encoding, cx, out);
    }

    /// Checks a call, and calls the method.
    fn begun<'h>(
        &self,
        server: &'h Arc<Shared>,
        handle: &ConnectionHandle,
        call: &Invocation<'_>,
        streams: bool,
        encoding: Encoding,
    ) -> Result<(&'h Registered, Begun), CallError> {
        let Some(registered) = server.hub.find(&call.target) else {
            server.metrics.unanswerable(CallError::UnknownTarget.label());
            return Err(CallError::UnknownTarget);
        };
        let checked = registered.check(handle.user(), call, streams).and_then(|()| self.check_streams(call, streams));
        let begun = checked.and_then(|()| {
            (registered.begin)(Given {
                caller: Caller { handle: handle.clone(), server: Arc::downgrade(server) },
                arguments: call.arguments,
                encoding,
                upload_buffer: server.options.upload_stream_buffer,
            })
        });
        if let (Err(_), Some(metrics)) = (&begun, &registered.metrics) {
            metrics.error.inc();
        }
        Ok((registered, begun?))
    }

    /// Goes on with the calls that can; completions are appended to `out`.
    pub(crate) fn poll(
        &mut self,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        while let Some(waiting) = &mut self.waiting {
            let (step, standing) = match Pin::new(waiting).poll_next(cx) {
                Poll::Ready(Some(step)) => step,
                Poll::Ready(None) => {
                    self.waiting = None;
                    break;
                }
                Poll::Pending => break,
            };
            self.uncount(1);
            if let Some(call) = self.take_step(step, standing, encoding, out)? {
                self.advance(call, encoding, cx, out)?;
            }
        }
        self.poll_streams(encoding, cx, out);
        Ok(())
    }

    /// What was completed is on its way.
    pub(crate) fn drop_guards(&mut self) {
        if self.guards.capacity() > 0 {
            self.guards = Vec::new();
        }
    }

    /// Lets no more calls begin.
    pub(crate) fn take_no_more(&mut self) {
        self.is_ending = true;
    }

    /// The connection has ended: drops all calls but what is being admitted, which goes on for as long as it is polled.
    pub(crate) fn leave(&mut self) {
        let waiting = self.waiting.take().unwrap_or_default();
        self.clear();
        for call in waiting.into_iter().filter(|call| call.standing == Standing::Admitting) {
            self.slots_used += 1;
            self.bytes += call.under_way.as_ref().map_or(0, |(_, answer)| answer.bytes);
            self.keep(call);
        }
    }

    /// Whether none is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Drops all calls; what they began elsewhere goes on there.
    pub(crate) fn clear(&mut self) {
        self.uncount(self.counted);
        self.beside = None;
        self.waiting = None;
        self.drop_guards();
        (self.slots_used, self.uploading, self.asking, self.bytes) = (0, 0, 0, 0);
    }

    /// Runs a call as far as it comes by itself, and keeps it if that is not to its end.
    fn advance(
        &mut self,
        mut call: Call,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        while let Poll::Ready((step, standing)) = Pin::new(&mut call).poll(cx) {
            match self.take_step(step, standing, encoding, out)? {
                Some(going_on) => call = going_on,
                None => return Ok(()),
            }
        }
        self.keep(call);
        Ok(())
    }

    fn keep(&mut self, call: Call) {
        self.server.calls_waiting.fetch_add(1, Ordering::Relaxed);
        self.counted += 1;
        self.waiting.get_or_insert_default().push(call);
    }

    fn uncount(&mut self, calls: usize) {
        self.counted -= calls;
        self.server.calls_waiting.fetch_sub(calls, Ordering::Relaxed);
    }

    /// Accounts for a step; the call, if it goes on.
    fn take_step(
        &mut self,
        step: Step,
        standing: Standing,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<Option<Call>, ConnectRefused> {
        match step {
            Step::Admitted(rest, answer) => {
                let standing = if matches!(standing, Standing::Holding | Standing::Admitting) {
                    self.free_slot(&answer);
                    Standing::Admitted
                } else {
                    standing
                };
                Ok(Some(Call::new(rest, answer, standing)))
            }
            Step::Asking(future, mut answer) => {
                self.give_back(&mut answer, standing);
                if self.asking as usize >= self.server.options.max_pending_client_results {
                    self.server.metrics.limit_hit("pending_client_results");
                    drop(future);
                    let error = CallError::Method(HubError::new("Too many calls wait for results of clients."));
                    self.end(answer, Err(error), encoding, out)?;
                    return Ok(None);
                }
                self.asking += 1;
                Ok(Some(Call::new(future, answer, Standing::Asking)))
            }
            Step::Ended(result, mut answer) => {
                self.give_back(&mut answer, standing);
                self.end(answer, result, encoding, out)?;
                Ok(None)
            }
        }
    }

    /// Takes a call out of the numbers it counts in.
    fn give_back(&mut self, answer: &mut Answer, standing: Standing) {
        match standing {
            Standing::Holding | Standing::Admitting => self.free_slot(answer),
            Standing::Admitted => {}
            Standing::Uploading => self.uploading -= 1,
            Standing::Asking => self.asking -= 1,
        }
        self.bytes -= std::mem::take(&mut answer.bytes);
    }

    fn end(
        &mut self,
        answer: Answer,
        result: Result<Completion, CallError>,
        encoding: Encoding,
        out: &mut Vec<u8>,
    ) -> Result<(), ConnectRefused> {
        if let (true, Err(error)) = (answer.is_connected_handler, &result) {
            return Err(ConnectRefused(match error {
                CallError::Method(error) => {
                    CloseReason::Refused { text: error.to_string(), for_client: error.is_for_caller() }
                }
                other => CloseReason::Refused { text: other.text(&answer.target, ErrorDetail::All), for_client: false },
            }));
        }
        self.close_uploads(&answer.uploads);
        self.guards.extend(answer.guard);
        count_answer(answer.metrics.as_deref(), answer.began, result.is_ok());
        let Some(invocation_id) = &answer.invocation_id else {
            return Ok(());
        };
        match result {
            Ok(completion) => complete(invocation_id, Outcome::Result(completion.payload(encoding)), encoding, out),
            Err(error) => self.answer_error(Some(invocation_id), &answer.target, &error, encoding, out),
        }
        Ok(())
    }

    fn free_slot(&mut self, answer: &Answer) {
        self.slots_used -= if answer.is_connected_handler { self.slots_used } else { 1 };
        self.is_connecting &= !answer.is_connected_handler;
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
        complete(invocation_id, Outcome::Error(text.into()), encoding, out);
    }
}

fn complete(invocation_id: &str, outcome: Outcome<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    encoding.encode(&HubMessage::Completion { invocation_id: invocation_id.into(), outcome }, out);
}

fn count_answer(metrics: Option<&MethodMetrics>, began: Instant, is_ok: bool) {
    if let Some(metrics) = metrics {
        if is_ok {
            metrics.ok.inc()
        } else {
            metrics.error.inc()
        };
        metrics.seconds.observe(clock::now().saturating_duration_since(began).as_secs_f64());
    }
}

impl Call {
    fn new(future: CallFuture, answer: Answer, standing: Standing) -> Self {
        Self { under_way: Some((future, answer)), standing }
    }
}

impl Future for Call {
    type Output = (Step, Standing);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let standing = self.standing;
        let (future, answer) = self.under_way.as_mut().expect("a call is not polled after its end");
        let place = if answer.is_connected_handler { Place::ConnectedHandler } else { Place::Call };
        let (polled, waits_for_client) = poll_in(place, || future.as_mut().poll(cx));
        let is_beside = matches!(standing, Standing::Uploading | Standing::Asking);
        if polled.is_pending() && (!waits_for_client || is_beside) {
            return Poll::Pending;
        }
        let (future, mut answer) = self.under_way.take().expect("it was there");
        let step = match polled {
            Poll::Pending => Step::Asking(future, answer),
            Poll::Ready(Ok(Admission::Admitted(rest))) => Step::Admitted(rest, answer),
            Poll::Ready(Ok(Admission::Done(completion))) => Step::Ended(Ok(completion), answer),
            Poll::Ready(Ok(Admission::Held(completion, guard))) => {
                answer.guard = Some(guard);
                Step::Ended(Ok(completion), answer)
            }
            Poll::Ready(Err(error)) => Step::Ended(Err(error), answer),
        };
        Poll::Ready((step, standing))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.clear();
    }
}
