//! What becomes of those who are in when their token ends or is taken back.

use std::time::{Duration, Instant};

use access::TokenRequest;
use e2e::client::HubClient;
use e2e::program::Program;
use e2e::wait::{until, within};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::bearer::{ask, connect, ending_in, get, guarded, negotiated, request, signed, token};
use crate::support::{metric, problem};

#[tokio::test(flavor = "multi_thread")]
async fn trap_16_a_connection_ends_with_its_token_and_its_client_may_come_back() {
    let program = guarded("").await;
    let left = Duration::from_secs(6);
    let begun = Instant::now();
    let short = ending_in("ann", "read:* write:* create_topics", left);
    let client = connect(&program, &short).await;
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap();
    let mut tail = get(&format!("{}/topics/t/packages", program.url), &short).await;
    let fresh = connect(&program, &token("ann", "read:*")).await;

    let closed = within("the end", client.closed()).await;
    let lasted = begun.elapsed();
    assert!(closed.allow_reconnect && closed.to_string().starts_with("server said goodbye"), "{closed:?}");
    // Times of tokens are whole seconds.
    assert!(lasted > left - Duration::from_millis(1100) && lasted < left + Duration::from_secs(10), "{lasted:?}");
    assert_eq!(last_line(&mut tail).await, json!({ "error": "The token has expired." }));
    assert_eq!(negotiated(&program, &short).await, 401);
    assert_eq!(metric(&program.management(), "streamgate_connections_closed_total{reason=\"expired\"}").await, 1.0);
    assert_eq!(fresh.close_reason(), None);
    fresh.invoke("SubscribeToPackages", &("t",)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_may_be_allowed_to_outlive_their_token() {
    let program = guarded("close_on_expiry = false").await;
    let short = ending_in("ann", "read:* create_topics", Duration::from_secs(5));
    let client = connect(&program, &short).await;
    until("the token has ended", async || negotiated(&program, &short).await == 401).await;
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_ends_at_once_and_nobody_else() {
    let program = guarded("").await;
    let admin = token("root", "admin");
    let named = |id: &str| {
        let request = request("ann", "read:* create_topics", Duration::from_secs(60));
        signed(TokenRequest { token_id: Some(id.to_owned()), ..request }, std::time::SystemTime::now())
    };
    let (one, two, bare) = (named("1"), named("2"), token("carl", "read:*"));
    let clients = [connect(&program, &one).await, connect(&program, &two).await, connect(&program, &bare).await];
    clients[0].invoke("SubscribeToPackages", &("t",)).await.unwrap();
    let mut tail = get(&format!("{}/topics/t/packages", program.url), &one).await;

    let told = revoke(&program, &admin, json!({ "jti": "1" })).await;
    assert_eq!(told.json::<Value>().await.unwrap(), json!({ "revoked": "jti 1", "kept": false }));
    ends_revoked(&clients[0]).await;
    assert_eq!(last_line(&mut tail).await, json!({ "error": "Access was revoked." }));
    assert_eq!((negotiated(&program, &one).await, negotiated(&program, &two).await), (401, 200));
    assert!(clients[1].close_reason().is_none() && clients[2].close_reason().is_none());

    revoke(&program, &admin, json!({ "token": bare })).await;
    ends_revoked(&clients[2]).await;
    assert_eq!(negotiated(&program, &token("carl", "write:*")).await, 200, "another token of the same user");
    revoke(&program, &admin, json!({ "sub": "ann" })).await;
    ends_revoked(&clients[1]).await;
    assert_eq!(negotiated(&program, &token("ann", "read:*")).await, 401, "no token of that user");
    assert_eq!(metric(&program.management(), "streamgate_connections_closed_total{reason=\"revoked\"}").await, 3.0);
    assert!(metric(&program.management(), "streamgate_auth_failures_total{cause=\"revoked\"}").await >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_revoke_and_only_at_the_management_listener() {
    let program = guarded("").await;
    let admin = token("root", "admin");
    let body = json!({ "sub": "ann" });
    assert_eq!(revoke(&program, "bad", body.clone()).await.status(), 401);
    problem(revoke(&program, &token("ann", "read:* write:* kafka create_topics"), body.clone()).await, 403).await;
    let public = ask(Method::POST, &format!("{}/admin/revoke", program.url), Some(&admin)).json(&body);
    problem(public.send().await.unwrap(), 404).await;
    let page = ask(Method::POST, &format!("{}/admin/revoke", program.management()), Some(&admin)).json(&body);
    problem(page.header("origin", "http://127.0.0.1").send().await.unwrap(), 403).await;
    for wrong in [
        json!({}),
        json!({ "sub": "a", "jti": "b" }),
        json!({ "sub": "" }),
        json!({ "sub": "a\nb" }),
        json!({ "sha256": "x" }),
        json!([]),
    ] {
        problem(revoke(&program, &admin, wrong).await, 400).await;
    }
    assert_eq!(negotiated(&program, &token("ann", "")).await, 200, "nothing of it was done");
    let open = Program::serve(&["--memory"]).await;
    assert_eq!(revoke(&open, &admin, body).await.status(), 404, "there is nothing to revoke");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_revocations_is_read_when_it_changes_and_keeps_what_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("revoked");
    let settings = format!("revocations_file = \"{}\"", file.display());
    let program = guarded(&settings).await;
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|user| token(user, "read:*"));
    let clients = [connect(&program, &ann).await, connect(&program, &bob).await, connect(&program, &carl).await];
    let told = revoke(&program, &token("root", "admin"), json!({ "sub": "ann" })).await;
    assert_eq!(told.json::<Value>().await.unwrap()["kept"], true);
    ends_revoked(&clients[0]).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "sub ann\n");

    std::fs::write(&file, "sub ann\nsub bob").unwrap();
    let begun = Instant::now();
    ends_revoked(&clients[1]).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    revoke(&program, &token("root", "admin"), json!({ "jti": "7" })).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "sub ann\nsub bob\njti 7\n");

    let again = guarded(&settings).await;
    assert_eq!((negotiated(&again, &ann).await, negotiated(&again, &carl).await), (401, 200), "also after a restart");
    std::fs::write(&file, "").unwrap();
    program.hang_up();
    until("it is given back", async || negotiated(&program, &ann).await == 200).await;
    assert_eq!(clients[2].close_reason(), None);
}

async fn revoke(program: &Program, token: &str, what: Value) -> Response {
    let url = format!("{}/admin/revoke", program.management());
    ask(Method::POST, &url, Some(token)).json(&what).send().await.expect("an answer")
}

async fn ends_revoked(client: &HubClient) {
    let closed = within("the end", client.closed()).await;
    assert!(!closed.allow_reconnect, "{closed:?}");
    assert!(
        closed.to_string().starts_with("server said: Connection closed with an error. Access was revoked."),
        "{closed}"
    );
}

/// The last line of an answer that ends.
async fn last_line(tail: &mut Response) -> Value {
    let mut text = Vec::new();
    while let Some(piece) = within("more of it, or its end", tail.chunk()).await.expect("it ends well") {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8(text).unwrap();
    serde_json::from_str(text.lines().last().expect("a line")).unwrap()
}
