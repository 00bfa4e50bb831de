//! Who may connect: asked at each request, the user one for the life of a connection.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::http::request::Parts;
use serde_json::json;
use signalr_server::auth::bearer_token;
use signalr_server::{Authentication, Caller, Denied, Hub, Options, User};

use crate::common::{Client, End, Server, Wire, on_every_wire, upgrade_request};

on_every_wire!(
    the_user_of_a_websocket_is_whom_its_upgrade_names,
    a_connection_ends_with_its_credentials,
    calls_under_way_are_finished_before_the_credentials_end_a_connection,
    credentials_end_a_connection_whatever_its_calls_do,
);

#[tokio::test]
async fn every_request_is_asked_and_refused_before_anything_is_made() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let authentication = Authentication::new(move |request: &Parts| {
        log.lock().unwrap().push(request.method.to_string());
        by_token(request)
    });
    let options = Options { authentication: Some(authentication), ..Options::default() };
    let server = Server::start_with(Wire::Own, whoami(), options).await;
    let unused = "0123456789012345678901";
    let requests = [
        "POST /hub/negotiate?",
        &format!("GET /hub?id={unused}"),
        &format!("POST /hub?id={unused}"),
        &format!("DELETE /hub?id={unused}"),
    ];
    for request in requests {
        let unknown = server.http(request, &[]).await;
        assert_eq!((unknown.status, unknown.body.as_str()), (401, ""), "{request}");
        assert_eq!(unknown.header("www-authenticate"), Some("Bearer"));
        let forbidden = server.http(request, &[("Authorization", "Bearer banned")]).await;
        assert_eq!((forbidden.status, forbidden.body.as_str()), (403, ""), "{request}");
    }
    let upgrade = server.http("GET /hub", &upgrade_request()).await;
    assert_eq!(upgrade.status, 401);
    assert_eq!(*asked.lock().unwrap(), ["POST", "POST", "GET", "GET", "POST", "POST", "DELETE", "DELETE", "GET"]);
    assert_eq!(server.metric("negotiated_connections") + server.metric("connections"), 0);
    assert_eq!(server.metric("connections_refused_total{reason=\"authentication\"}"), 9);
}

#[tokio::test]
async fn another_user_may_not_go_on_with_a_connection() {
    let server = Server::start_with(Wire::Own, whoami(), guarded()).await;
    let document =
        server.http("POST /hub/negotiate?negotiateVersion=1", &[("Authorization", "Bearer ann")]).await.json();
    let token = document["connectionToken"].as_str().unwrap();
    let poll = format!("GET /hub?id={token}");
    assert_eq!(server.http(&poll, &[("Authorization", "Bearer ann")]).await.status, 200);
    for request in [poll.clone(), format!("POST /hub?id={token}"), format!("DELETE /hub?id={token}")] {
        assert_eq!(server.http(&request, &[("Authorization", "Bearer bob")]).await.status, 403, "{request}");
    }
    assert_eq!(server.http(&format!("DELETE /hub?id={token}"), &[("Authorization", "Bearer ann")]).await.status, 202);
}

async fn the_user_of_a_websocket_is_whom_its_upgrade_names(wire: Wire) {
    let server = Server::start_with(wire, whoami(), guarded()).await;
    let mut client = Client::upgrade(server.dial().await, "/hub?access_token=ann&room=7").await;
    client.shake_hands().await;
    assert_eq!(client.invoke("WhoAmI", json!([])).await, Ok(json!(["ann", "access_token=ann&room=7"])));
}

async fn a_connection_ends_with_its_credentials(wire: Wire) {
    let server = Server::start_with(wire, whoami(), guarded()).await;
    let mut client = Client::upgrade(server.dial().await, "/hub?access_token=brief").await;
    client.shake_hands().await;
    let close = json!({"type": 7, "allowReconnect": true});
    assert_eq!(client.closed().await, (Some(close), End::Close(Some(1000))));
}

async fn calls_under_way_are_finished_before_the_credentials_end_a_connection(wire: Wire) {
    // Longer than the credentials last, and not as long as calls may go on then.
    let hub = Hub::new().method("Outlast", |_: Caller, (): ()| async {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        Ok("done")
    });
    let server = Server::start_with(wire, hub, guarded()).await;
    let mut client = Client::upgrade(server.dial().await, "/hub?access_token=brief").await;
    client.shake_hands().await;
    assert_eq!(client.invoke("Outlast", json!([])).await, Ok(json!("done")));
    let close = json!({"type": 7, "allowReconnect": true});
    assert_eq!(client.closed().await, (Some(close), End::Close(Some(1000))));
}

async fn credentials_end_a_connection_whatever_its_calls_do(wire: Wire) {
    let hub = Hub::new().method("Hang", |_: Caller, (): ()| std::future::pending::<Result<(), _>>());
    let server = Server::start_with(wire, hub, guarded()).await;
    let mut client = Client::upgrade(server.dial().await, "/hub?access_token=brief").await;
    let begun = Instant::now();
    client.shake_hands().await;
    client.send(&json!({"type": 1, "invocationId": "1", "target": "Hang", "arguments": []})).await;
    let close = json!({"type": 7, "allowReconnect": true});
    assert_eq!(client.closed().await, (Some(close), End::Close(Some(1000))));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

fn guarded() -> Options {
    Options { authentication: Some(Authentication::new(by_token)), ..Options::default() }
}

/// The token is the user's name.
fn by_token(request: &Parts) -> Result<Option<User>, Denied> {
    match bearer_token(request).as_deref() {
        None => Err(Denied::Unauthenticated),
        Some("banned") => Err(Denied::Forbidden),
        Some("brief") => {
            let mut user = User::new("brief");
            user.expires = Some(Instant::now() + Duration::from_secs(1));
            Ok(Some(user))
        }
        Some(name) => Ok(Some(User::new(name))),
    }
}

fn whoami() -> Hub {
    Hub::new().context(|request| Some(request.uri.query().unwrap_or_default().to_owned())).method(
        "WhoAmI",
        |caller: Caller, (): ()| async move {
            Ok((caller.user_id().map(str::to_owned), caller.context::<String>().cloned()))
        },
    )
}
