//! `Upload`: a stream a client feeds and a method reads. A bounded queue is between them; at its bound the connection is
//! not read.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use serde::de::DeserializeOwned;
use signalr_proto::{ErrorDetail, Payload};

use crate::error::HubError;

/// Items that the caller of a method sends while it runs; a parameter of [`Hub::upload_method`](crate::Hub::upload_method).
///
/// Ends with the client's last item, or when the method has ended. An item is an error, and the last one, if
/// the client ended its stream with an error (`HubException` with that text), if what it sent is no `T`
/// (`HubException: Failed to bind Stream message.`), or if the connection has ended (`OperationCanceledException`).
/// Dropping it while the method goes on throws away what still comes.
pub struct Upload<T>(Arc<Shared<T>>);

/// Tuples of uploads that a method takes: `(Upload<A>,)` … up to four.
pub trait FromUploads: Sized + Send + 'static {
    /// Number of its streams, which a call must match.
    const COUNT: usize;

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "only this crate opens uploads")]
    fn open(buffer: usize, sinks: &mut Vec<Box<dyn Sink>>) -> Self;
}

/// The connection's end of an upload. Dropped unended, it tells the reader that the connection has ended.
pub(crate) trait Sink: Send {
    /// Whether an item can be taken; if not, the task is woken when it can.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes an item of a message of so many bytes, for which there is room; `false`: it did not bind, and the stream has
    /// ended.
    fn push(&self, item: Payload<'_>, bytes: usize, detail: ErrorDetail) -> bool;

    /// Bytes of the messages whose items wait.
    fn bytes(&self) -> usize;

    /// Nothing follows but this error, if there is one.
    fn end(&self, error: Option<HubError>);
}

struct Shared<T> {
    buffer: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// With the bytes of their messages.
    items: VecDeque<(T, usize)>,
    phase: Phase,
    /// Of whoever waits for an item.
    reader: Option<Waker>,
    /// Of the connection's task, if it waits for room.
    connection: Option<Waker>,
}

enum Phase {
    Open,
    /// Nobody reads any more.
    Abandoned,
    /// With an error that the reader has not been given yet.
    Ended(Option<HubError>),
}

/// [`Sink`] for items of one type.
struct TypedSink<T>(Arc<Shared<T>>);

impl<T> Upload<T> {
    fn new(buffer: usize) -> Self {
        let state = State { items: VecDeque::new(), phase: Phase::Open, reader: None, connection: None };
        Self(Arc::new(Shared { buffer: buffer.max(1), state: Mutex::new(state) }))
    }
}

impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock();
        if let Some((item, _)) = state.items.pop_front() {
            let connection = state.connection.take();
            drop(state);
            connection.inspect(Waker::wake_by_ref);
            return Poll::Ready(Some(Ok(item)));
        }
        if let Phase::Ended(error) = &mut state.phase {
            return Poll::Ready(error.take().map(Err));
        }
        let old = state.reader.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T> Drop for Upload<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.phase = Phase::Abandoned;
        let (items, wakers) = (std::mem::take(&mut state.items), (state.reader.take(), state.connection.take()));
        drop(state);
        drop(items);
        wakers.1.inspect(Waker::wake_by_ref);
    }
}

impl<T: DeserializeOwned + Send + 'static> Sink for TypedSink<T> {
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.items.len() < self.0.buffer {
            return Poll::Ready(());
        }
        let old = state.connection.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    fn push(&self, item: Payload<'_>, bytes: usize, detail: ErrorDetail) -> bool {
        let item = match item.decode::<T>() {
            Ok(item) => item,
            Err(error) => {
                let mut text = "Failed to bind Stream message.".to_owned();
                if detail != ErrorDetail::Hidden {
                    text = format!("{text} InvalidDataException: {error}");
                }
                self.end(Some(HubError::new(text)));
                return false;
            }
        };
        let mut state = self.0.lock();
        if matches!(state.phase, Phase::Open) {
            state.items.push_back((item, bytes));
            let reader = state.reader.take();
            drop(state);
            reader.inspect(Waker::wake_by_ref);
        }
        true
    }

    fn bytes(&self) -> usize {
        self.0.lock().items.iter().map(|(_, bytes)| bytes).sum()
    }

    fn end(&self, error: Option<HubError>) {
        let mut state = self.0.lock();
        if let Phase::Open = state.phase {
            state.phase = Phase::Ended(error);
        }
        let reader = state.reader.take();
        drop(state);
        reader.inspect(Waker::wake_by_ref);
    }
}

impl<T> Drop for TypedSink<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let Phase::Open = state.phase {
            state.phase = Phase::Ended(Some(HubError::internal("OperationCanceledException", CONNECTION_CLOSED)));
        }
        let wakers = (state.reader.take(), state.connection.take());
        drop(state);
        wakers.0.inspect(Waker::wake_by_ref);
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Upload<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upload").field("waiting", &self.0.lock().items.len()).finish_non_exhaustive()
    }
}

macro_rules! uploads {
    ($(($count:literal $($name:ident)*))*) => {$(
        impl<$($name: DeserializeOwned + Send + 'static),*> FromUploads for ($(Upload<$name>,)*) {
            const COUNT: usize = $count;

            #[allow(private_interfaces, reason = "only this crate opens uploads")]
            fn open(buffer: usize, sinks: &mut Vec<Box<dyn Sink>>) -> Self {
                ($({
                    let upload = Upload::<$name>::new(buffer);
                    sinks.push(Box::new(TypedSink(upload.0.clone())));
                    upload
                },)*)
            }
        }
    )*};
}

uploads! {
    (1 A)
    (2 A B)
    (3 A B C)
    (4 A B C D)
}

/// Source: ASP.NET Core.
const CONNECTION_CLOSED: &str = "The underlying connection was closed.";
