//! `Body`: the body of every response.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};

use crate::transport::http::EventStream;

/// What the body of a request must be able to do.
pub trait RequestBody: hyper::body::Body<Data: Buf + Send, Error: Send> + Send + 'static {}

impl<B: hyper::body::Body<Data: Buf + Send, Error: Send> + Send + 'static> RequestBody for B {}

/// Body of a response: nothing, a text, what waited for a poll, or a stream of events.
#[derive(Debug, Default)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Pieces(VecDeque<Bytes>),
    Events(Box<EventStream>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Pieces(VecDeque::new())
    }
}

impl Body {
    pub(crate) fn pieces(pieces: Vec<Bytes>) -> Self {
        Self(Kind::Pieces(pieces.into()))
    }

    pub(crate) fn events(events: EventStream) -> Self {
        Self(Kind::Events(Box::new(events)))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::pieces(vec![bytes.into()])
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::pieces(vec![Bytes::from_static(text.as_bytes())])
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut self.0 {
            Kind::Pieces(pieces) => pieces.pop_front(),
            Kind::Events(events) => std::task::ready!(events.poll_next(cx)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Pieces(pieces) => SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum()),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}
