//! Stories of subscriptions to all topics, whose answers are on their way for as long as is wanted.

use futures::FutureExt;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;

use super::*;
use crate::active_streams::StreamList;
use crate::tools_for_tests::{connect, visitor};
use crate::topics::TopicPolicy;

#[tokio::test]
async fn of_all_topics_what_was_not_known_in_time_comes_behind_the_answer() {
    let (broker, streams) = stage(&["slow"]).await;
    broker.append("slow", NewRecord { key: Some(b"s"), value: b"x", headers: &[] }).unwrap().await.unwrap();
    broker.hold_joins(Some("slow"));
    let ((client, connection), (_watcher, watching)) = (connect().await, connect().await);
    let reader = visitor("read:*");
    let subscribing = streams.subscribe::<StreamList>(&Reach::AllTopics, &reader, &connection);
    let (list, gates) = in_time(subscribing).await.unwrap();
    assert!(list.0.is_empty());

    broker.hold_joins(None);
    let topic = Arc::new(streams.names(&reader, "slow"));
    let watcher = Subscriber { connection: watching, topic, scope: Scope::Topic };
    in_time(streams.ask::<StreamList>(watcher)).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await; // the follower, which asked first, was answered too, and could tell it
    }
    let mut answer = signalr_server::FrameBuilder::new(connection.encoding().unwrap());
    answer.invocation("Answer", &()).unwrap();
    connection.push(&answer.finish(), Instant::now());
    drop(gates);
    for target in ["Answer", "ActiveStreamsChanged"] {
        assert_eq!(in_time(client.next_call()).await.unwrap().target, target);
    }
}

#[tokio::test]
async fn those_who_wait_for_the_list_of_topics_share_the_next_one() {
    let (_, streams) = stage(&["t"]).await;
    let before = streams.topic_names(Duration::ZERO).await.unwrap();
    let asked = streams.listed.lock().await;
    let mut waiting = Box::pin(join_all((0..3).map(|_| streams.topic_names(Duration::ZERO))));
    assert!((&mut waiting).now_or_never().is_none());
    drop(asked);
    let lists: Vec<_> = in_time(waiting).await.into_iter().map(Result::unwrap).collect();
    assert!(lists.iter().all(|list| Arc::ptr_eq(list, &lists[0])), "asked once");
    assert!(!Arc::ptr_eq(&lists[0], &before), "an older one may lack a topic that has come");
}

async fn stage(names: &[&str]) -> (Arc<MisbehavingBroker>, Arc<ActiveStreams>) {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    for name in names {
        broker.create_topic(name, None).await.unwrap();
    }
    let policy = TopicPolicy { workspace: "ws".into(), create: false, max_topics: 3 };
    let topics = Arc::new(TopicDirectory::new(broker.clone(), policy));
    let streams = StreamSettings { look_back_wait: Duration::from_millis(50), ..StreamSettings::default() };
    let settings = Settings { streams, ..Settings::default() };
    let streams = ActiveStreams::new(broker.clone(), topics, &settings, Metrics::default());
    (broker, Arc::new(streams))
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
}
