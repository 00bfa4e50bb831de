//! Who is let in: where a token is looked for, what is for anybody, and what those without one are told.

use std::time::{Duration, SystemTime};

use e2e::client::{ConnectError, HubClient};
use e2e::program::Program;
use e2e::wait::until;
use reqwest::{Client, Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bearer::{LINE, SECRET, ask, connect, get, guarded, negotiated, request, signed, token, try_connect};
use crate::support::{metric, problem, status};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_does_every_request_is_401_without_a_word() {
    let program = guarded("").await;
    let good = token("ann", "read:* write:*");
    let forged = format!("{}x", &good[..good.len() - 1]);
    for authorization in
        [None, Some("Bearer"), Some("Bearer "), Some("Basic abc"), Some(&*format!("Bearer {forged}")), Some(&*good)]
    {
        for (method, path) in [
            (Method::POST, "/hub/negotiate?negotiateVersion=1"),
            (Method::POST, "/hub/negotiate"),
            (Method::GET, "/hub?id=x"),
            (Method::POST, "/hub?id=x"),
            (Method::DELETE, "/hub?id=x"),
            (Method::GET, "/topics"),
            (Method::PUT, "/topics/t"),
            (Method::GET, "/topics/t/packages"),
            (Method::POST, "/topics/t/packages"),
            (Method::GET, "/nowhere"),
        ] {
            let request = Client::new().request(method.clone(), format!("{}{path}", program.url));
            let request =
                authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path} {authorization:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(response.bytes().await.unwrap().len(), 0);
        }
    }
    assert!(matches!(try_connect(&program, &forged).await, Err(ConnectError::Negotiate { status: 401, .. })));
    let url = format!("{}/hub", program.url);
    let refused = HubClient::connect_with(&url, &e2e::client::ConnectOptions::skip_negotiation()).await;
    assert!(matches!(refused, Err(ConnectError::Upgrade { status: 401, .. })));
    assert_eq!(negotiated(&program, &good).await, 200);
    for (cause, least) in [("no_token", 50.0), ("signature", 10.0)] {
        let sample = format!("streamgate_auth_failures_total{{cause=\"{cause}\"}}");
        assert!(metric(&program.management(), &sample).await >= least, "{cause}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_from_the_header_and_only_without_one_from_the_query() {
    let program = guarded("").await;
    let good = token("ann", "read:* create_topics");
    let negotiate = format!("{}/hub/negotiate", program.url);
    for (header, query, expected) in [
        (Some(format!("Bearer {good}")), None, 200),
        (Some(format!("bearer {good}")), None, 200),
        (Some(format!("BEARER {good}")), Some("bad"), 200),
        (None, Some(&*good), 200),
        (Some("Bearer bad".to_owned()), Some(&*good), 401),
        (Some("Basic bad".to_owned()), Some(&*good), 401),
        (Some(good.clone()), None, 401),
    ] {
        let query_text = query.map(|token| format!("?access_token={token}")).unwrap_or_default();
        let request = Client::new().post(format!("{negotiate}{query_text}"));
        let request = header.iter().fold(request, |request, value| request.header("authorization", value));
        assert_eq!(request.send().await.unwrap().status(), expected, "{header:?} {query:?}");
    }
    let client = HubClient::connect(&format!("{}/hub?access_token={good}", program.url)).await.unwrap();
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap();
    client.close().await;

    let head = "POST /hub/negotiate HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n";
    let twice = format!("{head}authorization: Bearer {good}\r\nauthorization: Bearer {good}\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    stream.write_all(twice.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("two Authorization headers"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_pages_are_for_anybody() {
    let program = guarded("").await;
    for path in ["/", "/demo/", "/demo/writer.html", "/favicon.ico", "/health/live", "/health/ready", "/livez"] {
        assert_eq!(status(&format!("{}{path}", program.url)).await, Some(200), "{path}");
    }
    for path in ["/demo/nowhere", "/swaggerish", "/health", "/health/ready/x", "/Demo/"] {
        assert_eq!(status(&format!("{}{path}", program.url)).await, Some(401), "{path}");
    }
    assert!(!program.banner.contains("no authentication"), "{}", program.banner);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_17_preflights_from_anywhere_need_no_token_and_origins_are_echoed() {
    let program = guarded("").await;
    let good = token("ann", "read:* write:*");
    for origin in ["https://app.example.com", "null", "http://localhost:3000"] {
        for path in ["/hub/negotiate", "/hub", "/topics", "/topics/t/packages"] {
            let url = format!("{}{path}", program.url);
            let preflight = Client::new()
                .request(Method::OPTIONS, &url)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,x-requested-with,x-signalr-user-agent");
            let answer = preflight.send().await.unwrap();
            assert_eq!(answer.status(), 204, "{path} {origin}");
            echoes(&answer, origin);
            let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap();
            assert!(allowed.contains("authorization") && allowed.contains("x-signalr-user-agent"), "{allowed}");
        }
        for (sent, expected) in [(Some(&*good), 200), (None, 401), (Some("bad"), 401)] {
            let request = ask(Method::POST, &format!("{}/hub/negotiate", program.url), sent).header("origin", origin);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), expected);
            echoes(&answer, origin);
            let answer =
                ask(Method::GET, &format!("{}/topics", program.url), sent).header("origin", origin).send().await;
            echoes(&answer.unwrap(), origin);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_can_be_narrowed() {
    let settings = "allowed_origins = [\"https://app.example.com\"]\nmemory = true\n[auth]\nsecret = \"a secret of these stories, long enough\"\n";
    let program = Program::serve_with_settings(settings, &[]).await;
    let good = token("ann", "read:*");
    for (origin, expected) in [("https://app.example.com", 200), ("https://evil.example", 403), ("null", 403)] {
        let request =
            ask(Method::POST, &format!("{}/hub/negotiate", program.url), Some(&good)).header("origin", origin);
        assert_eq!(request.send().await.unwrap().status(), expected, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_any_host_is_answered() {
    let program = guarded("").await;
    let management = program.management();
    for (url, expected) in [
        (format!("{}/topics", program.url), 200),
        (format!("{}/hub/negotiate", program.url), 405),
        // Where no token is asked for, and only this machine is meant.
        (format!("{management}/metrics"), 421),
        (format!("{management}/admin/revoke"), 421),
    ] {
        let request = ask(Method::GET, &url, Some(&token("ann", "read:*"))).header("host", "gate.example.com");
        assert_eq!(request.send().await.unwrap().status(), expected, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_by_name_everybody_may_do_everything() {
    let program = Program::serve(&["--memory", "--insecure-no-auth"]).await;
    assert!(program.banner.contains("no authentication"), "{}", program.banner);
    for sent in [None, Some("any <token>"), Some(&*token("ann", ""))] {
        let url = format!("{}/topics/t/packages", program.url);
        let request = ask(Method::POST, &url, sent).header("host", "gate.example.com").body(LINE);
        assert_eq!(request.send().await.unwrap().status(), 200, "{sent:?}");
    }
    let page = ask(Method::GET, &format!("{}/topics", program.url), None).header("origin", "http://evil.example");
    assert_eq!(page.send().await.unwrap().status(), 403, "pages are another matter");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fails_too_often_is_not_listened_to_for_a_while() {
    let settings = "memory = true\n[limits]\nauth_failures_per_address = 6\n[auth]\nsecret = \"a secret of these stories, long enough\"\n";
    let program = Program::serve_with_settings(settings, &[]).await;
    let good = token("ann", "read:*");
    // Whoever has none, or one that was good once, does not guess.
    let stale =
        signed(request("ann", "read:*", Duration::from_secs(60)), SystemTime::now() - Duration::from_secs(3600));
    for _ in 0..20 {
        assert_eq!(negotiated(&program, &stale).await, 401);
        let without = ask(Method::POST, &format!("{}/hub/negotiate", program.url), None);
        assert_eq!(without.send().await.unwrap().status(), 401);
    }
    for _ in 0..6 {
        assert_eq!(negotiated(&program, &good).await, 200);
        assert_eq!(negotiated(&program, "bad").await, 401);
    }
    // Not even with a token that does: it is not looked at.
    let refused = get(&format!("{}/topics", program.url), &good).await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait), "{wait}");
    problem(refused, 429).await;
    assert_eq!(negotiated(&program, &good).await, 429);
    assert_eq!(status(&format!("{}/health/live", program.url)).await, Some(200));
    let sample = "streamgate_limit_hits_total{limit=\"auth_failures_per_address\"}";
    assert_eq!(metric(&program.management(), sample).await, 2.0);
    until("it is forgotten", async || negotiated(&program, &good).await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_clients_who_need_no_token_are_served_beside_tokens_only_where_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("settings.toml");
    std::fs::write(&settings, format!("[auth]\nsecret = \"{SECRET}\"\n")).unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config", settings.to_str().unwrap()];
    let program = Program::serve_as_told(&ports).await;
    program.logs("running without a listener for Kafka clients, who need no token").await;
    assert!(program.banner.contains("its clients need no token; ask for it"), "{}", program.banner);
    let asked = Program::serve_as_told(&[&ports[..], &["--kafka-listen", "127.0.0.1:0"]].concat()).await;
    assert!(!asked.kafka().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_poll_and_post_of_a_connection_needs_the_token_of_its_user() {
    let program = guarded("").await;
    let (ann, bob) = (token("ann", "read:*"), token("bob", "read:*"));
    let negotiated = ask(Method::POST, &format!("{}/hub/negotiate?negotiateVersion=1", program.url), Some(&ann));
    let document: serde_json::Value = negotiated.send().await.unwrap().json().await.unwrap();
    let url = format!("{}/hub?id={}", program.url, document["connectionToken"].as_str().unwrap());
    assert_eq!(get(&url, &ann).await.status(), 200, "the first poll");
    for (method, sent, expected) in [
        (Method::POST, None, 401),
        (Method::GET, None, 401),
        (Method::POST, Some(&*bob), 403),
        (Method::POST, Some(&*ann), 200),
    ] {
        let request = ask(method.clone(), &url, sent).body("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(request.send().await.unwrap().status(), expected, "{method} {sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_ever_logged() {
    let mut serve = e2e::program::process();
    serve.env("RUST_LOG", "trace").env("STREAMGATE_AUTH__SECRET", crate::bearer::SECRET).args([
        "serve",
        "--memory",
        "--create-topics",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let program = Program::start(serve).await;
    let (good, admin, bad) =
        (token("ann", "read:* write:* create_topics"), token("root", "admin"), "sg_hunter2hunter2hunter2");
    let client = connect(&program, &good).await;
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap();
    let other = HubClient::connect(&format!("{}/hub?access_token={good}", program.url)).await.unwrap();
    for sent in [&*good, bad] {
        ask(Method::POST, &format!("{}/topics/t/packages", program.url), Some(sent)).body(LINE).send().await.unwrap();
        ask(Method::GET, &format!("{}/nowhere?access_token={sent}", program.url), None).send().await.unwrap();
        let revoke = ask(Method::POST, &format!("{}/admin/revoke", program.management()), Some(&admin));
        revoke.body(serde_json::json!({ "token": sent }).to_string()).send().await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(60), client.closed()).await.unwrap();
    other.closed().await;
    program.logs("connection closed").await;
    let log = program.log();
    for secret in [&*good, &*admin, bad, crate::bearer::SECRET] {
        let told = log.lines().find(|line| line.contains(secret));
        assert!(told.is_none(), "{told:?}");
    }
}

fn echoes(answer: &Response, origin: &str) {
    assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    assert_eq!(answer.headers()["access-control-allow-credentials"], "true");
}
