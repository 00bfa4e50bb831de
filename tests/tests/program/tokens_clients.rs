//! The official JavaScript client with tokens, in the versions of Quix's pages and the newest.

use std::time::Duration;

use e2e::node;

use crate::bearer::{ending_in, guarded, token};

#[tokio::test(flavor = "multi_thread")]
async fn trap_9_signalr_js_brings_its_token_in_query_and_header_and_comes_back_when_it_has_ended() {
    let program = guarded("").await;
    let scope = "read:* write:* create_topics";
    let good = token("ann", scope);
    let refused = format!("{}x", &good[..good.len() - 1]);
    for client in ["signalr-3", "signalr-6", "signalr-8", "signalr-newest"] {
        let short = ending_in("ann", scope, Duration::from_secs(20));
        let arguments = ["--client", client, "--token", &good, "--refused", &refused, "--short", &short];
        node::run("tokens.mjs", &program.url, &arguments).await;
    }
}
