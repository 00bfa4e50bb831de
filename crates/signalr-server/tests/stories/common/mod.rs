//! What the stories share: a server on every kind of connection, a raw client, and ways to wait.

mod client;
mod http;
mod http2;
mod lobby;
mod server;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, End, HANDSHAKE, call, frame};
pub(crate) use http::{ACCEPT_EVENTS, Answer, Events, Http1, upgrade_request};
pub(crate) use http2::Http2;
pub(crate) use lobby::Lobby;
pub(crate) use server::{BoxedIo, Server, Wire, serve_http};

/// Runs each of these stories over every [`Wire`] of websockets.
macro_rules! on_every_wire {
    ($($story:ident),* $(,)?) => {
        mod by_itself { $(#[tokio::test] async fn $story() { super::$story(crate::common::Wire::Own).await })* }
        mod embedded { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
            super::$story(crate::common::Wire::Hyper).await
        })* }
        mod in_memory { $(#[tokio::test] async fn $story() { super::$story(crate::common::Wire::Duplex).await })* }
        mod over_http2 { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
            super::$story(crate::common::Wire::Http2).await
        })* }
    };
}
pub(crate) use on_every_wire;

/// Runs each of these stories over every [`Wire`] there is.
macro_rules! on_every_transport {
    ($($story:ident),* $(,)?) => {
        mod on_every_transport {
            $(use super::$story;)*
            crate::common::on_every_wire!($($story),*);
            mod by_events { $(#[tokio::test] async fn $story() { super::$story(crate::common::Wire::Events).await })* }
            mod by_polls { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
                super::$story(crate::common::Wire::Polls).await
            })* }
        }
    };
}
pub(crate) use on_every_transport;

/// For a machine that has much else to do: nothing waits that long unless it would wait for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits what must come.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited for {what} in vain"),
    }
}

/// Waits until a condition holds that nobody announces.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Two texts of the same error, by what is told of it: only what is for everybody, or all.
pub(crate) const DETAILS: [(signalr_server::ErrorDetail, bool); 2] =
    [(signalr_server::ErrorDetail::Hidden, false), (signalr_server::ErrorDetail::All, true)];

pub(crate) fn with_details(detail: signalr_server::ErrorDetail) -> signalr_server::Options {
    let mut options = signalr_server::Options::default();
    options.protocol.error_detail = detail;
    options
}
