//! Floods of connections and of negotiations: refused politely, and over when the flood is.

use e2e::client::{ConnectError, HubClient};
use e2e::program::Program;
use e2e::wait::until;
use reqwest::{Client, Response};
use serde_json::Value;

use crate::process::{limit_hits, settled, total};
use crate::raw::{Raw, exchange, status, upgrade};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_negotiations_is_refused_until_some_are_used() {
    let program = Program::serve_with_settings("[limits]\nnegotiated = 20\n", &["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let http = Client::new();
    let mut tokens = Vec::new();
    let refused = loop {
        let answer = negotiate(&http, &program).await;
        if answer.status() != 200 {
            break answer;
        }
        let document: Value = answer.json().await.unwrap();
        tokens.push(document["connectionToken"].as_str().unwrap().to_owned());
    };
    assert_eq!(tokens.len(), 20);
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    for _ in 0..500 {
        assert_eq!(negotiate(&http, &program).await.status(), 503);
    }
    assert_eq!(limit_hits(&program.management(), "negotiated").await, 501.0);
    assert_eq!(total(&program.management(), "streamgate_negotiated_connections").await, 20.0);
    // Room again, one for one.
    let mut used = Raw::connect(program.address()).await;
    used.send(upgrade(program.address(), &format!("/hub?id={}", tokens[0]), "").as_bytes()).await.unwrap();
    assert_eq!(status(&used.read_past(b"\r\n\r\n").await), 101);
    assert_eq!(negotiate(&http, &program).await.status(), 200);
    assert_eq!(negotiate(&http, &program).await.status(), 503);
    // A token opens one connection, and another's is no token.
    for (id, expected) in
        [(tokens[0].as_str(), 409), ("AAAAAAAAAAAAAAAAAAAAAA", 404), ("%00", 404), ("", 404), ("é", 404)]
    {
        let request = upgrade(program.address(), &format!("/hub?id={id}"), "connection: close\r\n");
        let answer = exchange(program.address(), request.as_bytes()).await;
        assert!([expected, 400].contains(&status(&answer)), "{id}: {answer}");
    }
    drop(used);
    settled(&program, 2).await;
    witness.finish().await;
}

async fn negotiate(http: &Client, program: &Program) -> Response {
    let url = format!("{}/hub/negotiate?negotiateVersion=1", program.url);
    http.post(url).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_is_refused_and_room_comes_back() {
    let program = Program::serve_with_settings("[limits]\nconnections = 10\n", &["--memory"]).await;
    let address = program.address();
    let witness = Witness::start(&program.url).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Raw::hub(address).await);
    }
    let refused =
        exchange(address, upgrade(address, "/hub", "").replace("Upgrade\r\n", "Upgrade, close\r\n").as_bytes()).await;
    assert_eq!(status(&refused), 503, "{refused}");
    assert!(refused.to_lowercase().contains("retry-after: 5"), "{refused}");
    let hub = format!("{}/hub", program.url);
    let refused = HubClient::connect(&hub).await;
    assert!(matches!(refused, Err(ConnectError::Upgrade { status: 503, .. })), "{refused:?}");
    // Far past it nobody is answered any more.
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(Raw::connect(address).await);
    }
    until("some are closed unread", async || limit_hits(&program.management(), "connections").await > 30.0).await;
    drop(idle);
    open.into_iter().for_each(Raw::reset);
    settled(&program, 2).await;
    until("there is room", async || HubClient::connect(&hub).await.is_ok()).await;
    witness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_and_goes_in_the_middle_of_things_leaves_nothing() {
    let program = Program::serve(&["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let request = upgrade(program.address(), "/hub", "");
    for round in 0..300 {
        let mut raw = Raw::connect(program.address()).await;
        // Cut anywhere; in the end after some of the answer was read.
        let cut = (round * 7) % request.len();
        raw.send(&request.as_bytes()[..cut]).await.unwrap();
        if round % 3 == 0 {
            raw.send(&request.as_bytes()[cut..]).await.unwrap();
        }
        if round % 2 == 0 { raw.reset() } else { drop(raw) }
    }
    settled(&program, 2).await;
    witness.finish().await;
}
