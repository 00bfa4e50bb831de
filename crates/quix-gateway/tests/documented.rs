//! The OpenAPI document says what the routes answer, and nothing else.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use kafka_bridge::broker::Broker;
use kafka_bridge::feed::Feeds;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use quix_gateway::{Gateway, Settings, router};
use serde_json::Value;
use tower::ServiceExt;

/// Each route with a body that it takes.
const ROUTES: [(&str, &str, &str); 13] = [
    ("get", "/topics", ""),
    ("put", "/topics/{topic}", r#"{"partitions":1}"#),
    ("get", "/topics/{topic}/packages", ""),
    ("post", "/topics/{topic}/packages", r#"{"streamId":"s","id":"e","timestamp":1}"#),
    ("post", "/topics/{topic}/streams", "{}"),
    ("put", "/topics/{topic}/streams/{streamId}", "{}"),
    ("post", "/topics/{topic}/streams/{streamId}/close", ""),
    ("post", "/topics/{topic}/streams/{streamId}/parameters/data", r#"{"timestamps":[1]}"#),
    ("post", "/topics/{topic}/streams/{streamId}/events/data", r#"[{"id":"e","timestamp":1}]"#),
    ("put", "/topics/{topic}/streams/{streamId}/parameters", "[]"),
    ("post", "/topics/{topic}/streams/{streamId}/parameters/definitions", "[]"),
    ("put", "/topics/{topic}/streams/{streamId}/events", "[]"),
    ("post", "/topics/{topic}/streams/{streamId}/events/definitions", "[]"),
];

/// Given outside the gateway: by whoever looks at tokens, origins, hosts and addresses, and where the server stops.
const AT_THE_DOOR: [u16; 5] = [401, 403, 421, 429, 503];

#[tokio::test]
async fn each_status_that_a_route_gives_is_documented_and_no_other() {
    let documented = documented().await;
    let mut given: BTreeMap<(String, String), BTreeSet<u16>> = BTreeMap::new();
    for (method, path, body) in ROUTES {
        let statuses = given.entry((method.to_owned(), path.to_owned())).or_default();
        statuses.extend(AT_THE_DOOR);
        for provoke in PROVOCATIONS {
            statuses.insert(provoke(Route { method, path, body }).await.as_u16());
        }
    }
    // Only if a topic goes between two questions about it.
    given.entry(("put".to_owned(), "/topics/{topic}".to_owned())).or_default().insert(404);
    assert_eq!(given, documented);
}

#[tokio::test]
async fn the_examples_of_bodies_are_taken_and_hold_what_is_required() {
    let document = document().await;
    let schema = |reference: &Value| {
        let name = reference["$ref"].as_str().unwrap().trim_start_matches("#/components/schemas/");
        document["components"]["schemas"][name].clone()
    };
    let mut taken = 0;
    for (method, path, body) in ROUTES {
        let operation = &document["paths"][path][method];
        let described = &operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(
            described.is_null(),
            !body.starts_with(['{', '[']) || path.ends_with("/packages"),
            "{method} {path}"
        );
        let (body, required) = match (described["$ref"].is_string(), described["items"]["$ref"].is_string()) {
            (true, _) => (schema(described)["example"].clone(), schema(described)["required"].clone()),
            (_, true) => {
                let item = schema(&described["items"]);
                (Value::Array(vec![item["example"].clone()]), item["required"].clone())
            }
            _ => continue,
        };
        let example = if body.is_array() { &body[0] } else { &body };
        assert!(example.is_object(), "{method} {path} has no example");
        for member in required.as_array().into_iter().flatten() {
            assert!(!example[member.as_str().unwrap()].is_null(), "{method} {path}: {member}");
        }
        let text = body.to_string();
        let asked = Route { method, path, body: "" }
            .asked(server(Settings::default()).await.1, "t", |request| request.map(|_| Body::from(text.clone())));
        assert_eq!(asked.await, 200, "{method} {path}: {body}");
        taken += 1;
    }
    assert_eq!(taken, 8);
}

async fn document() -> Value {
    let (_, router) = server(Settings::default()).await;
    let request = Request::get("/swagger/v1/swagger.json").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    serde_json::from_slice(&to_bytes(answer.into_body(), usize::MAX).await.unwrap()).unwrap()
}

/// What the document says of statuses, by method and path.
async fn documented() -> BTreeMap<(String, String), BTreeSet<u16>> {
    let mut documented = BTreeMap::new();
    for (path, methods) in document().await["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap());
            documented.insert((method.clone(), path.clone()), statuses.collect());
        }
    }
    documented
}

#[derive(Clone, Copy)]
struct Route {
    method: &'static str,
    path: &'static str,
    body: &'static str,
}

type Provocation = fn(Route) -> futures::future::BoxFuture<'static, StatusCode>;

/// All that can happen to a request. Not each makes sense for each route, which then answers as usual.
const PROVOCATIONS: [Provocation; 10] = [
    |route| Box::pin(route.goes_well()),
    |route| Box::pin(route.with_bytes_that_are_no_text()),
    |route| Box::pin(route.to_an_unknown_topic()),
    |route| Box::pin(route.where_no_more_topics_are_made()),
    |route| Box::pin(route.with_a_body_that_never_ends()),
    |route| Box::pin(route.with_a_body_that_is_too_large()),
    |route| Box::pin(route.with_a_compressed_body()),
    |route| Box::pin(route.with_other_partitions()),
    |route| Box::pin(route.while_the_broker_is_away()),
    |route| Box::pin(route.of_which_nobody_hears_again()),
];

impl Route {
    async fn goes_well(self) -> StatusCode {
        self.asked(server(Settings::default()).await.1, "t", |request| request).await
    }

    async fn with_bytes_that_are_no_text(self) -> StatusCode {
        self.asked(server(Settings::default()).await.1, "%ff", |request| request).await
    }

    async fn to_an_unknown_topic(self) -> StatusCode {
        self.asked(server(Settings::default()).await.1, "unknown", |request| request).await
    }

    async fn where_no_more_topics_are_made(self) -> StatusCode {
        let settings = Settings { create_topics: true, max_topics: 1, ..Settings::default() };
        self.asked(server(settings).await.1, "unknown", |request| request).await
    }

    async fn with_a_body_that_never_ends(self) -> StatusCode {
        let settings = Settings { body_timeout: Duration::from_millis(1), ..Settings::default() };
        let never = |request: Request<Body>| {
            let pieces = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
            request.map(|_| Body::from_stream(pieces))
        };
        self.asked(server(settings).await.1, "t", never).await
    }

    async fn with_a_body_that_is_too_large(self) -> StatusCode {
        self.with_header("content-length", "1000000000").await
    }

    async fn with_a_compressed_body(self) -> StatusCode {
        self.with_header("content-encoding", "gzip").await
    }

    async fn with_other_partitions(self) -> StatusCode {
        let other = |request: Request<Body>| request.map(|_| Body::from(r#"{"partitions":2}"#));
        if self.method == "put" && self.path == "/topics/{topic}" {
            return self.asked(server(Settings::default()).await.1, "t", other).await;
        }
        self.goes_well().await
    }

    async fn while_the_broker_is_away(self) -> StatusCode {
        let (broker, router) = server(Settings::default()).await;
        broker.die();
        self.asked(router, "t", |request| request).await
    }

    /// The topic is known; then the broker goes.
    async fn of_which_nobody_hears_again(self) -> StatusCode {
        let (broker, router) = server(Settings::default()).await;
        let first = self.asked(router.clone(), "t", |request| request).await;
        assert_eq!(first, 200, "{} {}", self.method, self.path);
        if self.method == "get" || self.path == "/topics/{topic}" {
            return first;
        }
        broker.die();
        self.asked(router, "t", |request| request).await
    }

    async fn with_header(self, name: &'static str, value: &'static str) -> StatusCode {
        let with = |mut request: Request<Body>| {
            request.headers_mut().insert(name, value.parse().unwrap());
            request
        };
        self.asked(server(Settings::default()).await.1, "t", with).await
    }

    async fn asked(self, router: Router, topic: &str, change: impl Fn(Request<Body>) -> Request<Body>) -> StatusCode {
        let path = self.path.replace("{topic}", topic).replace("{streamId}", "s%2F1");
        let method = Method::from_bytes(self.method.to_uppercase().as_bytes()).unwrap();
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        router.oneshot(change(request.body(Body::from(self.body)).unwrap())).await.unwrap().status()
    }
}

/// With one topic, `t`.
async fn server(settings: Settings) -> (Arc<MisbehavingBroker>, Router) {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("t", None).await.unwrap();
    let feeds = Feeds::new(broker.clone(), Duration::ZERO);
    (broker.clone(), router(Gateway::new(broker, feeds, settings, Default::default())))
}
