//! The portal's answers, over a memory broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use kafka_bridge::broker::Broker;
use kafka_bridge::feed::Feeds;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::prefixed::PrefixedBroker;
use serde_json::{Value, json};

use super::*;
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::tools_for_tests::{bearer, visitor};

const ALL: &str = "kafka create_topics read:* write:*";

/// Each address, with the method that it takes.
const ROUTES: [(&str, &str); 9] = [
    ("GET", "/workspaces"),
    ("GET", "/workspaces/acme"),
    ("GET", "/workspaces/acme/broker/librdkafka"),
    ("GET", "/workspaces/acme/certificates"),
    ("GET", "/acme/topics"),
    ("GET", "/acme/topics/t"),
    ("POST", "/acme/topics"),
    ("GET", "/auth/permissions/query?resourceType=Workspace&resourceId=acme&permission=Read"),
    ("GET", "/workspaces/acme/deployments"),
];

#[tokio::test]
async fn without_the_right_nothing_is_told_at_any_address() {
    let portal = portal_at(sasl());
    for scopes in ["read:* write:* admin create_topics", ""] {
        for (method, path) in ROUTES {
            let (status, body) = portal.ask_as(scopes, method, path, r#"{"Name":"t"}"#).await;
            assert_eq!(status, 403, "{method} {path}");
            assert_eq!(message(&body), NO_RIGHT);
            assert!(!["kafka.example", "programs", "hush"].iter().any(|told| body.contains(told)), "{body}");
        }
    }
    assert!(portal.broker.topics().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_reason_is_the_first_of_several() {
    let gone = PortalSettings { is_on: false, ..PortalSettings::default() };
    let (status, body) = portal_with(gone).ask_as("", "DELETE", "/other/topics", "").await;
    assert_eq!(status, 404, "switched off before the missing right: {body}");
    assert!(message(&body).contains("portal.enabled"), "{body}");

    let portal = portal_with(PortalSettings::default());
    let rows = [
        ("", "DELETE", "/other/topics", 403, "may not use Kafka"),
        (ALL, "DELETE", "/other/topics", 404, "There is no workspace 'other' here, only 'acme'."),
        (ALL, "DELETE", "/acme/topics/t", 405, "does not offer DELETE /acme/topics/t"),
        (ALL, "OPTIONS", "/workspaces", 405, "does not offer OPTIONS /workspaces"),
        (ALL, "POST", "/workspaces/acme/certificates", 405, "does not offer POST"),
        (ALL, "POST", "/acme/topics/t/clean", 405, "does not offer POST /acme/topics/t/clean"),
        (ALL, "GET", "/auth/token/details", 404, "does not offer GET /auth/token/details"),
        (ALL, "GET", "/workspaces", 501, "This server runs on its embedded broker, which Kafka clients cannot reach."),
        (ALL, "GET", "/workspaces/acme", 501, "embedded broker"),
        (ALL, "GET", "/workspaces/acme/broker/librdkafka", 501, "embedded broker"),
        (ALL, "GET", "/workspaces/acme/certificates", 501, "embedded broker"),
        (ALL, "POST", "/acme/topics", 400, "The body is no JSON"),
    ];
    for (scopes, method, path, wanted, says) in rows {
        let (status, body) = portal.ask_as(scopes, method, path, "").await;
        assert_eq!(status, wanted, "{method} {path}: {body}");
        assert!(message(&body).contains(says), "{method} {path}: {body}");
    }
    let (status, body) = portal.ask("GET", "/acme/topics", "").await;
    assert_eq!((status, &*body), (200, "[]"), "topics are told of without Kafka too");
}

#[tokio::test]
async fn answers_are_kept_by_nobody_and_say_what_they_are() {
    let portal = portal_at(sasl());
    for (path, status, kind) in [
        ("/workspaces", 200, Some("application/json")),
        ("/workspaces/acme/certificates", 200, Some("application/zip")),
        ("/acme/topics/none", 404, Some("application/problem+json")),
    ] {
        let response = portal.respond(program(ALL), "GET", path, "").await;
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((response.status().as_u16(), header("content-type")), (status, kind), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
    }
    let without = KafkaAccess { ca: None, ..sasl() };
    let response = portal_at(without).respond(program(ALL), "GET", "/workspaces/acme/certificates", "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let refused = portal.respond(program(ALL), "PUT", "/acme/topics", "").await;
    assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn each_user_is_told_their_own_credentials_and_the_others_the_common_ones() {
    let ann = Credentials { username: "ann".into(), password: "anns".into() };
    let of_users = BTreeMap::from([("ann".to_owned(), ann)]);
    let both = portal_at(KafkaAccess { of_users: of_users.clone(), ..sasl() });
    let only_hers = portal_at(KafkaAccess { of_users, credentials: None, ..sasl() });
    let ask = async |portal: &Asked, subject: Option<&str>, scopes: &str| {
        let program = Program { visitor: bearer(subject, scopes), ..program("") };
        let response = portal.respond(program, "GET", "/workspaces/acme/broker/librdkafka", "").await;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 9999).await.unwrap()).unwrap();
        (status, if status == 200 { body["sasl.username"].clone() } else { body["message"].clone() })
    };
    let user = async |portal: &Asked, subject| ask(portal, subject, ALL).await;
    assert_eq!(user(&both, Some("ann")).await, (200, json!("ann")));
    assert_eq!(user(&both, Some("bob")).await, (200, json!("programs")));
    assert_eq!(user(&both, None).await, (200, json!("programs")));
    assert_eq!(user(&only_hers, Some("ann")).await, (200, json!("ann")));
    assert_eq!(user(&only_hers, Some("bob")).await, (403, json!(NO_USER)));

    // What the common user may write, no reader is told; whose user is named, it is for that user.
    let reader = "kafka create_topics read:*";
    assert_eq!(ask(&both, Some("ann"), reader).await, (200, json!("ann")));
    assert_eq!(ask(&both, Some("bob"), reader).await, (403, json!(NO_READER)));
    assert_eq!(ask(&both, None, reader).await, (403, json!(NO_READER)));
    let anybody = Program { visitor: Visitor::anybody(), ..program("") };
    assert_eq!(both.respond(anybody, "GET", "/workspaces", "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn passwords_go_to_other_machines_by_tls_only() {
    let strict = portal_at(sasl());
    let lax = portal_with(PortalSettings { allow_plain_http: true, kafka: Ok(sasl()), ..PortalSettings::default() });
    let plain = portal_at(KafkaAccess { security: Security::PlainText, ..sasl() });
    for path in OF_KAFKA {
        for (portal, is_here, is_encrypted, is_refused) in [
            (&strict, true, false, false),
            (&strict, true, true, false),
            (&strict, false, false, true),
            (&strict, false, true, false),
            (&lax, false, false, false),
            (&plain, false, false, false),
        ] {
            let program = Program { is_here, is_encrypted, ..program(ALL) };
            let shown = format!("{path} to {program:?}");
            let status = portal.respond(program, "GET", path, "").await.status();
            let wanted = if is_refused { 403 } else { 200 };
            assert!(status == wanted || status == 204 && !is_refused, "{shown}: {status}");
        }
    }
}

#[tokio::test]
async fn an_address_of_this_machine_is_told_on_it_only() {
    for security in [Security::PlainText, Security::SaslSsl(Mechanism::Plain)] {
        let local = portal_at(KafkaAccess { is_for_this_machine: true, security, ..sasl() });
        for path in OF_KAFKA {
            let elsewhere = Program { is_here: false, is_encrypted: true, ..program(ALL) };
            let response = local.respond(elsewhere, "GET", path, "").await;
            assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{path}");
            let body = to_bytes(response.into_body(), 9999).await.unwrap();
            assert_eq!(message(&String::from_utf8_lossy(&body)), NO_ADDRESS, "{path}");
            assert!(local.respond(program(ALL), "GET", path, "").await.status().is_success(), "{path}");
        }
    }
}

#[tokio::test]
async fn topics_are_those_of_the_token() {
    let portal = portal_at(sasl());
    for name in ["cpu-load", "f1-data", "hidden"] {
        portal.broker.create_topic(name, None).await.unwrap();
    }
    let scopes = "kafka create_topics read:f1-* write:cpu-load";
    let (_, body) = portal.ask_as(scopes, "GET", "/ACME/topics", "").await;
    let listed: Vec<Value> = serde_json::from_str(&body).unwrap();
    let names: Vec<_> = listed.iter().map(|topic| topic["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu-load", "f1-data"]);
    let topic = json!({ "id": "f1-data", "name": "f1-data", "workspaceId": "acme", "status": "Ready" });
    assert_eq!(listed[1], topic);
    for (text, status) in [
        ("f1-data", 200),
        ("acme-f1-data", 200),
        ("Acme-cpu-load", 200),
        ("hidden", 403),
        ("acme-hidden", 403),
        ("unknown", 403),
        ("f1-unknown", 404),
        ("f1-a%2Fb", 404),
        ("__consumer_offsets", 404),
    ] {
        let (answered, body) = portal.ask_as(scopes, "GET", &format!("/acme/topics/{text}"), "").await;
        assert_eq!(answered, status, "{text}: {body}");
    }
    let (status, body) = portal.ask_as(scopes, "POST", "/acme/topics", r#"{"name":"hidden"}"#).await;
    assert_eq!((status, message(&body).contains("write:hidden")), (403, true), "{body}");
    for (name, status) in [("cpu-load", 400), ("hidden", 403), ("unknown", 403)] {
        let closed = PortalSettings { create_topics: false, ..PortalSettings::default() };
        let closed = Asked::new(portal.broker.clone(), closed);
        let body = json!({ "name": name }).to_string();
        let (answered, body) = closed.ask_as(scopes, "POST", "/acme/topics", &body).await;
        let says = if status == 400 { "already exists" } else { &*format!("write:{name}") };
        assert_eq!((answered, message(&body).contains(says)), (status, true), "the missing right first: {body}");
    }
    let (_, body) = portal.ask_as("kafka read:f1-*", "POST", "/acme/topics", r#"{"name":"f1-new"}"#).await;
    assert!(message(&body).starts_with("This token may not create topics, and there is no topic 'f1-new'."), "{body}");
}

#[tokio::test]
async fn a_topic_is_told_by_what_kafka_calls_it_and_found_by_id_or_name() {
    let inner: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
    inner.create_topic("elsewhere", None).await.unwrap();
    let settings = PortalSettings { topic_prefix: "acme-".into(), ..PortalSettings::default() };
    let portal = Asked::new(PrefixedBroker::around(inner.clone(), "acme-"), settings);
    let id = "acme-cpu-load";
    let scopes = "kafka create_topics write:cpu-*";
    let is_it = |body: &str| {
        let topic: Value = serde_json::from_str(body).unwrap();
        (topic["id"].clone(), topic["name"].clone()) == (json!(id), json!("cpu-load"))
    };
    // By its id, as programs of 3 ask that are given one.
    let (status, body) = portal.ask_as(scopes, "POST", "/acme/topics", &json!({ "name": id }).to_string()).await;
    assert_eq!((status, is_it(&body)), (200, true), "{body}");
    assert!(inner.topic(id).await.unwrap().is_some(), "Kafka calls it by its id");
    let (_, body) = portal.ask_as(ALL, "GET", "/acme/topics", "").await;
    let listed: Vec<Value> = serde_json::from_str(&body).unwrap();
    assert!(listed.len() == 1 && is_it(&listed[0].to_string()), "{body}");
    for text in ["cpu-load", "acme-cpu-load", "ACME-cpu-load"] {
        let (status, body) = portal.ask_as(scopes, "GET", &format!("/acme/topics/{text}"), "").await;
        assert!(status == 200 && is_it(&body), "{text}: {body}");
        let body = json!({ "Name": text }).to_string();
        let (status, body) = portal.ask_as(scopes, "POST", "/acme/topics", &body).await;
        assert_eq!((status, message(&body).contains("already exists")), (400, true), "{text}: {body}");
    }
    let (status, _) = portal.ask("GET", "/acme/topics/elsewhere", "").await;
    assert_eq!(status, 404, "without the prefix it is none of ours");
}

#[tokio::test]
async fn a_topic_is_made_once_and_is_as_it_was_asked_for() {
    let portal = portal_at(sasl());
    let wanted = json!({ "name": "acme-changelog", "configuration": {
        "partitions": 4, "replicationFactor": null, "retentionInMinutes": 60, "retentionInBytes": -1, "cleanupPolicy": "compact",
    }});
    let (status, body) = portal.ask("POST", "/acme/topics", &wanted.to_string()).await;
    let made = json!({ "id": "changelog", "name": "changelog", "workspaceId": "acme", "status": "Ready", "configuration": {
        "partitions": 4, "replicationFactor": 1, "retentionInMinutes": 60, "retentionInBytes": -1, "cleanupPolicy": "Compact",
    }});
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, made.clone()));
    let (_, body) = portal.ask("GET", "/acme/topics/acme-changelog", "").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), made);

    for name in ["changelog", "acme-changelog"] {
        let (status, body) = portal.ask("POST", "/acme/topics", &json!({ "Name": name }).to_string()).await;
        let wanted = format!("Topic with name similar to '{name}' already exists.");
        assert_eq!((status, message(&body)), (400, wanted), "whoever may make it or not goes on with it");
    }
    let (status, _) = portal.ask_as("kafka read:*", "POST", "/acme/topics", r#"{"Name":"changelog"}"#).await;
    assert_eq!(status, 400, "it is there also for whoever may not make one");
    for name in ["a/b", "", "__x", &"n".repeat(250)] {
        let (status, body) = portal.ask("POST", "/acme/topics", &json!({ "Name": name }).to_string()).await;
        assert_eq!(status, 400, "{name:?}: {body}");
    }
    let (status, _) = portal.ask("POST", "/acme/topics", &" ".repeat(64 * 1024 + 1)).await;
    assert_eq!(status, 413);
    let closed = PortalSettings { create_topics: false, ..PortalSettings::default() };
    let (status, body) = portal_with(closed).ask("POST", "/acme/topics", r#"{"Name":"t"}"#).await;
    assert_eq!((status, message(&body).contains("portal.create_topics")), (403, true), "{body}");
}

#[tokio::test]
async fn a_topic_that_another_program_makes_meanwhile_is_there() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("cpu-load", None).await.unwrap();
    broker.hide_topics();
    let portal = Asked::new(broker, PortalSettings::default());
    for name in ["cpu-load", "acme-cpu-load"] {
        let (status, body) = portal.ask("POST", "/acme/topics", &json!({ "Name": name }).to_string()).await;
        let wanted = format!("Topic with name similar to '{name}' already exists.");
        assert_eq!((status, message(&body)), (400, wanted));
    }
}

#[tokio::test]
async fn a_topic_that_is_told_to_exist_is_found_at_every_broker() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("cpu-load", None).await.unwrap();
    broker.hear_late();
    let portal = Asked::new(broker, PortalSettings::default());
    let (status, body) = portal.ask("POST", "/acme/topics", r#"{"Name":"cpu-load"}"#).await;
    assert_eq!((status, message(&body).contains("already exists")), (400, true), "{body}");
    let (status, body) = portal.ask("GET", "/acme/topics/cpu-load", "").await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_topic_that_is_there_is_told_of_also_where_kafka_lets_nobody_make_one() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("there", None).await.unwrap();
    broker.forbid_topics();
    let portal = Asked::new(broker, PortalSettings::default());
    for (name, says) in [("there", "already exists"), ("new", "topic authorization failed")] {
        let (_, body) = portal.ask("POST", "/acme/topics", &json!({ "Name": name }).to_string()).await;
        assert!(message(&body).contains(says), "{body}");
    }
}

#[tokio::test]
async fn a_topic_that_is_new_is_told_of_as_soon_as_all_brokers_know_it() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let portal = Asked::new(broker.clone(), PortalSettings::default());
    assert_eq!(portal.ask("GET", "/acme/topics", "").await, (200, "[]".to_owned()));
    broker.hide_settings(3);
    let (status, body) = portal.ask("POST", "/acme/topics", r#"{"Name":"t"}"#).await;
    assert_eq!((status, body.contains("retentionInMinutes")), (200, true), "{body}");
    let (_, body) = portal.ask("GET", "/acme/topics", "").await;
    assert!(body.contains("\"t\""), "whoever made it finds it in the list: {body}");
    broker.hide_settings(u32::MAX);
    assert_eq!(portal.ask("GET", "/acme/topics/t", "").await.0, 404);
}

#[tokio::test]
async fn a_topic_is_being_created_while_it_has_no_leaders() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("t", None).await.unwrap();
    for (are_lost, status) in [(true, "Creating"), (false, "Ready")] {
        broker.lose_leaders(are_lost);
        let portal = Asked::new(broker.clone(), PortalSettings::default());
        let status = format!("\"status\":\"{status}\"");
        for path in ["/acme/topics", "/acme/topics/t"] {
            let (_, body) = portal.ask("GET", path, "").await;
            assert!(body.contains(&status) && !body.contains("lastError"), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_of() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.die();
    let portal = Asked::new(broker, PortalSettings::default());
    for (method, path) in [("GET", "/acme/topics"), ("GET", "/acme/topics/t"), ("POST", "/acme/topics")] {
        let (status, body) = portal.ask(method, path, r#"{"Name":"t"}"#).await;
        assert_eq!(status, 503, "{method} {path}");
        assert_eq!(message(&body), "The broker cannot be reached. Try again when the server is ready.");
    }
}

#[tokio::test]
async fn permissions_are_of_the_workspace() {
    let portal = portal_at(sasl());
    for (query, permits) in [
        ("resourceType=Workspace&resourceId=acme&permission=Read", "true"),
        ("resourceType=Workspace&resourceID=ACME&permissions=Read", "true"),
        ("resourceType=Workspace&resourceId=other&permission=Read", "false"),
        ("resourceType=Workspace&resourceId=acme&permission=Update", "false"),
        ("resourceType=Project&resourceId=acme&permission=Read", "false"),
        ("", "false"),
    ] {
        let answer = portal.ask("GET", &format!("/auth/permissions/query?{query}"), "").await;
        assert_eq!(answer, (200, permits.to_owned()), "{query}");
    }
}

/// What tells of Kafka.
const OF_KAFKA: [&str; 4] =
    ["/workspaces", "/workspaces/acme", "/workspaces/acme/broker/librdkafka", "/workspaces/acme/certificates"];

/// On this machine, without TLS.
fn program(scopes: &str) -> Program {
    Program { visitor: visitor(scopes), address: [127, 0, 0, 1].into(), is_here: true, is_encrypted: false }
}

fn sasl() -> KafkaAccess {
    KafkaAccess {
        address: "kafka.example:9093".into(),
        is_for_this_machine: false,
        security: Security::SaslSsl(Mechanism::ScramSha256),
        ca: Some("PEM".into()),
        credentials: Some(Credentials { username: "programs".into(), password: "hush".into() }),
        of_users: BTreeMap::new(),
    }
}

fn portal_at(kafka: KafkaAccess) -> Asked {
    portal_with(PortalSettings { kafka: Ok(kafka), ..PortalSettings::default() })
}

fn portal_with(settings: PortalSettings) -> Asked {
    Asked::new(Arc::new(MemoryBroker::new()), settings)
}

/// A portal of the workspace `Acme`, and its broker.
struct Asked {
    portal: Portal,
    broker: Arc<dyn Broker>,
}

impl Asked {
    fn new(broker: Arc<dyn Broker>, settings: PortalSettings) -> Self {
        let feeds = Feeds::new(broker.clone(), std::time::Duration::from_secs(1));
        let of_gateway = Settings { workspace: "Acme".into(), ..Settings::default() };
        let gateway = Gateway::new(broker.clone(), feeds, of_gateway, Metrics::default());
        Self { portal: Portal::new(gateway, settings), broker }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_as(ALL, method, path, body).await
    }

    async fn ask_as(&self, scopes: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let response = self.respond(program(scopes), method, path, body).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn respond(&self, program: Program, method: &str, path: &str, body: &str) -> Response {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
        self.portal.answer(request, &program).await
    }
}

/// What the user of a library is shown; the rest of the document says the same.
fn message(body: &str) -> String {
    let document: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(document["message"], document["detail"], "{body}");
    document["message"].as_str().unwrap_or_else(|| panic!("no message: {body}")).to_owned()
}
