//! Stories with librdkafka as the client.
#![allow(clippy::unwrap_used)]

mod listener_support;

use std::{sync::Arc, time::Duration};

use listener_support::Server;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_produced_and_committed_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    make_topic(&server, "story", 1).await;
    let producer: FutureProducer =
        config(&server).set("enable.idempotence", "true").set("compression.type", "lz4").create().unwrap();
    for number in 0..100 {
        let value = number.to_string();
        let headers = OwnedHeaders::new().insert(Header { key: "n", value: Some(&value) });
        let record = FutureRecord::to("story").key("key").payload(&value).headers(headers);
        let delivery = producer.send(record, PATIENCE).await.unwrap();
        assert_eq!((delivery.partition, delivery.offset), (0, number));
    }
    let consumer = group(&server, "readers");
    consumer.subscribe(&["story"]).unwrap();
    for number in 0..60 {
        assert_eq!(next(&consumer).await, (number, number.to_string()));
    }
    let mut position = TopicPartitionList::new();
    position.add_partition_offset("story", 0, Offset::Offset(60)).unwrap();
    consumer.commit(&position, CommitMode::Sync).unwrap();
    drop((consumer, producer));
    server.stop().await;

    let server = Server::start(folder.path()).await;
    let consumer = group(&server, "readers");
    consumer.subscribe(&["story"]).unwrap();
    for number in 60..100 {
        assert_eq!(next(&consumer).await, (number, number.to_string()), "goes on where it was");
    }
    drop(consumer);
    let consumer = group(&server, "unused");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset("story", 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    assert_eq!(next(&consumer).await, (0, "0".to_owned()));
    drop(consumer);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_share_the_partitions_and_one_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    make_topic(&server, "shared", 4).await;
    let (first, second) = (Member::join(&server), Member::join(&server));
    wait_until(|| first.owned() == 2 && second.owned() == 2).await;
    second.leave().await;
    wait_until(|| first.owned() == 4).await;
    first.leave().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_hears_of_a_record_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let producer: FutureProducer = config(&server).set("linger.ms", "0").create().unwrap();
    producer.send(FutureRecord::<(), _>::to("made-by-use").payload("first"), PATIENCE).await.unwrap();
    let consumer = group(&server, "unused");
    let mut all = TopicPartitionList::new();
    all.add_partition_offset("made-by-use", 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    assert_eq!(next(&consumer).await.1, "first");
    for number in 1..20 {
        let value = number.to_string();
        let (sent, heard) = tokio::join!(
            producer.send(FutureRecord::<(), _>::to("made-by-use").payload(&value), PATIENCE),
            next(&consumer)
        );
        sent.unwrap();
        assert_eq!(heard, (number, value));
    }
    drop((producer, consumer));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_producer_is_told_no() {
    use rdkafka::producer::Producer;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let producer: FutureProducer = config(&server).set("transactional.id", "x").create().unwrap();
    let refused = tokio::task::spawn_blocking(move || producer.init_transactions(PATIENCE)).await.unwrap();
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("Transactional Id authorization failed") || text.contains("TransactionalId"), "{text}");
    server.stop().await;
}

fn config(server: &Server) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server.bootstrap()).set("topic.metadata.refresh.fast.interval.ms", "50");
    config
}

fn group(server: &Server, group: &str) -> StreamConsumer {
    let mut config = config(server);
    config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "200").create().unwrap()
}

async fn make_topic(server: &Server, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(server).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1)).set("retention.ms", "1000");
    let made = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
    assert_eq!(made, [Ok(name.to_owned())]);
}

async fn next(consumer: &StreamConsumer) -> (i64, String) {
    let message = tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("in time").unwrap();
    if let Some(headers) = message.headers() {
        assert_eq!(headers.get(0).value, message.payload());
    }
    (message.offset(), String::from_utf8(message.payload().unwrap().to_vec()).unwrap())
}

/// A member of a group, polled as a member has to be.
struct Member {
    consumer: Arc<StreamConsumer>,
    polling: JoinHandle<()>,
}

impl Member {
    fn join(server: &Server) -> Self {
        let consumer = Arc::new(group(server, "team"));
        consumer.subscribe(&["shared"]).unwrap();
        let polled = consumer.clone();
        let polling = tokio::spawn(async move {
            loop {
                let _ = polled.recv().await;
            }
        });
        Self { consumer, polling }
    }

    fn owned(&self) -> usize {
        self.consumer.assignment().unwrap().count()
    }

    async fn leave(self) {
        self.polling.abort();
        let _ = self.polling.await;
        drop(self.consumer);
    }
}

async fn wait_until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
}
