//! Active streams and topic metrics as a hub client sees them, over a memory broker.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use futures::{SinkExt, StreamExt};
use kafka_bridge::broker::Broker;
use kafka_bridge::feed::Feeds;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;
use loadtest::client::HubClient;
use quix_gateway::metrics::Metrics;
use quix_gateway::{Gateway, Settings, StreamSettings};
use serde_json::{Value, json};
use signalr_server::{ErrorDetail, HubServer, Options, ProtocolOptions};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_subscriber_gets_the_list_and_then_each_change() {
    let server = Server::start(StreamSettings::default()).await;
    server.write("f1", "car", NUMBERS).await;
    let mut follower = server.follow("ws-f1").await;
    assert_eq!(follower.shown(), ["car Receiving"]);
    let car = &follower.streams["car"];
    assert_eq!((&car["topicId"], &car["topicName"]), (&json!("ws-f1"), &json!("f1")));
    assert_eq!(car["parameters"], json!({ "speed": { "dataType": "Numeric" } }));
    assert_eq!((&car["metadata"], &car["parents"], &car["events"]), (&json!({}), &json!([]), &json!({})));
    assert!(car["lastData"].as_str().unwrap().ends_with('Z') && car.get("name").is_none());

    server.write("f1", "car", r#"{"C":"JT","K":"StreamProperties","V":{"Name":"Lotus"}}"#).await;
    assert_eq!(follower.next().await, "AddUpdate car Receiving");
    assert_eq!(follower.streams["car"]["name"], "Lotus");
    server.write("f1", "bike", EVENT).await;
    assert_eq!(follower.next().await, "AddUpdate bike Receiving");
    assert_eq!(follower.streams["bike"]["events"], json!({ "lap": {} }));
    server.write("f1", "car", END).await;
    assert_eq!(follower.next().await, "Remove car Receiving");
    assert_eq!(follower.last["name"], "Lotus", "whole");
    assert_eq!(server.follow("f1").await.shown(), ["bike Receiving"]);
}

#[tokio::test]
async fn what_the_topic_holds_from_the_last_minutes_is_in_the_first_list() {
    let settings = StreamSettings { look_back_records: 4, ..StreamSettings::default() };
    let server = Server::start(settings).await;
    for (stream, value) in [("past", EVENT), ("ended", EVENT), ("alive", EVENT), ("ended", END), ("alive", NUMBERS)] {
        server.write("f1", stream, value).await;
    }
    let follower = server.follow("f1").await;
    assert_eq!(follower.shown(), ["alive Receiving"], "the first record is too far back");
    assert_eq!(follower.streams["alive"]["events"], json!({ "lap": {} }));
}

#[tokio::test]
async fn what_is_older_than_the_look_back_is_passed_over() {
    let settings = StreamSettings { look_back: Duration::ZERO, ..StreamSettings::default() };
    let server = Server::start(settings).await;
    server.write("f1", "old", EVENT).await;
    let written = UNIX_EPOCH.elapsed().unwrap().as_millis();
    while UNIX_EPOCH.elapsed().unwrap().as_millis() == written {
        tokio::task::yield_now().await;
    }
    let mut follower = server.follow("f1").await;
    assert_eq!(follower.shown(), [""; 0]);
    server.write("f1", "new", EVENT).await;
    assert_eq!(follower.next().await, "AddUpdate new Receiving");
}

#[tokio::test]
async fn a_topic_that_takes_long_to_read_does_not_hold_up_the_answer() {
    let settings = StreamSettings { look_back_wait: Duration::from_millis(50), ..StreamSettings::default() };
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let server = Server::over(broker.clone(), settings).await;
    server.write("f1", "car", EVENT).await;
    broker.stall_reads();
    let mut follower = server.follow("f1").await;
    assert_eq!(follower.shown(), [""; 0]);
    broker.resume_reads();
    assert_eq!(follower.next().await, "AddUpdate car Receiving");
}

/// Streams come all the time; whoever subscribes in the middle must know all of them in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_between_the_list_and_the_changes() {
    // A stream that becomes idle on a busy machine would be a change of its own.
    let settings = StreamSettings { idle_after: Duration::from_secs(3_600), ..StreamSettings::default() };
    let server = Arc::new(Server::start(settings).await);
    let (writer, enough) = (server.clone(), Arc::new(AtomicBool::new(false)));
    let is_enough = enough.clone();
    let mut pace = server.follow("f1").await;
    let writing = tokio::spawn(async move {
        while !is_enough.load(Ordering::Relaxed) {
            writer.write("f1", &format!("s{}", pace.streams.len()), EVENT).await;
            pace.next().await;
        }
        pace
    });
    let mut followers = Vec::new();
    for _ in 0..40 {
        followers.push(server.follow("f1").await);
        assert_eq!(server.first_word_after_subscribing("f1").await["type"], COMPLETION, "no change overtakes the list");
    }
    enough.store(true, Ordering::Relaxed);
    let all = writing.await.unwrap().streams;
    for follower in &mut followers {
        while follower.streams.len() < all.len() {
            follower.next().await;
        }
        assert_eq!(follower.told_again, 0, "what the list had came as a change once more");
    }
}

#[tokio::test]
async fn streams_become_idle_and_leave_by_time() {
    let settings = StreamSettings {
        idle_after: Duration::from_millis(500),
        silent_after: Duration::from_secs(3),
        ..StreamSettings::default()
    };
    let server = Server::start(settings).await;
    let mut follower = server.follow("f1").await;
    server.write("f1", "car", EVENT).await;
    for expected in ["AddUpdate car Receiving", "AddUpdate car Idle", "Remove car Idle"] {
        assert_eq!(follower.next().await, expected);
    }
}

#[tokio::test]
async fn unsubscribing_ends_one_subscription_and_no_other() {
    let server = Server::start(StreamSettings::default()).await;
    server.broker.create_topic("f2", None).await.unwrap();
    let (mut leaves, mut stays) = (server.follow("f1").await, server.follow("f1").await);
    leaves.client.invoke("SubscribeToActiveStreams", &("f2",)).await.unwrap();
    leaves.client.invoke("UnsubscribeFromActiveStreams", &("ws-f1",)).await.unwrap();
    for never in ["UnsubscribeFromActiveStreams", "UnsubscribeFromTopicMetrics"] {
        for topic in ["f1", "unknown", "*"] {
            leaves.client.invoke(never, &(topic,)).await.unwrap();
        }
    }
    server.write("f1", "car", EVENT).await;
    assert_eq!(stays.next().await, "AddUpdate car Receiving");
    server.write("f2", "car", EVENT).await;
    assert_eq!(leaves.next().await, "AddUpdate car Receiving");
    assert_eq!(leaves.last["topicName"], "f2", "the same stream of another topic");
}

#[tokio::test]
async fn topic_star_is_every_topic_also_those_that_come() {
    let server = Server::start(StreamSettings::default()).await;
    server.broker.create_topic("f2", None).await.unwrap();
    server.write("f1", "car", EVENT).await;
    server.write("f2", "bike", EVENT).await;
    let mut all = server.follow("*").await;
    assert_eq!(all.shown(), ["bike Receiving", "car Receiving"]);
    assert_eq!((&all.streams["car"]["topicName"], &all.streams["bike"]["topicId"]), (&json!("f1"), &json!("ws-f2")));
    server.write("f2", "boat", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate boat Receiving");
    server.broker.create_topic("f3", None).await.unwrap();
    server.write("f3", "plane", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate plane Receiving");
    assert_eq!(all.last["topicId"], "ws-f3");
    server.write("f3", "glider", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate glider Receiving");

    // By its own name it ends, and by no other.
    for topic in ["f1", "ws-f2"] {
        all.client.invoke("UnsubscribeFromActiveStreams", &(topic,)).await.unwrap();
    }
    server.write("f1", "lorry", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate lorry Receiving");
    all.client.invoke("UnsubscribeFromActiveStreams", &("*",)).await.unwrap();
    let mut other = server.follow("*").await;
    for topic in ["f1", "f2", "f3"] {
        server.write(topic, "last", EVENT).await;
        other.next().await;
    }
    all.client.invoke("SubscribeToActiveStreams", &("f1",)).await.unwrap();
    server.write("f1", "one more", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate one more Receiving", "of the others nothing came");
}

#[tokio::test]
async fn of_all_topics_those_that_take_long_come_as_changes() {
    let settings = StreamSettings { look_back_wait: Duration::from_millis(50), ..StreamSettings::default() };
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let server = Server::over(broker.clone(), settings).await;
    server.write("f1", "car", EVENT).await;
    broker.stall_reads();
    let mut all = server.follow("*").await;
    assert_eq!(all.shown(), [""; 0]);
    broker.resume_reads();
    assert_eq!(all.next().await, "AddUpdate car Receiving");
}

#[tokio::test]
async fn of_a_topic_that_goes_whoever_follows_all_is_told_that_its_streams_did() {
    let broker = Arc::new(MemoryBroker::new());
    let server = Server::over(broker.clone(), StreamSettings::default()).await;
    server.broker.create_topic("f2", None).await.unwrap();
    server.write("f1", "car", EVENT).await;
    let (mut all, named) = (server.follow("*").await, server.follow("f1").await);
    all.client.invoke("SubscribeToTopicMetrics", &("*",)).await.unwrap();
    broker.delete_topic("f1");
    assert_eq!(all.next().await, "Remove car Receiving");
    let closed = tokio::time::timeout(PATIENCE, named.client.closed()).await.unwrap();
    assert!(closed.to_string().contains("Topic 'f1' is gone."), "{closed}");
    server.broker.create_topic("f1", None).await.unwrap();
    server.write("f1", "bus", EVENT).await;
    assert_eq!(all.next().await, "AddUpdate bus Receiving", "the same name is a topic that has come");
}

#[tokio::test]
async fn all_topics_are_measured_each_for_itself() {
    let settings = StreamSettings { metrics_period: Duration::from_millis(50), ..StreamSettings::default() };
    let server = Server::start(settings).await;
    server.broker.create_topic("f2", None).await.unwrap();
    let names = |list: &[Value]| -> std::collections::BTreeSet<String> {
        list.iter().map(|measured| measured["topicName"].as_str().unwrap().to_owned()).collect()
    };
    let both = ["f1", "f2"].map(str::to_owned).into();
    let client = server.connect().await;
    client.invoke("SubscribeToTopicMetrics", &("*",)).await.unwrap();
    let mut measured = Vec::new();
    while names(&measured) != both || measured.len() < 6 {
        let call = tokio::time::timeout(PATIENCE, client.next_call_of("TopicMetricsUpdated")).await.unwrap().unwrap();
        measured.extend(call.bind::<(Value,)>().map(|(metrics,)| metrics));
    }
    let list: Vec<Value> = server.connect().await.invoke_as("SubscribeToTopicMetrics", &("*",)).await.unwrap();
    assert_eq!(names(&list), both);
    let times: Vec<_> =
        list.iter().map(|measured| measured["timestamp"].as_str().unwrap().trim_end_matches('Z')).collect();
    assert!(times.is_sorted(), "oldest first, whatever their topic: {times:?}");
    assert!(measured.iter().all(|measured| list.contains(measured)), "the same ones");
}

#[tokio::test]
async fn a_list_that_is_too_long_holds_those_seen_last_and_is_counted() {
    let settings = StreamSettings { max_list_bytes: 600, ..StreamSettings::default() };
    let server = Server::start(settings).await;
    server.broker.create_topic("f2", None).await.unwrap();
    let mut pace = server.follow("f1").await;
    for stream in ["a", "b", "c"] {
        server.write("f1", stream, EVENT).await;
        pace.next().await;
    }
    assert_eq!(server.follow("f1").await.shown(), ["c Receiving"]);
    assert_eq!(server.follow("*").await.shown(), ["c Receiving"]);
    let metrics = server.metrics();
    assert!(metrics.contains("limit_hits_total{limit=\"active_streams_list\"} 2\n"), "{metrics}");
}

#[tokio::test]
async fn past_their_bound_streams_leave_the_list_and_are_counted() {
    let settings = StreamSettings { max_streams_per_topic: 2, ..StreamSettings::default() };
    let server = Server::start(settings).await;
    let mut follower = server.follow("f1").await;
    for (stream, expected) in [("a", 1), ("b", 1), ("c", 2)] {
        server.write("f1", stream, EVENT).await;
        for _ in 0..expected {
            follower.next().await;
        }
    }
    assert_eq!(follower.shown(), ["b Receiving", "c Receiving"]);
    let metrics = server.metrics();
    assert!(metrics.contains("limit_hits_total{limit=\"tracked_streams\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_topic_is_measured_while_somebody_wants_it_and_for_a_while_after() {
    let settings = StreamSettings { metrics_period: Duration::from_millis(50), ..StreamSettings::default() };
    let server = Server::start(settings).await;
    server.write("f1", "before", EVENT).await;
    let first = server.connect().await;
    let list: Vec<Value> = first.invoke_as("SubscribeToTopicMetrics", &("ws-f1",)).await.unwrap();
    assert_eq!(list, [json!(null); 0]);
    server.write("f1", "car", EVENT).await;
    let mut measured = Vec::new();
    while measured.len() < 3 || measured.iter().all(|measured: &Value| measured["bytesPerSecond"] == 0) {
        let call = first.next_call_of("TopicMetricsUpdated").await.unwrap();
        let (metrics,): (Value,) = call.bind().unwrap();
        measured.push(metrics);
    }
    let last = measured.last().unwrap();
    assert_eq!((&last["topicName"], &last["topicId"]), (&json!("f1"), &json!("ws-f1")));
    assert_eq!(last["activeStreams"], 2);
    assert!(measured.iter().all(|measured| measured["bytesPerSecond"].is_u64()));
    first.invoke("UnsubscribeFromTopicMetrics", &("f1",)).await.unwrap();

    let second = server.connect().await;
    let list: Vec<Value> = second.invoke_as("SubscribeToTopicMetrics", &("f1",)).await.unwrap();
    assert_eq!(list[..measured.len()], measured, "the same ones, oldest first");
    let call = second.next_call_of("TopicMetricsUpdated").await.unwrap();
    let (next,): (Value,) = call.bind().unwrap();
    assert!(next["timestamp"].as_str() > list.last().unwrap()["timestamp"].as_str(), "behind the list");
}

#[tokio::test]
async fn a_topic_nobody_wants_any_more_is_not_followed_for_ever() {
    let settings = StreamSettings {
        metrics_period: Duration::from_millis(20),
        linger: Duration::from_millis(60),
        ..StreamSettings::default()
    };
    let server = Server::start(settings).await;
    let client = server.connect().await;
    client.invoke("SubscribeToTopicMetrics", &("f1",)).await.unwrap();
    client.next_call_of("TopicMetricsUpdated").await.unwrap();
    client.close().await;
    let (client, mut tries) = (server.connect().await, 0);
    loop {
        let list: Vec<Value> = client.invoke_as("SubscribeToTopicMetrics", &("f1",)).await.unwrap();
        client.invoke("UnsubscribeFromTopicMetrics", &("f1",)).await.unwrap();
        if list.is_empty() {
            break;
        }
        tries += 1;
        assert!(tries < 100, "it goes on though nobody is there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_told() {
    let server = Server::start(StreamSettings::default()).await;
    let client = server.connect().await;
    for method in ["SubscribeToActiveStreams", "SubscribeToTopicMetrics"] {
        for (topic, said) in
            [("unknown", "Topic 'unknown' does not exist"), ("no topic", "'no topic' is not a topic name")]
        {
            let error = client.invoke(method, &(topic,)).await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
    server.broker.create_topic("f2", None).await.unwrap();
    for method in ["SubscribeToActiveStreams", "SubscribeToTopicMetrics", "SubscribeToActiveStreams"] {
        client.invoke(method, &("f1",)).await.unwrap();
    }
    let error = client.invoke("SubscribeToActiveStreams", &("f2",)).await.unwrap_err().to_string();
    assert!(error.contains("has 2 subscriptions, as many as it may"), "{error}");
    client.invoke("UnsubscribeFromTopicMetrics", &("f1",)).await.unwrap();
    client.invoke("SubscribeToActiveStreams", &("f2",)).await.unwrap();
}

/// Whoever waits for the look back is answered once, and not with a new look without end.
#[tokio::test]
async fn that_a_topic_is_damaged_is_told_to_whoever_asks() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let server = Server::over(broker.clone(), StreamSettings::default()).await;
    server.write("f1", "car", EVENT).await;
    broker.spoil_reads();
    let client = server.connect().await;
    for _ in 0..2 {
        let refused = client.invoke("SubscribeToActiveStreams", &("f1",));
        let refused = tokio::time::timeout(PATIENCE, refused).await.expect("an answer").unwrap_err().to_string();
        assert!(refused.contains("what is stored is damaged"), "{refused}");
    }
    let nothing: Vec<Value> = client.invoke_as("SubscribeToActiveStreams", &("*",)).await.unwrap();
    assert_eq!(nothing, [json!(null); 0], "there is just one less");
}

#[tokio::test]
async fn a_topic_that_goes_ends_its_subscribers_with_the_reason() {
    let broker = Arc::new(MemoryBroker::new());
    let server = Server::over(broker.clone(), StreamSettings::default()).await;
    let follower = server.follow("f1").await;
    broker.delete_topic("f1");
    server.broker.create_topic("f1", None).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, follower.client.closed()).await.unwrap();
    assert!(closed.to_string().contains("Topic 'f1' is gone."), "{closed}");
    assert_eq!(server.follow("f1").await.shown(), [""; 0], "the new one");
}

const EVENT: &str = r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":1,"Tags":{},"Id":"lap","Value":"1"}]}"#;
const NUMBERS: &str =
    r#"{"C":"JT","K":"ParameterData","V":{"Timestamps":[1],"NumericValues":{"speed":[7.0]},"TagValues":{}}}"#;
const END: &str = r#"{"C":"JT","K":"StreamEnd","V":{}}"#;

/// Its type on the wire.
const COMPLETION: u8 = 3;

/// For a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// The hub over a broker with the topic `f1`.
struct Server {
    broker: Arc<dyn Broker>,
    url: String,
    metrics: Metrics,
}

impl Server {
    async fn start(streams: StreamSettings) -> Self {
        Self::over(Arc::new(MemoryBroker::new()), streams).await
    }

    async fn over(broker: Arc<dyn Broker>, streams: StreamSettings) -> Self {
        broker.create_topic("f1", None).await.unwrap();
        let (metrics, feeds) = (Metrics::default(), Feeds::new(broker.clone(), Duration::from_secs(60)));
        let settings = Settings { workspace: "ws".into(), max_subscriptions: 2, streams, ..Settings::default() };
        let gateway = Gateway::new(broker.clone(), feeds, settings, metrics.clone());
        let protocol = ProtocolOptions { error_detail: ErrorDetail::All, ..ProtocolOptions::default() };
        let options = Options { protocol, ..Options::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hub", listener.local_addr().unwrap());
        tokio::spawn(HubServer::new("/hub", gateway.hub(), options).serve(listener));
        Self { broker, url, metrics }
    }

    async fn write(&self, topic: &str, stream: &str, value: &str) {
        let record = NewRecord { key: Some(stream.as_bytes()), value: value.as_bytes(), headers: &[] };
        self.broker.append(topic, record).unwrap().await.unwrap();
    }

    async fn connect(&self) -> HubClient {
        HubClient::connect(&self.url).await.unwrap()
    }

    /// Subscribes to the active streams of a topic.
    async fn follow(&self, topic: &str) -> Follower {
        let client = self.connect().await;
        let subscribe = async { client.invoke_as("SubscribeToActiveStreams", &(topic,)).await };
        let list: Vec<Value> = tokio::time::timeout(PATIENCE, subscribe).await.unwrap().unwrap();
        let streams = list.into_iter().map(|stream| (id(&stream), stream)).collect();
        Follower { client, streams, last: Value::Null, told_again: 0 }
    }

    /// The first message of any kind that the hub sends to one who subscribes.
    async fn first_word_after_subscribing(&self, topic: &str) -> Value {
        let url = self.url.replace("http:", "ws:");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let call =
            json!({ "type": 1, "invocationId": "1", "target": "SubscribeToActiveStreams", "arguments": [topic] });
        socket.send(format!("{{\"protocol\":\"json\",\"version\":1}}\x1e{call}\x1e").into()).await.unwrap();
        let mut text = String::new();
        loop {
            text += socket.next().await.unwrap().unwrap().to_text().unwrap();
            let mut messages = text.split_inclusive('\x1e').filter(|message| message.ends_with('\x1e'));
            if let Some(message) = messages.nth(1) {
                return serde_json::from_str(message.trim_end_matches('\x1e')).unwrap();
            }
        }
    }

    fn metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

/// A client that keeps the list by the changes, as Quix's pages do.
struct Follower {
    client: HubClient,
    streams: BTreeMap<String, Value>,
    last: Value,
    /// Changes that told what was known already.
    told_again: usize,
}

impl Follower {
    async fn next(&mut self) -> String {
        let call = tokio::time::timeout(PATIENCE, self.client.next_call_of("ActiveStreamsChanged"));
        let (stream, action): (Value, String) = call.await.unwrap().unwrap().bind().unwrap();
        let before = match action.as_str() {
            "AddUpdate" => self.streams.insert(id(&stream), stream.clone()),
            "Remove" => self.streams.remove(&id(&stream)),
            other => panic!("{other}"),
        };
        self.told_again += usize::from(before.as_ref() == Some(&stream) && action == "AddUpdate");
        self.last = stream;
        format!("{action} {} {}", id(&self.last), self.last["status"].as_str().unwrap())
    }

    fn shown(&self) -> Vec<String> {
        let status = |stream: &Value| stream["status"].as_str().unwrap().to_owned();
        self.streams.iter().map(|(id, stream)| format!("{id} {}", status(stream))).collect()
    }
}

fn id(stream: &Value) -> String {
    stream["streamId"].as_str().unwrap().to_owned()
}
