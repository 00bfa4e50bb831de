//! `/testhub`: the methods that the functional tests of Microsoft's clients call.

use std::future;

use futures::{FutureExt, Stream, TryStreamExt, stream};
use signalr_server::{Caller, Client, Hub, HubError, Upload};

use crate::any_case::AnyCase;
use crate::request_context::FirstRequest;
use crate::values::{ComplexObject, CustomObject};

pub(crate) fn hub() -> Hub {
    let hub = Hub::new().context(FirstRequest::keep);
    requests(streams(calls(hub)))
}

pub(crate) fn echo(_: Caller, (text,): (Option<String>,)) -> impl Future<Output = Result<Option<String>, HubError>> {
    future::ready(Ok(text))
}

fn calls(hub: Hub) -> Hub {
    hub.method("Echo", echo)
        .method("ThrowException", |_: Caller, (text,): (String,)| async move { Err::<(), _>(failure(text)) })
        .method("InvokeWithString", |caller: Caller, (text,): (String,)| async move {
            Ok(caller.itself().send("Message", &(text,)).await?)
        })
        .method("SendCustomObject", |caller: Caller, (AnyCase(object),): (AnyCase<CustomObject>,)| async move {
            Ok(caller.itself().send("CustomObject", &(object,)).await?)
        })
        .method("SendComplexObject", |_: Caller, (): ()| async { Ok(ComplexObject::example()) })
        .method("EchoComplexObject", |_: Caller, (AnyCase(object),): (AnyCase<ComplexObject>,)| async { Ok(object) })
}

fn streams(hub: Hub) -> Hub {
    hub.stream_method("Stream", |_: Caller, (): ()| async { Ok(stream::iter(["a", "b", "c"].map(Ok::<_, HubError>))) })
        .stream_method("EmptyStream", |_: Caller, (): ()| async { Ok(stream::empty::<Result<(), HubError>>()) })
        .stream_method("InfiniteStream", |caller: Caller, (): ()| async move { Ok(until_cancelled(caller)) })
        .stream_method("StreamThrowException", |_: Caller, (text,): (String,)| async move {
            Err::<stream::Empty<Result<(), HubError>>, _>(failure(text))
        })
        .upload_method("StreamingConcat", |_: Caller, (): (), (texts,): (Upload<String>,)| {
            texts.try_collect::<String>()
        })
}

/// What the connection and its first request are.
fn requests(hub: Hub) -> Hub {
    hub.method("GetCallerConnectionId", |caller: Caller, (): ()| async move { Ok(caller.connection_id()) })
        .method("GetActiveTransportName", |caller: Caller, (): ()| async move { Ok(caller.transport().name()) })
        .method("GetNumRedirects", |caller: Caller, (): ()| async move {
            let number = FirstRequest::of(&caller).and_then(|request| request.query("numRedirects"));
            let number = number.and_then(|number| number.parse::<i32>().ok());
            number.ok_or_else(|| failure("There is no number of redirects."))
        })
        .method("GetContentTypeHeader", |caller: Caller, (): ()| async move { Ok(header(&caller, "content-type")) })
        .method("GetHeader", |caller: Caller, (name,): (String,)| async move { Ok(header(&caller, &name)) })
        .method("GetCookie", |caller: Caller, (name,): (String,)| async move {
            let cookie = FirstRequest::of(&caller).and_then(|request| request.cookie(&name));
            Ok(cookie.map(str::to_owned))
        })
}

fn header(caller: &Caller, name: &str) -> Option<String> {
    FirstRequest::of(caller)?.header(name)
}

fn failure(text: impl Into<String>) -> HubError {
    HubError::internal("InvalidOperationException", text)
}

/// A stream without items that tells its caller when it is dropped.
fn until_cancelled(caller: Caller) -> impl Stream<Item = Result<(), HubError>> {
    let cancelled = Cancelled(Some(caller.itself()));
    stream::once(async move {
        let _cancelled = cancelled;
        future::pending().await
    })
}

struct Cancelled(Option<Client>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        // Sending to one client never waits; and it comes before the completion.
        let client = self.0.take();
        let _ = client.and_then(|client| client.send("StreamCanceled", &()).now_or_never());
    }
}
