//! `Body`: the body of every response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};

use crate::transport::http::{Answered, EventStream};

/// What the body of a request must be able to do.
pub trait RequestBody: hyper::body::Body<Data: Buf + Send, Error: Send> + Send + 'static {}

impl<B: hyper::body::Body<Data: Buf + Send, Error: Send> + Send + 'static> RequestBody for B {}

/// Body of a response: nothing, a text, what waited for a poll, or a stream of events.
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Text(Bytes),
    Answered(Box<Answered>),
    Events(Box<EventStream>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Text(Bytes::new())
    }
}

impl Body {
    pub(crate) fn answered(answered: Answered) -> Self {
        Self(Kind::Answered(Box::new(answered)))
    }

    pub(crate) fn events(events: EventStream) -> Self {
        Self(Kind::Events(Box::new(events)))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Text(bytes.into()))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Kind::Text(Bytes::from_static(text.as_bytes())))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.0 {
            Kind::Text(text) => Some(std::mem::take(text)).filter(|text| !text.is_empty()),
            Kind::Answered(answered) => answered.next(),
            Kind::Events(events) => std::task::ready!(events.poll_next(cx)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Text(text) => text.is_empty(),
            Kind::Answered(answered) => answered.left().is_empty(),
            Kind::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Answered(answered) => {
                SizeHint::with_exact(answered.left().iter().map(|piece| piece.len() as u64).sum())
            }
            Kind::Events(_) => SizeHint::default(),
        }
    }
}
