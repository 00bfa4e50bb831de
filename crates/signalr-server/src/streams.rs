//! What a streaming method answers with, its types erased: items written straight into the output.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use serde::Serialize;
use signalr_proto::Encoding;

use crate::error::{CallError, HubError};

/// A stream of items that write themselves down.
pub(crate) trait ItemStream: Send {
    /// Appends the next item as a message to `out`; `None` at the end. Not to be polled after an error or the end.
    fn poll_item(
        &mut self,
        invocation_id: &str,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Option<Result<(), CallError>>>;
}

/// A stream that its method may still be making.
pub(crate) enum Items<S> {
    Opening(BoxFuture<'static, Result<S, HubError>>),
    Running(Pin<Box<S>>),
}

impl<S> Items<S> {
    pub(crate) fn new(opening: impl Future<Output = Result<S, HubError>> + Send + 'static) -> Self {
        Self::Opening(opening.boxed())
    }
}

impl<T, S> ItemStream for Items<S>
where
    T: Serialize,
    S: Stream<Item = Result<T, HubError>> + Send,
{
    fn poll_item(
        &mut self,
        invocation_id: &str,
        encoding: Encoding,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Option<Result<(), CallError>>> {
        let stream = match self {
            Self::Running(stream) => stream,
            Self::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                Ok(stream) => {
                    *self = Self::Running(Box::pin(stream));
                    return self.poll_item(invocation_id, encoding, cx, out);
                }
                Err(error) => return Poll::Ready(Some(Err(CallError::Method(error)))),
            },
        };
        let item = match ready!(stream.as_mut().poll_next(cx)) {
            None => return Poll::Ready(None),
            Some(item) => item.map_err(CallError::Streaming),
        };
        Poll::Ready(Some(item.and_then(|item| {
            let written = encoding.encode_stream_item(invocation_id, &item, out);
            written
                .map_err(|error| CallError::Streaming(HubError::internal("SerializationException", error.to_string())))
        })))
    }
}
