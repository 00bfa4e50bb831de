//! Who is let in to ask the portal over HTTP, and how.

use std::net::IpAddr;

use e2e::certificate::TestCertificate;
use e2e::program::{Program, process};
use e2e::secured::PASSWORD;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::place::{SECRET, token};

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_elsewhere_are_refused_and_told_nothing() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let ask = |method: Method, path: &str| Client::new().request(method, format!("{}{path}", program.url));
    let evil = |request: RequestBuilder| request.header("origin", "https://evil.example");
    for (request, wanted) in [
        (ask(Method::GET, "/workspaces"), 200),
        (ask(Method::GET, "/workspaces").header("origin", program.url.clone()), 200),
        (ask(Method::GET, "/workspaces").header("sec-fetch-site", "none"), 200),
        (evil(ask(Method::GET, "/workspaces")), 403),
        (evil(ask(Method::POST, "/local/topics")).body(r#"{"name":"t"}"#), 403),
        (ask(Method::GET, "/workspaces").header("origin", "null"), 403),
        (ask(Method::GET, "/workspaces").header("sec-fetch-site", "cross-site"), 403),
        (ask(Method::GET, "/workspaces").header("sec-fetch-site", "same-site"), 403),
        (evil(ask(Method::OPTIONS, "/workspaces")).header("access-control-request-method", "GET"), 405),
        (ask(Method::GET, "/workspaces").header("host", "evil.example"), 421),
    ] {
        let shown = format!("{request:?}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), wanted, "{shown}");
        let cors = response.headers().keys().filter(|name| name.as_str().starts_with("access-control"));
        assert_eq!(cors.count(), 0, "{shown}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{shown}");
        if wanted != 200 {
            let body = response.text().await.unwrap();
            assert!(!body.contains(&program.kafka()), "{shown}: {body}");
            let document: Value = serde_json::from_str(&body).unwrap();
            assert!(document["message"].as_str().is_some_and(|message| !message.is_empty()), "{shown}: {body}");
        }
    }
    let topics: Value = ask(Method::GET, "/topics").send().await.unwrap().json().await.unwrap();
    assert_eq!(topics, Value::Array(Vec::new()), "no page has made one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_page_is_told_nothing_at_any_address() {
    let settings = format!(
        "workspace = \"Acme\"\nauth.secret = \"{SECRET}\"\n[portal]\nkafka_address = \"kafka.example:9093\"\n\
         security = \"sasl_ssl\"\nusername = \"programs\"\npassword = \"{PASSWORD}\""
    );
    let program = Program::serve_with_settings(&settings, &["--kafka-listen", "127.0.0.1:0"]).await;
    let (page, trusted) = (token("read:* write:* create_topics admin"), token("kafka create_topics write:*"));
    for (method, path, wanted) in [
        (Method::GET, "/workspaces", 200),
        (Method::GET, "/workspaces/acme", 200),
        (Method::GET, "/workspaces/acme/broker/librdkafka", 200),
        (Method::GET, "/workspaces/acme/certificates", 204),
        (Method::POST, "/acme/topics", 200),
        (Method::GET, "/ACME/topics", 200),
        (Method::GET, "/acme/topics/t", 200),
        (Method::GET, "/auth/permissions/query?resourceType=Workspace&resourceId=acme&permission=Read", 200),
        (Method::GET, "/workspaces/acme/deployments", 404),
    ] {
        let ask = async |token: &str| {
            let request = Client::new().request(method.clone(), format!("{}{path}", program.url)).bearer_auth(token);
            let response = request.body(r#"{"Name":"t"}"#).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(ask(&trusted).await.0, wanted, "{method} {path}");
        let (status, body) = ask(&page).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
        assert!(!["kafka.example", "programs", PASSWORD].iter().any(|told| body.contains(told)), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_in_the_header_only_and_who_was_told_is_noted_without_secrets() {
    let settings = format!(
        "auth.secret = \"{SECRET}\"\n[portal]\nkafka_address = \"kafka.example:9093\"\nsecurity = \"sasl_ssl\"\n\
         username = \"programs\"\npassword = \"{PASSWORD}\""
    );
    let program = Program::serve_with_settings(&settings, &["--kafka-listen", "127.0.0.1:0"]).await;
    let token = token("kafka write:*");
    let url = format!("{}/workspaces", program.url);
    let status = async |request: RequestBuilder| request.send().await.unwrap().status().as_u16();
    let get = |url: &str| Client::new().get(url);
    assert_eq!(status(get(&format!("{url}?access_token={token}"))).await, 401);
    assert_eq!(status(get(&url)).await, 401);
    assert_eq!(status(get(&url).header("authorization", format!("bearer {token}"))).await, 200);
    for header in ["forwarded", "x-forwarded-for"] {
        let of_elsewhere = get(&url).bearer_auth(&token).header(header, "192.0.2.7").send().await.unwrap();
        assert_eq!(of_elsewhere.status(), 403, "a proxy here without TLS to there");
    }
    let body = get(&url).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
    assert!(body.contains(PASSWORD), "{body}");

    program.logs("a program was told how to reach Kafka").await;
    let log = program.log();
    let line = log.lines().find(|line| line.contains("a program was told")).unwrap();
    assert!(line.contains("\"ann\"") && line.contains("127.0.0.1") && line.contains("local"), "{line}");
    assert!(!log.contains(PASSWORD) && !log.contains(&token), "{log}");
    let metrics = get(&format!("{}/metrics", program.management())).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("streamgate_portal_answers_total{route=\"workspaces\",status=\"200\"} 2"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_goes_by_a_proxy_only_where_the_way_has_tls_and_it_is_noted_whose_way() {
    let settings = format!(
        "trusted_proxies = [\"127.0.0.1/32\"]\nauth.secret = \"{SECRET}\"\n[portal]\nkafka_address = \"kafka.example:9093\"\n\
         security = \"sasl_ssl\"\nusername = \"programs\"\npassword = \"{PASSWORD}\""
    );
    let certificate = TestCertificate::make();
    let tls = certificate.flags();
    let tls: Vec<_> = tls.iter().map(String::as_str).collect();
    for (flags, wanted) in [(&[][..], 403), (&tls, 200)] {
        let program =
            Program::serve_with_settings(&settings, &[&["--kafka-listen", "127.0.0.1:0"], flags].concat()).await;
        let client = Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap();
        for path in ["/workspaces", "/workspaces/local/broker/librdkafka"] {
            let ask = || client.get(format!("{}{path}", program.url)).bearer_auth(token("kafka write:*"));
            let response = ask().header("x-forwarded-for", "192.0.2.7").send().await.unwrap();
            let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
            assert_eq!((status, body.contains(PASSWORD)), (wanted, wanted == 200), "{}{path}: {body}", program.url);
            assert!(wanted == 200 || body.contains("is not told over HTTP without TLS"), "{body}");
            assert_eq!(ask().send().await.unwrap().status(), 200, "{}{path} on this machine", program.url);
        }
        program.logs("a program was told how to reach Kafka").await;
        let log = program.log();
        let told = log.lines().filter(|line| line.contains("a program was told"));
        let of_the_proxys_client = told.filter(|line| line.contains("192.0.2.7")).count();
        assert_eq!(of_the_proxys_client, if wanted == 200 { 2 } else { 0 }, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_this_machine_is_not_told_through_a_proxy_that_nobody_trusts() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    for (header, wanted) in [
        (("accept", "*/*"), 200),
        (("x-forwarded-for", "192.0.2.7"), 501),
        (("x-forwarded-for", "127.0.0.1"), 501),
        (("forwarded", "for=192.0.2.7"), 501),
    ] {
        let request = Client::new().get(format!("{}/workspaces", program.url)).header(header.0, header.1);
        let response = request.send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!((status, body.contains(&program.kafka())), (wanted, wanted == 200), "{header:?}: {body}");
        assert!(wanted == 200 || body.contains("Set portal.kafka_address"), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_may_be_where_a_portal_that_is_off_would_be() {
    let settings = "portal.enabled = false\n[[webhooks]]\npath = \"/acme/topics\"\ntopic = \"t\"\npreset = \"none\"";
    let program = Program::serve_with_settings(settings, &[]).await;
    let post = async |path: &str| {
        let request = Client::new().post(format!("{}{path}", program.url)).json(&json!({ "name": "t" }));
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    let (status, body) = post("/acme/topics").await;
    assert!(status.is_success(), "{status}: {body}");
    let (status, body) = post("/other/topics").await;
    assert!(status == 404 && body.contains("portal.enabled"), "{status}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_too_many_connections_is_told_so() {
    let program = Program::serve_with_settings("limits.connections_per_address = 1", &[]).await;
    // Another address of this machine's.
    let elsewhere = IpAddr::from([127, 0, 0, 2]);
    let first = TcpSocket::new_v4().unwrap();
    first.bind((elsewhere, 0).into()).unwrap();
    let _held = first.connect(program.address().parse().unwrap()).await.unwrap();
    let second = Client::builder().local_address(elsewhere).build().unwrap();
    let response = second.get(format!("{}/workspaces", program.url)).send().await.unwrap();
    let (status, body) = (response.status(), response.text().await.unwrap());
    let document: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_u16(), &document["message"]), (429, &document["detail"]), "{body}");
    assert!(document["message"].as_str().is_some_and(|message| message.contains("too many connections")), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_would_hand_out_too_much_or_nothing_ends() {
    let certificate = TestCertificate::make();
    let sasl = "security = \"sasl_ssl\"\nkafka_address = \"k:1\"";
    for (settings, says) in [
        (
            format!(
                "[kafka]\nbrokers = [\"k:1\"]\n[kafka.properties]\n\"sasl.username\" = \"own\"\n[portal]\n{sasl}\nusername = \"own\"\npassword = \"p\""
            ),
            "is this server's own user at Kafka",
        ),
        (format!("[portal]\n{sasl}"), "nobody is named whom programs are at Kafka"),
        (
            format!("[portal]\n{sasl}\nusername = \"u\"\npassword_file = \"/nonexistent\""),
            "/nonexistent of `portal.password_file` cannot be read",
        ),
        (
            format!("[portal]\n{sasl}\nusername = \"u\"\npassword = \"p\"\nca_file = \"{}\"", certificate.key()),
            "of `portal.ca_file` holds a private key; name a file of certificates alone",
        ),
        ("workspace = \"topics\"".to_owned(), "cannot be \"topics\", which is an address of the server's own"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &settings).unwrap();
        let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let output = process().arg("serve").args(ports).arg("--config").arg(file.path()).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{settings}: {said}");
    }
}
