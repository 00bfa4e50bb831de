//! The Kafka broker kind against a real Kafka: the contract, and the faults a release must survive.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::kafka::Kafka;
use futures::future::join_all;
use kafka_bridge::broker::{
    AckError, Broker, BrokerError, Deliveries, Delivery, Health, NotWritten, ReadError, Start, Stored,
};
use kafka_bridge::contract::broker_contract;
use kafka_bridge::kafka::testing::TopicAdmin;
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::names::MAX_NAME_BYTES;
use kafka_bridge::record::{NewRecord, Record};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::OnceCell;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    broker_contract(connect(shared().await), MAX_NAME_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_joins_miss_nothing() {
    let broker = connect(shared().await);
    let topic = make_topic(&broker, "joins", 3).await;
    for round in 0..200 {
        let mut reader = broker.read(&topic, Start::End).await.unwrap();
        let text = format!("{round}");
        store(&broker, &topic, &text, &text).await;
        assert_eq!(texts(&take(&mut reader, 1).await), [text]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_doubled_or_reordered_when_the_broker_is_killed() {
    let mut kafka = Kafka::start().await;
    // Longer than a Kafka takes to start on a busy machine.
    let settings = KafkaSettings { delivery_timeout: Duration::from_secs(120), ..settings(&kafka) };
    let broker = KafkaBroker::connect(settings, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "killed", 2).await;
    let mut live = broker.read(&topic, Start::End).await.unwrap();
    let writing = Arc::new(AtomicBool::new(true));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writer = tokio::spawn(write_numbers(broker.clone(), topic.clone(), writing.clone(), acknowledged.clone()));

    until("records are acknowledged", || acknowledged.load(Ordering::Relaxed) > 500).await;
    kafka.kill();
    let killed = Instant::now();
    until("the loss is noticed", || broker.health() != Health::Reachable).await;
    let noticed = killed.elapsed();
    kafka.restart().await;
    let returned = Instant::now();
    let before = acknowledged.load(Ordering::Relaxed);
    until("it goes on", || acknowledged.load(Ordering::Relaxed) > before).await;
    let recovered = returned.elapsed();
    until("the return is noticed", || broker.health() == Health::Reachable).await;
    println!("loss noticed after {noticed:?}, first acknowledgement {recovered:?} after the fixture found it ready");
    until("much is acknowledged", || acknowledged.load(Ordering::Relaxed) > before + 500).await;
    writing.store(false, Ordering::Relaxed);
    let (sent, stored) = writer.await.unwrap();

    assert_eq!(stored.len(), sent, "a broker away for less than the delivery timeout costs nothing");
    let seen = take(&mut live, sent).await;
    let again = broker.read(&topic, Start::Earliest).await;
    let kept = take(&mut again.unwrap(), sent).await;
    for records in [&seen, &kept] {
        for key in KEYS {
            let of_key = records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes()));
            let numbers: Vec<usize> = of_key.map(|record| text(record).parse().unwrap()).collect();
            let wanted: Vec<usize> = (0..sent).filter(|n| KEYS[n % KEYS.len()] == key).collect();
            assert_eq!(numbers, wanted, "{key}: each once, in order");
        }
    }
    let at: BTreeMap<usize, Stored> = stored;
    for record in &kept {
        let number: usize = text(record).parse().unwrap();
        assert_eq!(at[&number], Stored { partition: record.partition, offset: record.offset });
    }
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    assert!(recovered < Duration::from_secs(10), "{recovered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_delays_and_costs_nothing() {
    let kafka = Kafka::start().await;
    let broker = connect(&kafka);
    let topic = make_topic(&broker, "frozen", 1).await;
    let mut live = broker.read(&topic, Start::End).await.unwrap();
    store(&broker, &topic, "k", "before").await;
    kafka.freeze();
    until("the freeze is noticed", || broker.health() != Health::Reachable).await;
    let meanwhile = broker.append(&topic, record("k", "meanwhile")).unwrap();
    assert_eq!(broker.topic(&topic).await, Err(BrokerError::Unreachable));
    kafka.thaw();
    meanwhile.await.unwrap();
    assert_eq!(texts(&take(&mut live, 2).await), ["before", "meanwhile"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_never_there_refuses_in_time_and_is_used_when_it_comes() {
    let mut kafka = Kafka::prepare();
    let settings = KafkaSettings { delivery_timeout: Duration::from_secs(2), ..settings(&kafka) };
    let broker = KafkaBroker::connect(settings, Metrics::default()).unwrap();
    let begun = Instant::now();
    let acks: Vec<_> = (0..10).map(|_| broker.append("early", record("k", "x")).unwrap()).collect();
    for ack in acks {
        assert_eq!(ack.await, Err(AckError::NotWritten(NotWritten::Unavailable)));
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "delivery timeout + 1 s: {:?}", begun.elapsed());
    assert!(matches!(broker.health(), Health::Unreachable { since } if since >= begun - Duration::from_secs(1)));
    assert_eq!(broker.topics().await, Err(BrokerError::Unreachable));
    assert_eq!(broker.read("early", Start::End).await.map(drop), Err(ReadError::Broker(BrokerError::Unreachable)));

    kafka.restart().await;
    until("it is reached", || broker.health() == Health::Reachable).await;
    let topic = make_topic(&broker, "early", 1).await;
    let mut reader = broker.read(&topic, Start::End).await.unwrap();
    store(&broker, &topic, "k", "at last").await;
    assert_eq!(texts(&take(&mut reader, 1).await), ["at last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_gone_for_live_readers_and_replays() {
    let kafka = shared().await;
    let (broker, admin) = (connect(kafka), admin(kafka));
    for anew in [false, true] {
        let topic = make_topic(&broker, "deleted", 2).await;
        let other = make_topic(&broker, "stays", 1).await;
        store(&broker, &topic, "k", "old").await;
        let mut live = broker.read(&topic, Start::End).await.unwrap();
        let mut stays = broker.read(&other, Start::End).await.unwrap();
        let mut replay = broker.read(&topic, Start::Earliest).await.unwrap();
        assert_eq!(texts(&take(&mut replay, 1).await), ["old"]);
        admin.delete(&topic).await.unwrap();
        if anew {
            make_again(&admin, &topic).await;
        }
        assert_eq!(last(&mut live).await, Delivery::TopicGone);
        assert_eq!(last(&mut replay).await, Delivery::TopicGone);
        assert_eq!(live.next().await, None);
        store(&broker, &other, "k", "on").await;
        assert_eq!(texts(&take(&mut stays, 1).await), ["on"]);
        if anew {
            let mut new = broker.read(&topic, Start::End).await.unwrap();
            store(&broker, &topic, "k", "new").await;
            assert_eq!(texts(&take(&mut new, 1).await), ["new"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_are_read_from_their_first_record_on() {
    let kafka = shared().await;
    let (broker, admin) = (connect(kafka), admin(kafka));
    let topic = make_topic(&broker, "grows", 1).await;
    let mut live = broker.read(&topic, Start::End).await.unwrap();
    let mut replay = broker.read(&topic, Start::Earliest).await.unwrap();
    admin.grow(&topic, 4).await.unwrap();
    let mut sent = Vec::new();
    let mut partitions = 0;
    while partitions < 4 {
        // The producer hears of them within its metadata refresh; what is stored before goes where it always went.
        let text = format!("{}", sent.len());
        let stored = store(&broker, &topic, &text, &text).await;
        partitions = partitions.max(stored.partition + 1);
        sent.push(text);
    }
    for reader in [&mut live, &mut replay] {
        let mut got = texts(&take(reader, sent.len()).await);
        got.sort_unstable_by_key(|text| text.parse::<u32>().unwrap());
        assert_eq!(got, sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_topics_limit_is_refused_and_disturbs_nobody() {
    let kafka = shared().await;
    let (broker, admin) = (connect(kafka), admin(kafka));
    let topic = "small-messages";
    admin.create(topic, 1, &[("max.message.bytes", "20000")]).await.unwrap();
    until_some("topic is known", || async { broker.topic(topic).await.ok().flatten() }).await;
    let large = "x".repeat(30_000);
    // The first is refused by the broker, if the limit is not known yet; the text is the same.
    let refused = append(&broker, topic, record("k", &large)).await.unwrap_err();
    assert!(matches!(refused, AckError::NotWritten(NotWritten::TooLarge { size: 30_001, .. })), "{refused:?}");
    assert_eq!(store(&broker, topic, "k", "next").await.offset, 0);
    let known = NotWritten::TooLarge { size: 30_001, limit: 20_000 };
    until("the limit is known before sending", || {
        broker.append(topic, record("k", &large)).map(drop) == Err(known.clone())
    })
    .await;
    assert_eq!(store(&broker, topic, "k", "and next").await.offset, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_took_is_told_as_a_gap() {
    let kafka = shared().await;
    let (broker, admin) = (connect(kafka), admin(kafka));
    let topic = make_topic(&broker, "retained", 1).await;
    let mut live = broker.read(&topic, Start::End).await.unwrap();
    // More than its queue and librdkafka's hold, with nobody taking: it stands still somewhere on the way.
    let value = "x".repeat(10_000);
    let mut written = 0;
    for _ in 0..40 {
        let acks: Vec<_> = (0..100).map(|_| broker.append(&topic, record("k", &value)).unwrap()).collect();
        written = join_all(acks).await.last().unwrap().as_ref().unwrap().offset + 1;
    }
    admin.delete_records(&topic, 0, written).await.unwrap();
    let (mut read, mut next) = (0, 0);
    let lost = loop {
        match tokio::time::timeout(PATIENCE, live.next()).await.expect("a gap is told in time").unwrap() {
            Delivery::Batch(batch) => {
                assert_eq!(batch.records[0].offset, next, "no gap before the gap");
                next = batch.records.last().unwrap().offset + 1;
                read += batch.records.len() as i64;
            }
            Delivery::Gap { partition: 0, next_offset, lost } if next_offset == written => break lost,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read + lost, written, "every record is read or told as lost");
    store(&broker, &topic, "k", "after").await;
    assert_eq!(texts(&take(&mut live, 1).await), ["after"]);

    let mut replay = broker.read(&topic, Start::Offset(5)).await.unwrap();
    assert_eq!(replay.next().await, Some(Delivery::Gap { partition: 0, next_offset: written, lost: written - 5 }));
    assert_eq!(texts(&take(&mut replay, 1).await), ["after"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_bounded_and_their_places_come_back() {
    let kafka = shared().await;
    let settings = KafkaSettings { replays: 2, ..settings(kafka) };
    let broker = KafkaBroker::connect(settings, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "replays", 1).await;
    // More than is taken off before somebody reads.
    let value = "x".repeat(10_000);
    join_all((0..600).map(|_| append(&broker, &topic, record("k", &value)))).await;
    let first = broker.read(&topic, Start::Earliest).await.unwrap();
    let _second = broker.read(&topic, Start::Offset(0)).await.unwrap();
    let refused = broker.read(&topic, Start::Earliest).await.map(drop);
    assert_eq!(refused, Err(ReadError::TooManyReaders(2)));
    broker.read(&topic, Start::End).await.map(drop).unwrap();
    let mut own = Vec::new();
    for _ in 0..3 {
        own.push(broker.read_for_server(&topic, Start::Earliest).await.expect("the server's own are not counted"));
    }
    drop(first);
    until_some("a place is free", || async { broker.read(&topic, Start::Earliest).await.ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_has_come_to_the_end_gives_its_place_back_and_goes_on() {
    let kafka = shared().await;
    let broker = KafkaBroker::connect(KafkaSettings { replays: 1, ..settings(kafka) }, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "handed-over", 2).await;
    for number in 0..20 {
        store(&broker, &topic, KEYS[number % KEYS.len()], &number.to_string()).await;
    }
    let writing = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn(write_numbers(broker.clone(), topic.clone(), writing.clone(), Arc::default()));
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(read_on(free_place(&broker, &topic).await));
    }
    drop(free_place(&broker, &topic).await);
    writing.store(false, Ordering::Relaxed);
    let (sent, _) = writer.await.unwrap();
    for seen in &readers {
        until("each has all", || seen.lock().unwrap().len() >= 20 + sent).await;
        for partition in [0, 1] {
            let seen = seen.lock().unwrap();
            let of_partition = seen.iter().filter(|record| record.partition == partition);
            let offsets: Vec<_> = of_partition.map(|record| record.offset).collect();
            assert!(offsets.iter().copied().eq(0..offsets.len() as i64), "each once, in order: {offsets:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_when_partitions_come_before_that() {
    let kafka = shared().await;
    let broker = KafkaBroker::connect(KafkaSettings { replays: 1, ..settings(kafka) }, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "grows-on-the-way", 1).await;
    // More than is taken off before somebody reads, so that it is on its way while partitions come.
    let value = "x".repeat(10_000);
    join_all((0..600).map(|_| append(&broker, &topic, record("k", &value)))).await;
    let mut reader = free_place(&broker, &topic).await;
    admin(kafka).grow(&topic, 3).await.unwrap();
    let grown = || async { broker.topic(&topic).await.ok().flatten().filter(|topic| topic.partitions == 3) };
    until_some("partitions come", grown).await;
    take(&mut reader, 600).await;
    drop(free_place(&broker, &topic).await);
    store(&broker, &topic, "k", "behind").await;
    assert_eq!(texts(&take(&mut reader, 1).await), ["behind"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_of_a_transaction_at_the_end_is_the_end_too() {
    let kafka = shared().await;
    let broker = KafkaBroker::connect(KafkaSettings { replays: 1, ..settings(kafka) }, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "transaction", 1).await;
    let (to, name) = (kafka.bootstrap(), topic.clone());
    let write = move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", to).set("transactional.id", &name);
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to(&name).key("k").payload("in a transaction")).map_err(|(error, _)| error).unwrap();
        producer.commit_transaction(PATIENCE).unwrap();
    };
    tokio::task::spawn_blocking(write).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut reader = free_place(&broker, &topic).await;
        assert_eq!(texts(&take(&mut reader, 1).await), ["in a transaction"]);
        readers.push(reader);
    }
    drop(free_place(&broker, &topic).await);
    store(&broker, &topic, "k", "behind").await;
    for reader in &mut readers {
        assert_eq!(texts(&take(reader, 1).await), ["behind"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_after_a_replay_holds_up_nobody_and_misses_nothing() {
    let kafka = shared().await;
    let broker = KafkaBroker::connect(KafkaSettings { replays: 1, ..settings(kafka) }, Metrics::default()).unwrap();
    let topic = make_topic(&broker, "slow-after", 1).await;
    store(&broker, &topic, "k", "first").await;
    let mut slow = free_place(&broker, &topic).await;
    take(&mut slow, 1).await;
    drop(free_place(&broker, &topic).await);
    let mut quick = broker.read(&topic, Start::End).await.unwrap();
    let value = "x".repeat(1_000);
    for _ in 0..200 {
        join_all((0..100).map(|_| append(&broker, &topic, record("k", &value)))).await;
        take(&mut quick, 100).await;
    }
    until_some("it is read to from an old position again", || async {
        matches!(broker.read(&topic, Start::Earliest).await, Err(ReadError::TooManyReaders(1))).then_some(())
    })
    .await;
    let late = take(&mut slow, 20_000).await;
    assert!(late.iter().zip(1..).all(|(record, offset)| record.offset == offset), "all there, in order");
}

/// A read from the beginning, as soon as there is a place for it.
async fn free_place(broker: &KafkaBroker, topic: &str) -> Deliveries {
    until_some("a place is free", || async { broker.read(topic, Start::Earliest).await.ok() }).await
}

/// Reads all the while; what has come.
fn read_on(mut reader: Deliveries) -> Arc<Mutex<Vec<Record>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let records = seen.clone();
    tokio::spawn(async move {
        while let Some(delivery) = reader.next().await {
            match delivery {
                Delivery::Batch(batch) => records.lock().unwrap().extend(batch.records),
                Delivery::CaughtUp { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
    seen
}

/// One broker for all tests that do not harm it.
async fn shared() -> &'static Kafka {
    static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
    KAFKA.get_or_init(Kafka::start).await
}

fn settings(kafka: &Kafka) -> KafkaSettings {
    KafkaSettings { brokers: kafka.bootstrap(), metadata_refresh: Duration::from_secs(1), ..KafkaSettings::default() }
}

fn connect(kafka: &Kafka) -> Arc<KafkaBroker> {
    KafkaBroker::connect(settings(kafka), Metrics::default()).unwrap()
}

fn admin(kafka: &Kafka) -> TopicAdmin {
    TopicAdmin::new(&kafka.bootstrap()).unwrap()
}

async fn make_topic(broker: &KafkaBroker, what: &str, partitions: i32) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{what}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    broker.create_topic(&name, Some(partitions)).await.unwrap().name
}

/// A name is free a moment after its topic was deleted.
async fn make_again(admin: &TopicAdmin, topic: &str) {
    until_some("the name is free", || async { admin.create(topic, 2, &[]).await.ok() }).await;
}

/// Writes numbers, round robin over the keys, until told to stop; how many, and where those acknowledged stand.
async fn write_numbers(
    broker: Arc<KafkaBroker>,
    topic: String,
    writing: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> (usize, BTreeMap<usize, Stored>) {
    let mut pending = Vec::new();
    while writing.load(Ordering::Relaxed) {
        let number = pending.len();
        let ack = broker.append(&topic, record(KEYS[number % KEYS.len()], &number.to_string())).unwrap();
        let acknowledged = acknowledged.clone();
        pending.push(tokio::spawn(async move {
            let answer = ack.await;
            acknowledged.fetch_add(u64::from(answer.is_ok()), Ordering::Relaxed);
            answer
        }));
        tokio::time::sleep(Duration::from_millis(1)).await; // a rate, not a wait
    }
    let sent = pending.len();
    let mut stored = BTreeMap::new();
    for (number, answer) in join_all(pending).await.into_iter().enumerate() {
        stored.extend(answer.unwrap().ok().map(|at| (number, at)));
    }
    (sent, stored)
}

const KEYS: [&str; 3] = ["car-1", "car-2", "car-3"];

async fn append(broker: &KafkaBroker, topic: &str, record: NewRecord<'_>) -> Result<Stored, AckError> {
    broker.append(topic, record)?.await
}

async fn store(broker: &KafkaBroker, topic: &str, key: &str, text: &str) -> Stored {
    append(broker, topic, record(key, text)).await.unwrap()
}

async fn take(reader: &mut Deliveries, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        let next = tokio::time::timeout(PATIENCE, reader.next()).await;
        match next.unwrap_or_else(|_| panic!("only {} of {count} records came", records.len())) {
            Some(Delivery::Batch(batch)) => records.extend(batch.records),
            Some(Delivery::CaughtUp { .. }) => {}
            other => panic!("after {} of {count} records: {other:?}", records.len()),
        }
    }
    assert_eq!(records.len(), count);
    records
}

/// The next delivery that is neither records nor an end mark.
async fn last(reader: &mut Deliveries) -> Delivery {
    loop {
        match tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap() {
            Delivery::Batch(_) | Delivery::CaughtUp { .. } => {}
            other => return other,
        }
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || std::future::ready(condition().then_some(()))).await;
}

async fn until_some<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn record<'a>(key: &'a str, text: &'a str) -> NewRecord<'a> {
    NewRecord { key: Some(key.as_bytes()), value: text.as_bytes(), headers: &[] }
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(text).collect()
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.as_deref().unwrap().to_vec()).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(60);
