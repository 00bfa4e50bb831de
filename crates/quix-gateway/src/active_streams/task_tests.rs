//! Stories of a topic's task with connections at hand, whose answers are on their way for as long as is wanted.

use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::NewRecord;
use loadtest::client::HubClient;
use serde_json::Value;
use signalr_server::ConnectionHandle;

use super::*;
use crate::active_streams::shares::Shares;
use crate::read_rules::Rows;
use crate::tools_for_tests::connect;

#[tokio::test]
async fn what_changes_while_an_answer_is_on_its_way_comes_behind_it_and_holds_up_nobody() {
    let stage = Stage::set().await;
    let ((slow, slow_connection), (quick, quick_connection)) = (connect().await, connect().await);
    let (list, slow_gate) = stage.subscribe(&slow_connection, "ws").await;
    assert!(list.0.is_empty());
    let (_, quick_gate) = stage.subscribe(&quick_connection, "ws").await;
    drop(quick_gate);
    for stream in ["a", "b"] {
        stage.write(stream).await;
        assert_eq!(next(&quick).await, ("ws-f1".to_owned(), stream.to_owned()));
    }
    // Behind it, as nothing has overtaken it: what comes now is what comes first.
    slow_connection.push(&said(&slow_connection), Instant::now());
    drop(slow_gate);
    assert_eq!(call(&slow).await.0, "Said");
    for stream in ["a", "b"] {
        assert_eq!(next(&slow).await.1, stream);
    }
    stage.write("c").await;
    assert_eq!((next(&slow).await.1, next(&quick).await.1), ("c".to_owned(), "c".to_owned()));
}

#[tokio::test]
async fn who_leaves_and_comes_back_waits_for_its_own_answer() {
    let stage = Stage::set().await;
    let (client, connection) = connect().await;
    let (_, first) = stage.subscribe(&connection, "ws").await;
    stage.leave(&connection, Scope::Topic).await;
    stage.write("before").await;
    let (watcher, watching) = connect().await;
    let (list, second) = loop {
        let (list, gate) = stage.subscribe(&watching, "ws").await;
        drop(gate);
        if !list.0.is_empty() {
            break stage.subscribe(&connection, "ws").await;
        }
    };
    assert_eq!(list.0.len(), 1);
    drop(first);
    stage.write("after").await;
    assert_eq!(next(&watcher).await.1, "after", "it is told");
    connection.push(&said(&connection), Instant::now());
    drop(second);
    assert_eq!(call(&client).await.0, "Said", "the first answer was another's");
    assert_eq!(next(&client).await.1, "after");
}

#[tokio::test]
async fn workspaces_share_a_task_and_each_is_told_its_own_ids() {
    let stage = Stage::set().await;
    let ((a, in_a), (b, in_b)) = (connect().await, connect().await);
    drop(stage.subscribe(&in_a, "a").await.1);
    drop(stage.subscribe(&in_b, "b").await.1);
    stage.write("car").await;
    assert_eq!(next(&a).await, ("a-f1".to_owned(), "car".to_owned()));
    assert_eq!(next(&b).await, ("b-f1".to_owned(), "car".to_owned()));
    let (list, _gate) = stage.subscribe(&in_b, "b").await;
    assert_eq!(list.0[0].0.id, "b-f1");
}

#[tokio::test]
async fn a_topic_and_all_topics_are_left_apart() {
    let stage = Stage::set().await;
    let (client, connection) = connect().await;
    for scope in [Scope::AllTopics, Scope::Topic] {
        drop(stage.subscribe_as(&connection, "ws", scope).await.1);
    }
    for (leave, stream) in [(None, "a"), (Some(Scope::AllTopics), "b")] {
        if let Some(scope) = leave {
            stage.leave(&connection, scope).await;
            stage.leave(&connection, scope).await;
        }
        stage.write(stream).await;
        assert_eq!(next(&client).await.1, stream, "once");
    }
    stage.leave(&connection, Scope::Topic).await;
    let (watcher, watching) = connect().await;
    drop(stage.subscribe(&watching, "ws").await.1);
    stage.write("c").await;
    assert_eq!(next(&watcher).await.1, "c");
    connection.push(&said(&connection), Instant::now());
    assert_eq!(call(&client).await.0, "Said");
}

#[tokio::test]
async fn whatever_ends_the_task_its_subscribers_are_told() {
    let stage = Stage::set().await;
    let both: [fn(&mut Task) -> &mut Subscribers; 2] = [|task| &mut task.of_streams, |task| &mut task.of_metrics];
    for of in both {
        let (client, connection) = connect().await;
        let reading = Reading::begin(&stage.broker, "f1", 0).await.unwrap();
        let mut task = Task::new(parts(&stage.broker), reading);
        let topic = Arc::new(Topic { name: "f1".into(), id: "ws-f1".into() });
        of(&mut task).admit(Subscriber { connection, topic, scope: Scope::AllTopics }, oneshot::channel().1);
        drop(task);
        let closed = in_time(client.closed()).await.to_string();
        assert!(closed.contains(STOPPED), "{closed}");
    }
}

/// A task of the topic `f1`.
struct Stage {
    broker: Arc<dyn Broker>,
    door: mpsc::Sender<Request>,
}

impl Stage {
    async fn set() -> Self {
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        broker.create_topic("f1", None).await.unwrap();
        let door = start(parts(&broker));
        Self { broker, door }
    }

    async fn subscribe(&self, connection: &ConnectionHandle, workspace: &str) -> (StreamList, Gate) {
        self.subscribe_as(connection, workspace, Scope::Topic).await
    }

    async fn subscribe_as(&self, connection: &ConnectionHandle, workspace: &str, scope: Scope) -> (StreamList, Gate) {
        let topic = Arc::new(Topic { name: "f1".into(), id: format!("{workspace}-f1") });
        let (answer, answered) = oneshot::channel();
        let subscriber = Subscriber { connection: connection.clone(), topic, scope };
        self.door.send(Request::Streams { subscriber, answer }).await.unwrap();
        in_time(answered).await.unwrap().unwrap()
    }

    async fn leave(&self, connection: &ConnectionHandle, scope: Scope) {
        let (left, answer) = oneshot::channel();
        let leave = Request::Leave { subject: Subject::Streams, connection: connection.id(), scope, left };
        self.door.send(leave).await.unwrap();
        in_time(answer).await.unwrap();
    }

    async fn write(&self, stream: &str) {
        let record = NewRecord { key: Some(stream.as_bytes()), value: b"x", headers: &[] };
        self.broker.append("f1", record).unwrap().await.unwrap();
    }
}

fn parts(broker: &Arc<dyn Broker>) -> Parts {
    Parts {
        topic: "f1".to_owned(),
        broker: broker.clone(),
        settings: StreamSettings { update_interval: Duration::from_secs(3_600), ..StreamSettings::default() },
        max_name_bytes: 100,
        rows: Rows::default(),
        metrics: Metrics::default(),
        share: Shares::new(100, Load { streams: 100, bytes: 1 << 20 }).join(),
    }
}

fn said(connection: &ConnectionHandle) -> signalr_server::Frame {
    let mut frame = signalr_server::FrameBuilder::new(connection.encoding().unwrap());
    frame.invocation("Said", &((), "")).unwrap();
    frame.finish()
}

/// Topic id and stream id of the next call.
async fn next(client: &HubClient) -> (String, String) {
    let (target, argument) = call(client).await;
    assert_eq!(target, "ActiveStreamsChanged");
    let text = |member: &str| argument[member].as_str().unwrap().to_owned();
    (text("topicId"), text("streamId"))
}

async fn call(client: &HubClient) -> (String, Value) {
    let call = in_time(client.next_call()).await.unwrap();
    let (argument, _): (Value, Value) = call.bind().unwrap();
    (call.target, argument)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}
