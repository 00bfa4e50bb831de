//! Asking a client for a result: what is awaited from one connection, why it may fail, and how a call is known to wait
//! for it.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use serde::Serialize;
use serde::de::DeserializeOwned;
use signalr_proto::Outcome;
use tokio::sync::oneshot;

use crate::clock;
use crate::connection::ConnectionHandle;
use crate::error::{HubError, SendError};
use crate::frame::FrameBuilder;
use crate::ids::ConnectionId;
use crate::metrics::Counted;
use crate::outbox::Pushed;
use crate::service::Shared;

/// Why a client gave no result. The texts are those of ASP.NET Core where it has the case.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is no such connection, or no longer.
    #[error("Connection '{0}' does not exist.")]
    NotFound(ConnectionId),
    /// The connection ended before the answer came.
    #[error("Connection '{0}' disconnected.")]
    Disconnected(ConnectionId),
    /// The server ended meanwhile.
    #[error("Invocation canceled by the server.")]
    Canceled,
    /// The client's handler failed with this text, or there was none.
    #[error("{0}")]
    Client(String),
    /// The client completed the call without a result.
    #[error("The client completed the invocation without a result.")]
    NoResult,
    /// The result is of another type than was asked for.
    #[error("Error trying to deserialize result to {expected}. {detail}")]
    Type {
        /// Short name of the type asked for.
        expected: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// [`Options::max_pending_client_results`](crate::Options::max_pending_client_results) are awaited already.
    #[error("Too many results are awaited from connection '{0}'.")]
    TooMany(ConnectionId),
    /// The handler for new connections waits for a client, whose messages are read after it only.
    #[error("Client results inside the connected handler are not allowed.")]
    InConnectedHandler,
    /// The arguments could not be written down.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<InvokeError> for HubError {
    /// What the client said is told to the caller, all else only with detailed errors.
    fn from(error: InvokeError) -> Self {
        let text = error.to_string();
        match error {
            InvokeError::Client(_) | InvokeError::NoResult | InvokeError::Canceled | InvokeError::Type { .. } => {
                Self::new(text)
            }
            InvokeError::NotFound(_) | InvokeError::Disconnected(_) => Self::internal("IOException", text),
            InvokeError::TooMany(_) | InvokeError::InConnectedHandler => {
                Self::internal("InvalidOperationException", text)
            }
            InvokeError::Send(error) => error.into(),
        }
    }
}

/// Takes the one answer to one question.
pub(crate) type Waiter = Box<dyn FnOnce(Result<Outcome<'_>, InvokeError>) + Send>;

/// What one connection was asked and has not answered.
#[derive(Default)]
pub(crate) struct Asked {
    last: u64,
    waiting: HashMap<u64, Waiter>,
}

impl Asked {
    pub(crate) fn add(&mut self, waiter: Waiter, limit: usize) -> Result<u64, Waiter> {
        if self.waiting.len() >= limit {
            return Err(waiter);
        }
        self.last += 1;
        self.waiting.insert(self.last, waiter);
        Ok(self.last)
    }

    pub(crate) fn take(&mut self, number: u64) -> Option<Waiter> {
        self.waiting.remove(&number)
    }

    /// By the id on the wire, exactly as it was sent.
    pub(crate) fn take_by_id(&mut self, id: &str) -> Option<Waiter> {
        let number = id.strip_prefix(PREFIX)?.parse().ok()?;
        if id == wire_id(number) { self.take(number) } else { None }
    }

    pub(crate) fn take_all(self) -> impl Iterator<Item = Waiter> {
        self.waiting.into_values()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Asked").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Asks and awaits the answer. Dropped before, it ignores what the client may still say.
pub(crate) async fn ask<R: DeserializeOwned + Send + 'static>(
    server: &Arc<Shared>,
    handle: &ConnectionHandle,
    target: &str,
    arguments: &(impl Serialize + ?Sized),
) -> Result<R, InvokeError> {
    if PLACE.get() == Place::ConnectedHandler {
        return Err(InvokeError::InConnectedHandler);
    }
    let encoding = handle.encoding().ok_or(InvokeError::NotFound(handle.id()))?;
    let (sender, mut receiver) = oneshot::channel();
    let waiter: Waiter = Box::new(move |answer| {
        // Whoever asked may have stopped waiting.
        let _ = sender.send(answer.and_then(result::<R>));
    });
    let number = handle.await_answer(waiter, server.options.max_pending_client_results).inspect_err(|error| {
        if let InvokeError::TooMany(_) = error {
            server.metrics.limit_hit("pending_client_results");
        }
    })?;
    let _pending = Pending { handle, number, _counted: Counted::by(&server.metrics.client_results) };
    let mut builder = FrameBuilder::new(encoding);
    builder.question(&wire_id(number), target, arguments)?;
    if handle.push(&builder.finish(), clock::now()) == Pushed::Ended {
        return Err(InvokeError::Disconnected(handle.id()));
    }
    std::future::poll_fn(|cx| {
        let answer = std::pin::Pin::new(&mut receiver).poll(cx);
        if answer.is_pending() && PLACE.get() == Place::Call {
            PLACE.set(Place::WaitingCall);
        }
        answer.map(|answer| answer.unwrap_or(Err(InvokeError::Canceled)))
    })
    .await
}

fn result<R: DeserializeOwned>(outcome: Outcome<'_>) -> Result<R, InvokeError> {
    match outcome {
        Outcome::Result(value) => {
            value.decode().map_err(|error| InvokeError::Type { expected: type_name::<R>(), detail: error.to_string() })
        }
        Outcome::Error(text) => Err(InvokeError::Client(text.into_owned())),
        Outcome::Void => Err(InvokeError::NoResult),
    }
}

/// An answer that is awaited.
struct Pending<'a> {
    handle: &'a ConnectionHandle,
    number: u64,
    _counted: Counted,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.handle.forget_answer(self.number);
    }
}

/// What runs on this thread just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Elsewhere,
    ConnectedHandler,
    Call,
    /// A call that has asked a client and waits for it.
    WaitingCall,
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Elsewhere) };
}

/// Polls a call, and tells whether it waits for a client.
pub(crate) fn poll_in<T>(place: Place, poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, bool) {
    struct Restore(Place);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLACE.set(self.0);
        }
    }
    let _restore = Restore(PLACE.replace(place));
    let polled = poll();
    (polled, PLACE.get() == Place::WaitingCall)
}

/// Keeps clear of the ids that clients choose for their streams.
const PREFIX: char = 's';

fn wire_id(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// How a type is called in errors: by its name in .NET where it has one, as clients' users know it.
fn type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    match name {
        "bool" => "Boolean",
        "i8" => "SByte",
        "u8" => "Byte",
        "i16" => "Int16",
        "u16" => "UInt16",
        "i32" => "Int32",
        "u32" => "UInt32",
        "i64" => "Int64",
        "u64" => "UInt64",
        "f32" => "Single",
        "f64" => "Double",
        _ => {
            let path = name.split('<').next().unwrap_or(name);
            path.rsplit("::").next().unwrap_or(path)
        }
    }
}
