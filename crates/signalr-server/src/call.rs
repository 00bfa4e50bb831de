//! From a registered method to a call under way, whatever its types are.

use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use signalr_proto::{Arguments, Encoding, FromArguments, Payload};

use crate::error::{CallError, HubError};
use crate::hub::Caller;

/// A call until it gives its slot back.
pub(crate) type CallFuture = BoxFuture<'static, Result<Admission, CallError>>;

/// The rest of a call that has given its slot back.
pub(crate) type RestFuture = BoxFuture<'static, Result<Completion, CallError>>;

/// What comes of the part of a call that holds a slot.
pub(crate) enum Admission {
    /// The call is over.
    Done(Completion),
    /// Later calls may begin; this one goes on.
    Admitted(RestFuture),
}

/// A result, as it stands in the completion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// A method without result.
    Nothing,
    /// A value in the connection's encoding.
    Value(Vec<u8>),
}

/// A method of a hub, its types erased.
pub(crate) trait Method: Send + Sync {
    /// Binds the arguments and begins the call.
    fn begin(&self, caller: Caller, arguments: Arguments<'_>, encoding: Encoding) -> Result<CallFuture, CallError>;
}

/// A method that holds its slot to the end.
pub(crate) struct Plain<F, A> {
    method: F,
    arguments: PhantomData<fn(A)>,
}

impl<F, A> Plain<F, A> {
    pub(crate) fn new(method: F) -> Self {
        Self { method, arguments: PhantomData }
    }
}

impl<A, R, F, Fut> Method for Plain<F, A>
where
    A: FromArguments + 'static,
    R: Serialize + Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, HubError>> + Send + 'static,
{
    fn begin(&self, caller: Caller, arguments: Arguments<'_>, encoding: Encoding) -> Result<CallFuture, CallError> {
        let call = (self.method)(caller, arguments.bind().map_err(CallError::Arguments)?);
        Ok(call.map(move |result| complete(result, encoding).map(Admission::Done)).boxed())
    }
}

/// A method that is admitted first and completed later.
pub(crate) struct Pipelined<F, A> {
    method: F,
    arguments: PhantomData<fn(A)>,
}

impl<F, A> Pipelined<F, A> {
    pub(crate) fn new(method: F) -> Self {
        Self { method, arguments: PhantomData }
    }
}

impl<A, R, F, Fut, Rest> Method for Pipelined<F, A>
where
    A: FromArguments + 'static,
    R: Serialize + Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Rest, HubError>> + Send + 'static,
    Rest: Future<Output = Result<R, HubError>> + Send + 'static,
{
    fn begin(&self, caller: Caller, arguments: Arguments<'_>, encoding: Encoding) -> Result<CallFuture, CallError> {
        let admission = (self.method)(caller, arguments.bind().map_err(CallError::Arguments)?);
        let admitted = move |admitted: Result<Rest, HubError>| match admitted {
            Ok(rest) => Ok(Admission::Admitted(rest.map(move |result| complete(result, encoding)).boxed())),
            Err(error) => Err(CallError::Method(error)),
        };
        Ok(admission.map(admitted).boxed())
    }
}

fn complete<R: Serialize + 'static>(result: Result<R, HubError>, encoding: Encoding) -> Result<Completion, CallError> {
    let result = result.map_err(CallError::Method)?;
    if size_of::<R>() == 0 {
        return Ok(Completion::Nothing);
    }
    encoding.encode_value(&result).map(Completion::Value).map_err(CallError::Result)
}

impl Completion {
    /// The value that stands in the completion, for a connection of this encoding.
    pub(crate) fn payload(&self, encoding: Encoding) -> Payload<'_> {
        match self {
            Self::Nothing => Payload::null(encoding),
            Self::Value(bytes) => encoding.payload(bytes).expect("JSON is written as UTF-8"),
        }
    }
}
