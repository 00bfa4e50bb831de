//! Requests before a connection: negotiation, upgrades, statuses and texts, origins.

use std::time::Duration;

use serde_json::json;
use signalr_server::cors::AllowedOrigins;
use signalr_server::{Caller, Hub, Options, Transport};

use crate::common::{Answer, Client, End, Server, Wire, on_every_wire, until, upgrade_request};

on_every_wire!(
    a_negotiated_connection_opens_once_and_has_the_id_it_was_told,
    negotiation_may_be_skipped,
    a_websocket_takes_no_requests_of_other_transports,
);

async fn a_negotiated_connection_opens_once_and_has_the_id_it_was_told(wire: Wire) {
    let server = Server::start_with(wire, whoami(), Options::default()).await;
    let (id, token) = server.negotiate().await;
    assert_ne!(id, token);
    assert_eq!((id.len(), token.len()), (22, 22));

    let path = format!("/hub?id={token}");
    let mut client = Client::upgrade(server.dial().await, &path).await;
    client.shake_hands().await;
    assert_eq!(client.invoke("WhoAmI", json!([])).await, Ok(json!(id)));

    let again = upgrade(&server, &path).await;
    assert_eq!((again.status, again.body.as_str()), (409, ""));
    let by_public_id = upgrade(&server, &format!("/hub?id={id}")).await;
    assert_unknown(&by_public_id);

    client.send(&json!({"type": 7})).await;
    assert_eq!(client.closed().await.1, End::Close(Some(1000)));
    drop(client);
    until("the token is forgotten", || server.metric("connections") == 0).await;
    assert_unknown(&upgrade(&server, &path).await);
}

async fn negotiation_may_be_skipped(wire: Wire) {
    let server = Server::start_with(wire, whoami(), Options::default()).await;
    let mut client = server.connect().await;
    let id = client.invoke("WhoAmI", json!([])).await.unwrap();
    assert_eq!(id.as_str().unwrap().len(), 22);
}

async fn a_websocket_takes_no_requests_of_other_transports(wire: Wire) {
    let server = Server::start_with(wire, whoami(), Options::default()).await;
    let (_, token) = server.negotiate().await;
    let path = format!("/hub?id={token}");
    let mut client = Client::upgrade(server.dial().await, &path).await;
    client.shake_hands().await;
    let rows = [
        ("POST", 405, "POST requests are not allowed for WebSocket connections."),
        ("DELETE", 400, "Cannot terminate this connection using the DELETE endpoint."),
        ("GET", 400, "Cannot change transports mid-connection"),
        ("PUT", 405, ""),
    ];
    for (method, status, text) in rows {
        let answer = server.http(&format!("{method} {path}"), &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{method}");
    }
    assert!(client.invoke("WhoAmI", json!([])).await.is_ok());
}

#[tokio::test]
async fn negotiation_agrees_on_a_version() {
    let server = Server::start(Hub::new()).await;
    let rows = [
        ("", 0),
        ("?negotiateVersion=0", 0),
        ("?negotiateVersion=1", 1),
        ("?NEGOTIATEVERSION=1", 1),
        ("?x=y&negotiateVersion=7&negotiateVersion=0", 1),
    ];
    for (query, version) in rows {
        let answer = server.http(&format!("POST /hub/negotiate{query}"), &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let document = answer.json();
        assert_eq!(document["negotiateVersion"], version, "{query}");
        assert_eq!(document.get("connectionToken").is_some(), version == 1, "{query}");
        assert_eq!(
            document["availableTransports"],
            json!([
                {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
                {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
                {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
            ])
        );
        assert!(document.get("useStatefulReconnect").is_none());
        assert!(document.get("ProtocolVersion").is_none());
    }
}

#[tokio::test]
async fn the_id_of_version_0_is_the_token_too() {
    let server = Server::start(whoami()).await;
    let document = server.http("POST /hub/negotiate", &[]).await.json();
    let id = document["connectionId"].as_str().unwrap();
    let mut client = Client::upgrade(server.dial().await, &format!("/hub?id={id}")).await;
    client.shake_hands().await;
    assert_eq!(client.invoke("WhoAmI", json!([])).await, Ok(json!(id)));
}

#[tokio::test]
async fn a_version_that_is_none_is_refused_with_status_200() {
    let options = Options { minimum_negotiate_version: 1, ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let rows = [
        ("?negotiateVersion=one", "The client requested a non-integer protocol version."),
        ("?negotiateVersion=", "The client requested a non-integer protocol version."),
        ("?negotiateVersion=0", "The client requested version '0', but the server does not support this version."),
        ("", "The client requested version '0', but the server does not support this version."),
    ];
    for (query, text) in rows {
        let answer = server.http(&format!("POST /hub/negotiate{query}"), &[]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({"error": text}), "{query}");
    }
    let modern = server.http("POST /hub/negotiate?negotiateVersion=1", &[]);
    assert_eq!(modern.await.json()["negotiateVersion"], 1);
}

#[tokio::test]
async fn requests_that_fit_nothing_are_told_so() {
    let options = Options { transports: vec![Transport::WebSockets], ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let (_, token) = server.negotiate().await;
    let poll = format!("GET /hub?id={token}");
    let unused = format!("DELETE /hub?id={token}");
    let no_connection = "No Connection with that ID";
    let no_polling = "LongPolling transport not supported by this end point type";
    let rows = [
        ("GET /hub/negotiate", 405, ""),
        ("PUT /hub/negotiate", 405, ""),
        ("GET /hub", 400, "Connection ID required"),
        ("POST /hub", 400, "Connection ID required"),
        ("DELETE /hub", 400, "Connection ID required"),
        ("PUT /hub?id=x", 405, ""),
        ("PATCH /hub", 405, ""),
        (poll.as_str(), 404, no_polling),
        ("GET /hub?id=short", 404, no_connection),
        ("GET /hub?id=0123456789012345678901", 404, no_connection),
        ("POST /hub?id=0123456789012345678901", 404, no_connection),
        ("DELETE /hub?id=0123456789012345678901", 404, no_connection),
        (unused.as_str(), 400, "Cannot terminate this connection using the DELETE endpoint."),
        ("GET /", 404, ""),
        ("GET /hubs", 404, ""),
        ("POST /hub/other", 404, ""),
    ];
    for (request, status, text) in rows {
        let answer = server.http(request, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, text), "{request}");
        if !text.is_empty() {
            assert_eq!(answer.header("content-type"), Some("text/plain"));
        }
    }
    let stream = server.http(&poll, &[("Accept", "text/event-stream")]).await;
    assert_eq!(
        (stream.status, stream.body.as_str()),
        (404, "ServerSentEvents transport not supported by this end point type")
    );
}

#[tokio::test]
async fn paths_and_names_in_queries_are_compared_without_case() {
    let server = Server::start(whoami()).await;
    let document = server.http("POST /HUB/Negotiate?NegotiateVersion=1", &[]).await.json();
    let token = document["connectionToken"].as_str().unwrap();
    let mut client = Client::upgrade(server.dial().await, &format!("/Hub?x=1&ID={token}")).await;
    client.shake_hands().await;
    assert_eq!(client.invoke("WhoAmI", json!([])).await, Ok(document["connectionId"].clone()));
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_refused() {
    let server = Server::start(Hub::new()).await;
    let version = replaced("Sec-WebSocket-Version", "12");
    let answer = server.http("GET /hub", &version).await;
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));

    let keyless = without("Sec-WebSocket-Key");
    assert_eq!(server.http("GET /hub", &keyless).await.status, 400);

    assert_unknown(&upgrade(&server, "/hub?id=0123456789012345678901").await);
    assert_unknown(&upgrade(&server, "/hub?id=").await);
    assert_eq!(upgrade(&server, "/other").await.status, 404);
    assert_eq!(server.metric("connections"), 0);
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_ignored() {
    let server = Server::start(Hub::new()).await;
    let h2c =
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")];
    let negotiation = server.http("POST /hub/negotiate", &h2c).await;
    assert_eq!(negotiation.status, 200);
    assert_eq!(server.http("GET /hub", &h2c).await.body, "Connection ID required");
}

#[tokio::test]
async fn a_connection_that_was_negotiated_and_not_used_is_forgotten() {
    let options = Options { disconnect_timeout: Duration::ZERO, ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let (_, token) = server.negotiate().await;
    assert_unknown(&upgrade(&server, &format!("/hub?id={token}")).await);
}

#[tokio::test]
async fn too_many_negotiated_connections_are_refused_for_a_while() {
    let options = Options { max_negotiated: 2, ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    server.negotiate().await;
    let (_, token) = server.negotiate().await;
    let refused = server.http("POST /hub/negotiate?negotiateVersion=1", &[]).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(server.metric("limit_hits_total{limit=\"negotiated\"}"), 1);
    assert_eq!(server.metric("negotiated_connections"), 2);

    // One that is used does not wait any more, though an older one does.
    let mut client = Client::upgrade(server.dial().await, &format!("/hub?id={token}")).await;
    client.shake_hands().await;
    assert_eq!(server.metric("negotiated_connections"), 1);
    server.negotiate().await;
    assert_eq!(server.metric("negotiated_connections"), 2);
}

#[tokio::test]
async fn too_many_connections_are_refused_until_one_ends() {
    let options = Options { max_connections: 1, ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let (_, token) = server.negotiate().await;
    let path = format!("/hub?id={token}");
    let client = server.connect().await;
    let refused = upgrade(&server, &path).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(server.metric("limit_hits_total{limit=\"connections\"}"), 1);
    drop(client);
    until("the first is gone", || server.metric("connections") == 0).await;
    Client::upgrade(server.dial().await, &path).await.shake_hands().await;
}

#[tokio::test]
async fn a_preflight_is_answered_with_credentials() {
    let server = Server::start(Hub::new()).await;
    let answer = server
        .http(
            "OPTIONS /hub/negotiate?negotiateVersion=1",
            &[
                ("Origin", "http://localhost:8080"),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "x-requested-with,x-signalr-user-agent"),
            ],
        )
        .await;
    assert_eq!(answer.status, 204);
    assert_seen_by(&answer, "http://localhost:8080");
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "DELETE"].iter().all(|method| methods.contains(method)));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-requested-with,x-signalr-user-agent"));
    assert!(answer.header("access-control-max-age").is_some());
}

#[tokio::test]
async fn pages_of_allowed_origins_can_read_errors_too() {
    let options = Options { max_negotiated: 1, ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let origin = ("Origin", "http://127.0.0.1:3000");
    let mut unknown = upgrade_request();
    unknown.push(origin);
    let answers = [
        (200, server.http("POST /hub/negotiate", &[origin]).await),
        (503, server.http("POST /hub/negotiate", &[origin]).await),
        (404, server.http("GET /hub?id=x", &[origin]).await),
        (404, server.http("GET /hub?id=x", &unknown).await),
        (405, server.http("PUT /hub", &[origin]).await),
        (404, server.http("GET /elsewhere", &[origin]).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status);
        assert_seen_by(&answer, "http://127.0.0.1:3000");
    }
}

#[tokio::test]
async fn pages_of_foreign_origins_are_refused_websockets_included() {
    let options =
        Options { allowed_origins: AllowedOrigins::List(vec!["https://app.example".into()]), ..Options::default() };
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    for origin in ["https://evil.example", "http://app.example", "null"] {
        let origin = ("Origin", origin);
        let mut websocket = upgrade_request();
        websocket.push(origin);
        let answers = [server.http("POST /hub/negotiate", &[origin]).await, server.http("GET /hub", &websocket).await];
        for answer in answers {
            assert_eq!(answer.status, 403);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    assert_eq!(server.metric("connections_refused_total{reason=\"origin\"}"), 6);
    let allowed = [("Origin", "https://app.example")];
    let answer = server.http("POST /hub/negotiate", &allowed).await;
    assert_eq!(answer.status, 200);
    assert_seen_by(&answer, "https://app.example");
}

fn whoami() -> Hub {
    Hub::new().method("WhoAmI", |caller: Caller, (): ()| async move { Ok(caller.connection_id().to_string()) })
}

async fn upgrade(server: &Server, path: &str) -> Answer {
    server.http(&format!("GET {path}"), &upgrade_request()).await
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    let mut headers = upgrade_request();
    headers.retain(|header| header.0 != name);
    headers
}

fn replaced(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headers = without(name);
    headers.push((name, value));
    headers
}

fn assert_unknown(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (404, "No Connection with that ID"));
}

fn assert_seen_by(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("vary"), Some("Origin"));
}
