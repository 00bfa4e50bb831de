//! What a connection runs beside the slots of its calls: server streams and uploads.

use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Instant;

use signalr_proto::{Encoding, HubMessage, Invocation, Outcome, Payload};

use super::{Arrival, Calls, complete, count_answer};
use crate::call::{Begun, Work};
use crate::clock;
use crate::connection::ConnectionHandle;
use crate::connection::streams::{Budget, EndedStream, Running, Streams};
use crate::connection::uploads::Uploads;
use crate::error::{CallError, HubError};
use crate::metrics::Counted;
use crate::service::Shared;
use crate::uploads::Sink;

pub(super) struct Beside {
    handle: ConnectionHandle,
    streams: Streams,
    uploads: Uploads,
    /// The upload whose room a message waits for.
    full: Option<Box<str>>,
}

/// What a message waits for; nothing behind it is read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A plain call for a slot.
    Slot,
    /// Any other call for the connected handler.
    Connected,
    /// An item for room in its upload.
    Room,
    /// A call for this moment, as others came too fast. The task is woken by its timer.
    Until(Instant),
}

impl Calls {
    /// What a message waits for, if it cannot be taken now.
    pub(crate) fn must_wait(&mut self, message: &HubMessage<'_>, cx: &mut Context<'_>) -> Option<Wait> {
        let wait = match message {
            HubMessage::Invocation(call) if call.stream_ids.is_empty() => {
                let waits = !self.has_slot() || !self.has_room() || self.is_draining();
                return waits.then_some(Wait::Slot);
            }
            HubMessage::Invocation(_) | HubMessage::StreamInvocation(_) => Wait::Connected,
            HubMessage::StreamItem { invocation_id, .. } => {
                let beside = self.beside.as_mut()?;
                if beside.uploads.poll_room(invocation_id, cx).is_ready() {
                    return None;
                }
                beside.full = Some(invocation_id.as_ref().into());
                return Some(Wait::Room);
            }
            _ => return None,
        };
        self.still_waits(wait, cx).then_some(wait)
    }

    /// Whether what a message waits for has not come yet; if so, the task is woken when it does.
    pub(crate) fn still_waits(&self, wait: Wait, cx: &mut Context<'_>) -> bool {
        match wait {
            Wait::Slot => !self.has_slot() || self.is_draining(),
            Wait::Until(moment) => clock::now() < moment,
            Wait::Connected => self.is_connecting || self.is_draining(),
            Wait::Room => self.beside.as_ref().is_some_and(|beside| {
                beside.full.as_ref().is_some_and(|id| beside.uploads.poll_room(id, cx).is_pending())
            }),
        }
    }

    /// While the server or the connection drains, no calls begin; those under way still get what they wait for.
    fn is_draining(&self) -> bool {
        self.is_ending || self.server.draining.load(Ordering::Relaxed)
    }

    /// Begins a server stream.
    pub(super) fn begin_stream(
        &mut self,
        handle: &ConnectionHandle,
        call: &Invocation<'_>,
        arrival: Arrival,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) {
        let server = self.server.clone();
        let id = call.invocation_id.as_deref().unwrap_or_default();
        match self.begun(&server, handle, call, true, arrival.encoding) {
            Ok((registered, Begun { work: Work::Stream(items), sinks })) => {
                let beside = self.beside(handle);
                let running = Running {
                    items,
                    target: call.target.as_ref().into(),
                    began: arrival.now,
                    metrics: registered.metrics.clone(),
                    uploads: beside.open(&server, call, sinks),
                    counted: Counted::by(&server.metrics.streams),
                };
                beside.streams.start(id, running, cx);
            }
            Ok((_, Begun { work: Work::Call(_) | Work::Pipelined(_), .. })) => unreachable!("its kind was checked"),
            Err(error) => self.answer_error(Some(id), &call.target, &error, arrival.encoding, out),
        }
    }

    /// Checks a call's ids, and the bounds of the connection.
    pub(super) fn check_streams(&self, call: &Invocation<'_>, streams: bool) -> Result<(), CallError> {
        if !streams && call.stream_ids.is_empty() {
            return Ok(());
        }
        if streams {
            let running = self.beside.as_ref().map(|beside| &beside.streams);
            let id = call.invocation_id.as_deref().unwrap_or_default();
            if running.is_some_and(|running| running.contains(id)) {
                return Err(CallError::IdInUse(id.to_owned()));
            }
            if running.map_or(0, Streams::len) >= self.server.options.max_streams {
                return Err(self.too_many("streams"));
            }
        }
        let empty = Uploads::default();
        let uploads = self.beside.as_ref().map_or(&empty, |beside| &beside.uploads);
        if let Some(id) = uploads.taken_id(&call.stream_ids) {
            return Err(CallError::IdInUse(id.to_owned()));
        }
        // A call may go on when its uploads have ended.
        let reading = uploads.len().max(self.uploading as usize);
        if reading + call.stream_ids.len() > self.server.options.max_upload_streams {
            return Err(self.too_many("upload_streams"));
        }
        Ok(())
    }

    fn too_many(&self, limit: &'static str) -> CallError {
        self.server.metrics.limit_hit(limit);
        CallError::Method(HubError::new("This connection has as many streams as it may have."))
    }

    /// Lets the streams produce what the output has room for.
    pub(super) fn poll_streams(&mut self, encoding: Encoding, cx: &Context<'_>, out: &mut Vec<u8>) {
        let Some(beside) = &mut self.beside else {
            return;
        };
        if beside.streams.len() > 0 && beside.handle.outbox().has_room() {
            let mut budget = Budget::new(out);
            while let Some(beside) = &mut self.beside
                && let Some(ended) = beside.streams.poll_ended(&mut budget, encoding, cx, out)
            {
                self.end_stream(ended, encoding, out);
            }
        }
        if self.beside.as_ref().is_some_and(|beside| beside.streams.len() + beside.uploads.len() == 0) {
            self.beside = None;
        }
    }

    fn end_stream(&mut self, ended: EndedStream, encoding: Encoding, out: &mut Vec<u8>) {
        let EndedStream { id, stream, result } = ended;
        // Its last deeds come before its completion.
        drop(stream.items);
        drop(stream.counted);
        self.close_uploads(&stream.uploads);
        count_answer(stream.metrics.as_deref(), stream.began, result.is_ok());
        match result {
            Ok(()) => complete(&id, Outcome::Void, encoding, out),
            Err(error) => self.answer_error(Some(&id), &stream.target, &error, encoding, out),
        }
    }

    /// Stops a server stream; one that does not run is ignored.
    pub(super) fn cancel(&mut self, id: &str, encoding: Encoding, out: &mut Vec<u8>) {
        if let Some(stream) = self.beside.as_mut().and_then(|beside| beside.streams.take(id)) {
            self.end_stream(EndedStream { id: id.into(), stream, result: Ok(()) }, encoding, out);
        }
    }

    /// Takes an item of an upload, from a message of so many bytes.
    pub(super) fn take_item(&mut self, id: &str, item: Payload<'_>, bytes: usize) {
        if let Some(beside) = &mut self.beside {
            beside.uploads.push(id, item, bytes, self.server.options.protocol.error_detail);
        }
    }

    /// Bytes of the messages whose items no method has read yet.
    pub(crate) fn upload_bytes(&self) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside.uploads.bytes())
    }

    /// Ends an upload; `false`: there is none of this id.
    pub(super) fn end_upload(&mut self, id: &str, outcome: &Outcome<'_>) -> bool {
        let error = if let Outcome::Error(text) = outcome { Some(&**text) } else { None };
        self.beside.as_mut().is_some_and(|beside| beside.uploads.end(id, error))
    }

    pub(super) fn close_uploads(&mut self, ids: &[Box<str>]) {
        if let (Some(beside), false) = (&mut self.beside, ids.is_empty()) {
            beside.uploads.close(ids);
        }
    }

    pub(super) fn beside(&mut self, handle: &ConnectionHandle) -> &mut Beside {
        self.beside.get_or_insert_with(|| {
            Box::new(Beside {
                handle: handle.clone(),
                streams: Streams::default(),
                uploads: Uploads::default(),
                full: None,
            })
        })
    }
}

impl Beside {
    /// Opens a call's uploads; their ids.
    pub(super) fn open(
        &mut self,
        server: &Shared,
        call: &Invocation<'_>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Box<[Box<str>]> {
        let ids = call.stream_ids.iter().zip(sinks).map(|(id, sink)| {
            self.uploads.open(id, sink, Counted::by(&server.metrics.uploads));
            Box::from(&**id)
        });
        ids.collect()
    }
}
