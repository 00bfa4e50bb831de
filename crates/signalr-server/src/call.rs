//! From a registered method to a call under way, whatever its types are.

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use serde::Serialize;
use signalr_proto::{Arguments, Encoding, FromArguments, Payload};

use crate::error::{CallError, HubError};
use crate::hub::Caller;
use crate::streams::{ItemStream, Items};
use crate::uploads::{FromUploads, Sink};

/// A call until it gives its slot back, or from there on: what comes after `Admission::Admitted` ends in `Done`.
pub(crate) type CallFuture = BoxFuture<'static, Result<Admission, CallError>>;

/// What comes of the part of a call that holds a slot.
pub(crate) enum Admission {
    /// The call is over.
    Done(Completion),
    /// The same, and this is dropped when the completion is on its way.
    Held(Completion, Guard),
    /// Later calls may begin; this one goes on.
    Admitted(CallFuture),
}

/// Dropped when the completion it came with is on its way.
pub(crate) type Guard = Box<dyn Send>;

/// A result, as it stands in the completion.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// A method without result.
    Nothing,
    /// A value in the connection's encoding.
    Value(Vec<u8>),
}

/// A method of a hub, its types erased: binds the arguments and begins the call.
pub(crate) type Begin = Box<dyn Fn(Given<'_>) -> Result<Begun, CallError> + Send + Sync>;

/// What a method is called with.
pub(crate) struct Given<'a> {
    pub(crate) caller: Caller,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) encoding: Encoding,
    /// Items of one upload that may wait.
    pub(crate) upload_buffer: usize,
}

/// A call that has begun.
pub(crate) struct Begun {
    pub(crate) work: Work,
    /// Where the items of its uploads go, in the order of its stream parameters.
    pub(crate) sinks: Vec<Box<dyn Sink>>,
}

pub(crate) enum Work {
    Call(CallFuture),
    /// The same, of a method that admits it first.
    Pipelined(CallFuture),
    Stream(Box<dyn ItemStream>),
}

/// A method that holds its slot to the end.
pub(crate) fn plain<A, R, F, Fut>(method: F) -> Begin
where
    A: FromArguments + 'static,
    R: Serialize + Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let encoding = given.encoding;
        let call = method(given.caller, bind(given.arguments)?);
        Ok(Work::Call(done(call, encoding)).into())
    })
}

/// A method that holds something until its completion is on its way.
pub(crate) fn holding<A, R, G, F, Fut>(method: F) -> Begin
where
    A: FromArguments + 'static,
    R: Serialize + Send + 'static,
    G: Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(R, G), HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let encoding = given.encoding;
        let call = method(given.caller, bind(given.arguments)?);
        let held = move |result: Result<(R, G), HubError>| {
            let (result, guard) = result.map_err(CallError::Method)?;
            Ok(Admission::Held(complete(Ok(result), encoding)?, Box::new(guard)))
        };
        Ok(Work::Call(call.map(held).boxed()).into())
    })
}

/// A method that is admitted first and completed later.
pub(crate) fn pipelined<A, R, F, Fut, Rest>(method: F) -> Begin
where
    A: FromArguments + 'static,
    R: Serialize + Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Rest, HubError>> + Send + 'static,
    Rest: Future<Output = Result<R, HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let encoding = given.encoding;
        let admission = method(given.caller, bind(given.arguments)?);
        let admitted = move |admitted: Result<Rest, HubError>| match admitted {
            Ok(rest) => Ok(Admission::Admitted(done(rest, encoding))),
            Err(error) => Err(CallError::Method(error)),
        };
        Ok(Work::Pipelined(admission.map(admitted).boxed()).into())
    })
}

/// A method that answers with a stream.
pub(crate) fn streaming<A, T, S, F, Fut>(method: F) -> Begin
where
    A: FromArguments + 'static,
    T: Serialize + 'static,
    S: Stream<Item = Result<T, HubError>> + Send + 'static,
    F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let stream = method(given.caller, bind(given.arguments)?);
        Ok(Work::Stream(Box::new(Items::new(stream))).into())
    })
}

/// A method that reads streams of its caller.
pub(crate) fn uploading<A, U, R, F, Fut>(method: F) -> Begin
where
    A: FromArguments + 'static,
    U: FromUploads,
    R: Serialize + Send + 'static,
    F: Fn(Caller, A, U) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let (encoding, mut sinks) = (given.encoding, Vec::new());
        let arguments = bind(given.arguments)?;
        let call = method(given.caller, arguments, U::open(given.upload_buffer, &mut sinks));
        Ok(Begun { work: Work::Call(done(call, encoding)), sinks })
    })
}

/// A method that does both.
pub(crate) fn upload_streaming<A, U, T, S, F, Fut>(method: F) -> Begin
where
    A: FromArguments + 'static,
    U: FromUploads,
    T: Serialize + 'static,
    S: Stream<Item = Result<T, HubError>> + Send + 'static,
    F: Fn(Caller, A, U) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<S, HubError>> + Send + 'static,
{
    Box::new(move |given| {
        let mut sinks = Vec::new();
        let arguments = bind(given.arguments)?;
        let stream = method(given.caller, arguments, U::open(given.upload_buffer, &mut sinks));
        Ok(Begun { work: Work::Stream(Box::new(Items::new(stream))), sinks })
    })
}

fn bind<A: FromArguments>(arguments: Arguments<'_>) -> Result<A, CallError> {
    arguments.bind().map_err(CallError::Arguments)
}

/// The last part of a call, up to its result in the connection's encoding.
fn done<R, Fut>(call: Fut, encoding: Encoding) -> CallFuture
where
    R: Serialize + 'static,
    Fut: Future<Output = Result<R, HubError>> + Send + 'static,
{
    call.map(move |result| complete(result, encoding).map(Admission::Done)).boxed()
}

fn complete<R: Serialize + 'static>(result: Result<R, HubError>, encoding: Encoding) -> Result<Completion, CallError> {
    let result = result.map_err(CallError::Method)?;
    if size_of::<R>() == 0 {
        return Ok(Completion::Nothing);
    }
    encoding.encode_value(&result).map(Completion::Value).map_err(CallError::Result)
}

impl From<Work> for Begun {
    fn from(work: Work) -> Self {
        Self { work, sinks: Vec::new() }
    }
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
