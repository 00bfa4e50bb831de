//! The suite every kind of broker passes, as named checks. Panics where one fails, as a test does.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{BoxFuture, FutureExt};

use crate::broker::{
    AckError, Broker, CreateTopicError, Deliveries, Delivery, Health, NextOffset, NotWritten, ReadError, Start, Stored,
};
use crate::feed::{FeedEvent, Feeds};
use crate::partitioner::partition_of;
use crate::record::{NewRecord, Record};
use crate::topic_settings::{Cleanup, NewTopic};

/// Runs all checks against `broker`, one after the other, on topics of their own; prints each one's name before it runs.
/// The broker must allow topics to be made, of names of up to `longest_name` bytes, and must not make unknown ones by itself.
pub async fn broker_contract(broker: Arc<dyn Broker>, longest_name: usize) {
    for (name, check) in CHECKS {
        println!("check: {name}");
        let subject = Subject { broker: broker.clone(), longest_name };
        let checked = tokio::time::timeout(PATIENCE, check(subject)).await;
        assert!(checked.is_ok(), "check '{name}' did not end in {PATIENCE:?}");
    }
}

/// Names and checks, in the order they run.
const CHECKS: &[(&str, Check)] = &[
    ("reachable and described", |s| reachable_and_described(s).boxed()),
    ("append, then read in order", |s| append_then_read_in_order(s).boxed()),
    ("keys and values unchanged", |s| keys_and_values_unchanged(s).boxed()),
    ("headers unchanged and in order", |s| headers_unchanged_and_in_order(s).boxed()),
    ("one key, one partition, as Java chooses", |s| one_key_one_partition(s).boxed()),
    ("earliest, end, offset", |s| earliest_end_offset(s).boxed()),
    ("an offset for each partition", |s| offsets_of_each_partition(s).boxed()),
    ("offsets of a time", |s| times_are_offsets(s).boxed()),
    ("caught up, once per partition", |s| caught_up_once_per_partition(s).boxed()),
    ("a gap beyond the end", |s| gap_beyond_the_end(s).boxed()),
    ("joining at the live end skips nothing", |s| joining_skips_nothing(s).boxed()),
    ("several readers of one topic", |s| several_readers(s).boxed()),
    ("a reader that leaves disturbs nobody", |s| leaving_disturbs_nobody(s).boxed()),
    ("a slow reader does not hold up others", |s| slow_reader_alone(s).boxed()),
    ("unknown topics", |s| unknown_topics(s).boxed()),
    ("topics exist once and are listed", |s| topics_exist_once(s).boxed()),
    ("a topic that others make meanwhile can be used at once", |s| topics_made_together(s).boxed()),
    ("a topic is as it was asked for", |s| topics_are_as_asked_for(s).boxed()),
    ("names", |s| names(s).boxed()),
    ("positions", |s| positions(s).boxed()),
    ("a group goes on where it has committed", |s| groups_go_on(s).boxed()),
    ("feeds share one read", |s| feeds_share(s).boxed()),
    ("a huge message is refused, the next one is not", |s| huge_message_refused(s).boxed()),
    ("flush answers everything", |s| flush_answers(s).boxed()),
];

type Check = fn(Subject) -> BoxFuture<'static, ()>;

const PATIENCE: Duration = Duration::from_secs(120);

async fn reachable_and_described(s: Subject) {
    assert!(!s.broker.describe().is_empty());
    s.topic(1).await; // has been asked by now
    s.until("reachable", |s| s.broker.health() == Health::Reachable).await;
}

async fn append_then_read_in_order(s: Subject) {
    let topic = s.topic(1).await;
    let acks: Vec<_> = (0..500).map(|n| s.broker.append(&topic, record(Some("k"), &format!("{n}"))).unwrap()).collect();
    for (n, ack) in (0..).zip(acks) {
        assert_eq!(ack.await, Ok(Stored { partition: 0, offset: n }));
    }
    let records = s.read_all(&topic).await;
    assert_eq!(texts(&records), (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(records.iter().zip(0..).all(|(record, offset)| record.offset == offset && record.partition == 0));
}

async fn keys_and_values_unchanged(s: Subject) {
    let topic = s.topic(1).await;
    let before = now_ms();
    let long = vec![0xff_u8; 100_000];
    let sent: [(Option<&[u8]>, &[u8]); 5] = [
        (None, b"no key"),
        (Some(b""), b"empty key"),
        (Some(b"\0\xff"), b"\0\xff"),
        (Some(b"k"), b""),
        (Some(b"l"), &long),
    ];
    for (key, value) in sent {
        s.broker.append(&topic, NewRecord { key, value, headers: &[] }).unwrap().await.unwrap();
    }
    let records = s.read_all(&topic).await;
    let got: Vec<_> = records.iter().map(|record| (record.key.as_deref(), record.value.as_deref().unwrap())).collect();
    assert_eq!(got, sent);
    for record in &records {
        let timestamp = record.timestamp_ms.unwrap();
        assert!((before - 1000..=now_ms() + 1000).contains(&timestamp), "timestamp {timestamp}");
        assert_eq!(record.headers, []);
    }
}

async fn headers_unchanged_and_in_order(s: Subject) {
    let topic = s.topic(1).await;
    let headers = [("b", "2"), ("a", ""), ("b", "ä")];
    let record = NewRecord { key: Some(b"k"), value: b"v", headers: &headers };
    s.broker.append(&topic, record).unwrap().await.unwrap();
    let records = s.read_all(&topic).await;
    let got: Vec<_> =
        records[0].headers.iter().map(|header| (&*header.name, header.value.as_deref().unwrap())).collect();
    assert_eq!(got, headers.map(|(name, value)| (name, value.as_bytes())));
}

async fn one_key_one_partition(s: Subject) {
    let topic = s.topic(7).await;
    let keys: Vec<_> = (0..60).map(|n| format!("stream-{n}")).collect();
    for round in 0..3 {
        for key in &keys {
            let stored = s.store(&topic, Some(key), &format!("{round}")).await;
            assert_eq!(stored.partition, partition_of(key.as_bytes(), 7), "{key}");
        }
    }
    let mut rounds: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for record in s.read_all(&topic).await {
        let key = record.key.clone().unwrap().to_vec();
        rounds.entry(key).or_default().extend(texts(&[record]));
    }
    assert_eq!(rounds.len(), keys.len());
    assert!(rounds.values().all(|rounds| rounds == &["0", "1", "2"]));
}

async fn earliest_end_offset(s: Subject) {
    let topic = s.topic(1).await;
    for n in 0..10 {
        s.store(&topic, None, &format!("{n}")).await;
    }
    let mut earliest = s.read(&topic, Start::Earliest).await;
    let mut middle = s.read(&topic, Start::Offset(7)).await;
    let mut last = s.read(&topic, Start::Last(3)).await;
    let mut all = s.read(&topic, Start::Last(1_000)).await;
    let mut end = s.read(&topic, Start::End).await;
    s.store(&topic, None, "10").await;
    assert_eq!(texts(&earliest.take(11).await), (0..=10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(texts(&middle.take(4).await), ["7", "8", "9", "10"]);
    assert_eq!(texts(&last.take(4).await), ["7", "8", "9", "10"]);
    assert_eq!(texts(&all.take(11).await), texts(&s.read_all(&topic).await), "what is not kept is no gap");
    assert_eq!(texts(&end.take(1).await), ["10"], "the live end shows nothing from before");
}

async fn offsets_of_each_partition(s: Subject) {
    let topic = s.topic(2).await;
    let mut stored: [Vec<String>; 2] = Default::default();
    for n in 0..20 {
        let at = s.store(&topic, Some(&format!("{n}")), &format!("{n}")).await;
        stored[at.partition as usize].push(n.to_string());
    }
    let [first, second] = &stored;
    let next = |partition, offset| NextOffset { partition, offset };
    let mut rest: Vec<_> = first[2..].iter().chain(&second[1..]).cloned().collect();
    let mut read = texts(&s.read(&topic, Start::At(vec![next(0, 2), next(1, 1)])).await.take(rest.len()).await);
    rest.sort();
    read.sort();
    assert_eq!(read, rest);

    let mut rest: Vec<_> = first[2..].iter().chain(second).cloned().collect();
    let mut read = texts(&s.read(&topic, Start::At(vec![next(0, 2)])).await.take(rest.len()).await);
    rest.sort();
    read.sort();
    assert_eq!(read, rest, "a partition that is not named is read whole");
}

async fn times_are_offsets(s: Subject) {
    let topic = s.topic(1).await;
    s.store(&topic, None, "0").await;
    let first_ms = s.read(&topic, Start::Earliest).await.take(1).await[0].timestamp_ms.expect("a time");
    let mut later_ms = first_ms;
    while later_ms <= first_ms {
        s.store(&topic, None, "more").await;
        later_ms = s.read(&topic, Start::Last(1)).await.take(1).await[0].timestamp_ms.expect("a time");
    }
    let end = s.broker.positions(&topic).await.expect("it is there")[0].end;
    let at = |ms| s.broker.offsets_at(&topic, ms);
    assert_eq!(at(0).await, Ok(vec![0]));
    assert_eq!(at(first_ms).await, Ok(vec![0]));
    assert_eq!(at(later_ms).await, Ok(vec![end - 1]));
    assert_eq!(at(later_ms + 3_600_000).await, Ok(vec![end]), "the end, where there is none so late");
    assert_eq!(s.broker.offsets_at("nobody-made-it", 0).await, Err(ReadError::UnknownTopic("nobody-made-it".into())));
}

async fn caught_up_once_per_partition(s: Subject) {
    let topic = s.topic(3).await;
    for n in 0..20 {
        s.store(&topic, Some(&format!("{n}")), "x").await;
    }
    let mut reader = s.read(&topic, Start::Earliest).await;
    let (mut records, mut told) = (0, Vec::new());
    while told.len() < 3 {
        match reader.next().await {
            Delivery::Batch(batch) => records += batch.records.len(),
            Delivery::CaughtUp { partition } => told.push(partition),
            other => panic!("{other:?}"),
        }
    }
    told.sort_unstable();
    assert_eq!((records, told), (20, vec![0, 1, 2]));
    s.store(&topic, Some("more"), "y").await;
    assert!(matches!(reader.next().await, Delivery::Batch(_)), "told once only");
}

async fn gap_beyond_the_end(s: Subject) {
    let topic = s.topic(1).await;
    s.store(&topic, None, "0").await;
    let mut reader = s.read(&topic, Start::Offset(1_000)).await;
    assert_eq!(reader.next().await, Delivery::Gap { partition: 0, next_offset: 1, lost: 0 });
    s.store(&topic, None, "1").await;
    assert_eq!(texts(&reader.take(1).await), ["1"]);
}

async fn joining_skips_nothing(s: Subject) {
    let busy = s.topic(1).await;
    for round in 0..40 {
        // A topic nobody reads yet, and one that is read already: both ways of joining.
        let topic = if round % 2 == 0 { s.topic(1).await } else { busy.clone() };
        let mut reader = s.read(&topic, Start::End).await;
        let text = format!("first of round {round}");
        s.store(&topic, None, &text).await;
        assert_eq!(texts(&reader.take(1).await), [text]);
    }
}

async fn several_readers(s: Subject) {
    let topic = s.topic(2).await;
    let starts = (0..3).map(|_| s.read(&topic, Start::End)).collect::<Vec<_>>();
    let mut readers = futures::future::join_all(starts).await; // all at once
    for n in 0..20 {
        s.store(&topic, Some(&format!("{n}")), &format!("{n}")).await;
    }
    for reader in &mut readers {
        let mut got = texts(&reader.take(20).await);
        got.sort_unstable_by_key(|text| text.parse::<u32>().unwrap());
        assert_eq!(got, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

async fn leaving_disturbs_nobody(s: Subject) {
    let topic = s.topic(1).await;
    let mut stays = s.read(&topic, Start::End).await;
    for n in 0..5 {
        drop(s.read(&topic, Start::End).await);
        s.store(&topic, None, &format!("{n}")).await;
        assert_eq!(texts(&stays.take(1).await), [n.to_string()]);
    }
}

async fn slow_reader_alone(s: Subject) {
    let (slow, quick) = (s.topic(1).await, s.topic(1).await);
    let mut stuck = s.read(&slow, Start::End).await;
    let mut reader = s.read(&quick, Start::End).await;
    let value = "x".repeat(1000);
    for n in 0..100 {
        let acks: Vec<_> = (0..200).map(|_| s.broker.append(&slow, record(None, &value)).unwrap()).collect();
        for ack in acks {
            ack.await.unwrap(); // writing does not wait for readers
        }
        s.store(&quick, None, &format!("{n}")).await;
        assert_eq!(texts(&reader.take(1).await), [n.to_string()]);
    }
    let late = stuck.take(20_000).await;
    assert!(late.iter().zip(0..).all(|(record, offset)| record.offset == offset), "all there, in order, once it reads");
}

async fn unknown_topics(s: Subject) {
    let name = unique("missing");
    assert_eq!(s.broker.topic(&name).await.unwrap(), None);
    for start in [Start::End, Start::Earliest, Start::Offset(3)] {
        let error = s.broker.read(&name, start).await.map(drop).unwrap_err();
        assert_eq!(error, ReadError::UnknownTopic(name.clone()));
    }
    assert_eq!(s.broker.positions(&name).await.unwrap_err(), ReadError::UnknownTopic(name.clone()));
    assert_eq!(
        s.append(&name, record(None, "x")).await,
        Err(AckError::NotWritten(NotWritten::UnknownTopic(name.clone())))
    );
    assert_eq!(s.broker.topic(&name).await.unwrap(), None, "nothing of this made it");
    // Whoever makes it now can use it at once.
    s.broker.create_topic(&name, None).await.unwrap();
    s.store(&name, None, "x").await;
}

async fn topics_exist_once(s: Subject) {
    let name = unique("once");
    let made = s.broker.create_topic(&name, Some(3)).await.unwrap();
    assert_eq!((made.name.as_str(), made.partitions), (name.as_str(), 3));
    assert_eq!(s.broker.create_topic(&name, Some(3)).await, Err(CreateTopicError::Exists(name.clone())));
    assert_eq!(s.broker.topic(&name).await.unwrap(), Some(made.clone()));
    let listed = s.broker.topics().await.unwrap();
    assert!(listed.contains(&made));
    assert!(listed.is_sorted_by(|a, b| a.name < b.name), "by name");
    assert!(listed.iter().all(|topic| !topic.name.starts_with("__")));
    assert!(s.broker.create_topic(&unique("default"), None).await.unwrap().partitions >= 1);
}

/// Who is told that a topic exists goes on with it, as who made it does.
async fn topics_made_together(s: Subject) {
    for _ in 0..40 {
        let name = unique("together");
        let uses = (0..6).map(async |_| {
            let created = s.broker.create_topic(&name, Some(2)).await;
            let found = s.broker.topic(&name).await.unwrap();
            assert!(found.is_some_and(|topic| topic.partitions == 2), "not found after {created:?}");
            s.store(&name, None, "x").await;
            created
        });
        let (made, others): (Vec<_>, Vec<_>) =
            futures::future::join_all(uses).await.into_iter().partition(|created| created.is_ok());
        assert_eq!(made.len(), 1, "{name}");
        assert!(others.iter().all(|other| *other == Err(CreateTopicError::Exists(name.clone()))), "{others:?}");
    }
}

async fn topics_are_as_asked_for(s: Subject) {
    let (plain, special) = (unique("plain"), unique("special"));
    let wanted = NewTopic {
        partitions: Some(2),
        // More than there are brokers in any test.
        replication_factor: Some(9),
        retention_ms: Some(3_600_000),
        retention_bytes: Some(-7),
        cleanup: Some(Cleanup::CompactAndDelete),
    };
    assert_eq!(s.broker.topic_settings(&special).await, Ok(None));
    assert_eq!(s.broker.make_topic(&special, wanted).await.unwrap().partitions, 2);
    let settings = s.broker.topic_settings(&special).await.unwrap().unwrap();
    assert_eq!((settings.retention_ms, settings.retention_bytes), (3_600_000, -1));
    assert_eq!(settings.cleanup, Cleanup::CompactAndDelete);
    assert!((1..9).contains(&settings.replication_factor), "{settings:?}");

    s.broker.create_topic(&plain, None).await.unwrap();
    let settings = s.broker.topic_settings(&plain).await.unwrap().unwrap();
    assert_eq!((settings.cleanup, settings.retention_bytes), (Cleanup::Delete, -1));
    assert!(settings.replication_factor >= 1 && settings.retention_ms >= -1, "{settings:?}");
}

async fn names(s: Subject) {
    let longest = format!("{:n<1$}", unique("Longest._-"), s.longest_name);
    assert_eq!(s.broker.create_topic(&longest, Some(1)).await.unwrap().name, longest);
    let too_long = "n".repeat(s.longest_name + 1);
    for name in ["", ".", "..", "a/b", "a b", "käse", "a\0b", "__internal", &too_long] {
        let error = s.broker.create_topic(name, Some(1)).await.unwrap_err();
        assert!(matches!(error, CreateTopicError::Invalid { .. }), "{name:?}: {error:?}");
        assert_eq!(s.broker.topic(name).await, Ok(None), "{name:?}");
        let error = s.broker.read(name, Start::End).await.map(drop).unwrap_err();
        assert_eq!(error, ReadError::UnknownTopic(name.to_owned()));
        let error = s.append(name, record(None, "x")).await.unwrap_err();
        assert_eq!(error, AckError::NotWritten(NotWritten::UnknownTopic(name.to_owned())));
    }
    let error = s.broker.create_topic(&unique("none"), Some(0)).await.unwrap_err();
    assert!(matches!(error, CreateTopicError::Invalid { .. }), "{error:?}");
}

async fn positions(s: Subject) {
    let topic = s.topic(2).await;
    let key = (0..).map(|n| n.to_string()).find(|key| partition_of(key.as_bytes(), 2) == 1).unwrap();
    for _ in 0..5 {
        s.store(&topic, Some(&key), "x").await;
    }
    let positions = s.broker.positions(&topic).await.unwrap();
    let got: Vec<_> = positions.iter().map(|p| (p.partition, p.earliest, p.end)).collect();
    assert_eq!(got, [(0, 0, 0), (1, 0, 5)]);
}

async fn groups_go_on(s: Subject) {
    let (topic, other, group) = (s.topic(2).await, s.topic(1).await, unique("group"));
    let key = (0..).map(|n| n.to_string()).find(|key| partition_of(key.as_bytes(), 2) == 1).unwrap();
    for n in 0..5 {
        s.store(&topic, Some(&key), &format!("{n}")).await;
    }
    let next = |partition, offset| NextOffset { partition, offset };
    assert_eq!(s.broker.committed(&group, &topic).await, Ok(vec![]), "nobody has committed yet");
    s.broker.commit(&group, &topic, vec![next(1, 4)]).await.unwrap();
    assert_eq!(s.broker.committed(&group, &topic).await, Ok(vec![next(1, 4)]), "partition 0 has none");
    s.broker.commit(&group, &topic, vec![next(0, 0)]).await.unwrap();
    s.broker.commit(&group, &topic, vec![next(1, 3)]).await.unwrap();
    let mut committed = s.broker.committed(&group, &topic).await.unwrap();
    committed.sort_unstable();
    assert_eq!(committed, [next(0, 0), next(1, 3)], "the last word on each partition");
    for (group, topic) in [(unique("group"), &topic), (group.clone(), &other), (group.clone(), &unique("nowhere"))] {
        assert_eq!(s.broker.committed(&group, topic).await, Ok(vec![]), "{group} {topic}");
    }
    let nowhere = unique("nowhere");
    let error = s.broker.commit(&group, &nowhere, vec![next(0, 1)]).await.unwrap_err();
    assert_eq!(error, ReadError::UnknownTopic(nowhere));

    let mut goes_on = s.read(&topic, Start::At(committed)).await;
    assert_eq!(texts(&goes_on.take(2).await), ["3", "4"]);
    let mut from_the_first = s.read(&topic, Start::At(vec![next(0, 0)])).await;
    assert_eq!(from_the_first.take(5).await.len(), 5, "a partition that is not named");
}

async fn feeds_share(s: Subject) {
    let topic = s.topic(1).await;
    let feeds = Feeds::new(s.broker.clone(), Duration::from_secs(60));
    let mut followers = futures::future::join_all((0..4).map(|_| feeds.follow(&topic))).await;
    s.store(&topic, None, "for all").await;
    let mut events = Vec::new();
    for follower in &mut followers {
        events.push(follower.as_mut().unwrap().recv().await.unwrap());
    }
    assert!(matches!(&*events[0], FeedEvent::Batch(batch) if texts(&batch.records) == ["for all"]));
    assert!(events.iter().all(|event| Arc::ptr_eq(event, &events[0])), "one event, shared");
    for n in 0..20 {
        let mut joins_running = feeds.follow(&topic).await.unwrap();
        s.store(&topic, None, &format!("{n}")).await;
        let FeedEvent::Batch(batch) = &*joins_running.recv().await.unwrap() else { panic!("not a batch") };
        assert_eq!(texts(&batch.records), [n.to_string()]);
    }
    assert_eq!(feeds.followed(), [topic]);
}

async fn huge_message_refused(s: Subject) {
    let topic = s.topic(1).await;
    let huge = vec![b'x'; 64 << 20];
    let error = s.append(&topic, NewRecord { key: None, value: &huge, headers: &[] }).await.unwrap_err();
    let AckError::NotWritten(NotWritten::TooLarge { size, limit }) = error else { panic!("{error:?}") };
    assert!(size == huge.len() && limit < size, "{size} {limit}");
    assert_eq!(s.store(&topic, None, "next").await.offset, 0);
}

async fn flush_answers(s: Subject) {
    let topic = s.topic(1).await;
    let acks: Vec<_> = (0..100).map(|_| s.broker.append(&topic, record(None, "x")).unwrap()).collect();
    assert!(s.broker.flush().await, "it is told that all are answered");
    let mut answers = acks.into_iter().map(|ack| tokio::task::unconstrained(ack).now_or_never());
    assert!(answers.all(|answer| matches!(answer, Some(Ok(_)))), "answered by now");
}

/// The broker under test, with the verbs of the checks.
#[derive(Debug, Clone)]
struct Subject {
    broker: Arc<dyn Broker>,
    longest_name: usize,
}

impl Subject {
    async fn topic(&self, partitions: i32) -> String {
        self.broker.create_topic(&unique("contract"), Some(partitions)).await.unwrap().name
    }

    async fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Stored, AckError> {
        self.broker.append(topic, record)?.await
    }

    async fn store(&self, topic: &str, key: Option<&str>, text: &str) -> Stored {
        self.append(topic, record(key, text)).await.unwrap()
    }

    async fn read(&self, topic: &str, start: Start) -> Reading {
        Reading { deliveries: self.broker.read(topic, start).await.unwrap() }
    }

    /// Everything that is in a topic now, partition by partition in order.
    async fn read_all(&self, topic: &str) -> Vec<Record> {
        let positions = self.broker.positions(topic).await.unwrap();
        let count = positions.iter().map(|p| (p.end - p.earliest) as usize).sum();
        self.read(topic, Start::Earliest).await.take(count).await
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tracing::trace!(what, "not yet");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Reading {
    deliveries: Deliveries,
}

impl Reading {
    async fn next(&mut self) -> Delivery {
        self.deliveries.next().await.expect("the read goes on")
    }

    /// The next `count` records; end marks are passed over, gaps are a failure.
    async fn take(&mut self, count: usize) -> Vec<Record> {
        let mut records = Vec::new();
        while records.len() < count {
            match self.next().await {
                Delivery::Batch(batch) => records.extend(batch.records),
                Delivery::CaughtUp { .. } => {}
                other => panic!("after {} of {count} records: {other:?}", records.len()),
            }
        }
        assert_eq!(records.len(), count);
        records
    }
}

fn record<'a>(key: Option<&'a str>, text: &'a str) -> NewRecord<'a> {
    NewRecord { key: key.map(str::as_bytes), value: text.as_bytes(), headers: &[] }
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|r| String::from_utf8(r.value.as_deref().unwrap().to_vec()).unwrap()).collect()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A topic name no other run has used.
fn unique(what: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{what}-{}-{}-{}", std::process::id(), now_ms(), COUNT.fetch_add(1, Ordering::Relaxed))
}
