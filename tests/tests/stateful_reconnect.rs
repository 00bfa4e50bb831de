//! Stateful reconnect by the official client: its websocket is cut twenty times and more, at random, during 10,000 messages
//! each way, and nothing is lost, doubled or reordered, nor does either side notice.

use e2e::conformance::ConformanceServer;
use e2e::{node, report, seed};

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_client_outlives_cuts_in_json() {
    exchange(&["--protocol", "json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_client_outlives_cuts_in_messagepack() {
    exchange(&["--protocol", "messagepack"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_outlives_cuts_in_json() {
    exchange(&["--browser", "--protocol", "json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_outlives_cuts_in_messagepack() {
    exchange(&["--browser", "--protocol", "messagepack"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_8_outlives_cuts() {
    exchange(&["--client", "8"]).await;
}

/// The story is that of `signalr-matrix/exchange.mjs`, which checks it.
async fn exchange(arguments: &[&str]) {
    let server = ConformanceServer::start().await;
    let seed = seed::seed().to_string();
    let story = [&["--seed", &seed], arguments].concat();
    let seen = node::run("../signalr-matrix/stateful.mjs", &server.url, &story).await;
    let name = arguments.join(" ");
    let file = format!("stateful {name}.txt").replace("--", "").replace(' ', "-");
    report::show(&file, &format!("stateful reconnect, {name}, seed {seed}: {seen}"));
    assert_eq!(server.terminate().await, Some(0), "the server ends when told");
}
