//! `Uploads`: the streams one connection feeds, by the ids its client chose.

use std::borrow::Cow;
use std::collections::HashMap;
use std::task::{Context, Poll};

use signalr_proto::{ErrorDetail, Payload};

use crate::error::HubError;
use crate::metrics::Counted;
use crate::uploads::Sink;

#[derive(Default)]
pub(crate) struct Uploads {
    open: HashMap<Box<str>, Open>,
}

struct Open {
    sink: Box<dyn Sink>,
    _counted: Counted,
}

impl Uploads {
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// The first of a new call's ids that cannot be used.
    pub(crate) fn taken_id<'a>(&self, ids: &'a [Cow<'_, str>]) -> Option<&'a str> {
        let is_taken =
            |(index, id): &(usize, &Cow<'_, str>)| self.open.contains_key(&***id) || ids[..*index].contains(id);
        ids.iter().enumerate().find(is_taken).map(|(_, id)| &**id)
    }

    pub(crate) fn open(&mut self, id: &str, sink: Box<dyn Sink>, counted: Counted) {
        self.open.insert(id.into(), Open { sink, _counted: counted });
    }

    /// Whether an item can be taken now; one of an unknown stream always can.
    pub(crate) fn poll_room(&self, id: &str, cx: &mut Context<'_>) -> Poll<()> {
        self.open.get(id).map_or(Poll::Ready(()), |open| open.sink.poll_room(cx))
    }

    /// Takes an item for which there is room.
    pub(crate) fn push(&mut self, id: &str, item: Payload<'_>, bytes: usize, detail: ErrorDetail) {
        if let Some(open) = self.open.get(id)
            && !open.sink.push(item, bytes, detail)
        {
            self.open.remove(id);
        }
    }

    /// Bytes of the messages whose items were not read yet.
    pub(crate) fn bytes(&self) -> usize {
        self.open.values().map(|open| open.sink.bytes()).sum()
    }

    /// Ends a stream; `false`: there is none of this id.
    pub(crate) fn end(&mut self, id: &str, error: Option<&str>) -> bool {
        let Some(open) = self.open.remove(id) else {
            return false;
        };
        open.sink.end(error.map(HubError::new));
        true
    }

    /// Ends those that are left of a call that has ended.
    pub(crate) fn close(&mut self, ids: &[Box<str>]) {
        for id in ids {
            self.end(id, None);
        }
    }
}
