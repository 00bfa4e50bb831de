//! A hub with every kind of method, and turns of its tasks: nothing here waits for a socket or another thread.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response};
use signalr_server::value::AnyValue;
use signalr_server::{Body, Caller, ErrorDetail, Hub, HubError, HubServer, Options, Upload};
use tokio::runtime::{Builder, Runtime};

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// With bounds that few bytes can reach.
pub fn server() -> HubServer {
    let mut options = Options {
        stateful_reconnect: true,
        max_calls_in_flight: 3,
        max_bytes_in_flight: 300,
        max_streams: 2,
        max_upload_streams: 2,
        upload_stream_buffer: 2,
        max_pending_client_results: 2,
        max_queued_bytes: 64 * 1024,
        max_queued_frames: 256,
        max_total_input_bytes: 2_000,
        max_frame_bytes: 2_000,
        max_control_frame_burst: 10,
        drain_calls_timeout: Duration::ZERO,
        drain_spread: Duration::ZERO,
        ..Options::default()
    };
    options.protocol.max_message_bytes = 1_000;
    // Whoever leaves unread requests behind an event stream is found gone by a ping, or by never shaking hands.
    options.protocol.handshake_timeout = Duration::from_millis(50);
    options.protocol.keep_alive_interval = Duration::from_millis(5);
    options.protocol.error_detail = ErrorDetail::All;
    HubServer::new("/hub", hub(), options)
}

fn hub() -> Hub {
    Hub::new()
        .on_connected(|caller| async move { caller.groups().add(caller.connection_id(), "g") })
        .on_disconnected(|caller, _| async move { drop(caller.clients().group("g").send("left", &()).await) })
        .method("e", |_: Caller, (value,): (AnyValue,)| async move { Ok(value) })
        .method("n", |_: Caller, (a, b, c): (i64, f64, Option<String>)| async move { Ok((c, b, a)) })
        .method("f", |_: Caller, (text,): (String,)| async move { Err::<(), _>(HubError::new(text)) })
        .method("w", |_: Caller, (turns,): (u8,)| async move {
            pass(turns.into()).await;
            Ok(())
        })
        .method("t", |caller: Caller, (value,): (AnyValue,)| async move {
            caller.clients().all().send("told", &(value,)).await?;
            Ok(())
        })
        .method("a", |caller: Caller, (value,): (AnyValue,)| async move {
            caller
                .itself()
                .invoke::<AnyValue>("asked", &(value,))
                .await
                .map_err(|error| HubError::new(error.to_string()))
        })
        .pipelined_method("p", |_: Caller, (turns,): (u8,)| async move {
            Ok(async move {
                pass(turns.into()).await;
                Ok(turns)
            })
        })
        .stream_method("s", |_: Caller, (to,): (u8,)| async move { Ok(stream::iter(0..to).map(Ok::<_, HubError>)) })
        .stream_method("z", |_: Caller, (): ()| async move { Ok(stream::repeat(0).map(Ok::<_, HubError>)) })
        .upload_method("u", |_: Caller, (): (), (mut items,): (Upload<AnyValue>,)| async move {
            let mut count = 0;
            while let Some(item) = items.next().await {
                item?;
                count += 1;
            }
            Ok(count)
        })
        .upload_stream_method("b", |_: Caller, (_,): (u8,), (one, other): (Upload<AnyValue>, Upload<i8>)| async move {
            Ok(stream::select(one.map(|item| item.map(|_| 0)), other.map(|item| item.map(i32::from))))
        })
}

/// Lets others have so many turns.
pub async fn pass(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Waits for a condition that must come soon.
pub async fn turns_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(4), "in vain: {what}");
        tokio::task::yield_now().await;
    }
}

pub async fn ask(server: &HubServer, method: Method, path: &str, accept: &str, body: &[u8]) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).header("accept", accept);
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
    server.answer(request).await
}

/// Path of a connection that was negotiated.
pub async fn negotiate(server: &HubServer, stateful: bool) -> String {
    let path = format!("/hub/negotiate?negotiateVersion=1&useStatefulReconnect={stateful}");
    let answer = ask(server, Method::POST, &path, "*/*", b"").await;
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let document: serde_json::Value = serde_json::from_slice(&body).expect("a document");
    format!("/hub?id={}", document["connectionToken"].as_str().expect("a token"))
}
