//! Feeds: one read for all, linger, leaving, slow followers, topics that go.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use kafka_bridge::broker::{Broker, ReadError};
use kafka_bridge::feed::{FeedEvent, FeedSettings, Feeds, Following};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::metrics::Metrics;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;

#[tokio::test(start_paused = true)]
async fn a_feed_lingers_after_its_last_follower_and_then_ends() {
    let (broker, feeds) = broker_and_feeds(FeedSettings::default()).await;
    drop(feeds.follow("t").await.unwrap());
    tokio::time::advance(Duration::from_secs(59)).await;
    let again = feeds.follow("t").await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(feeds.followed(), ["t"], "as long as somebody follows");
    drop(again);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(feeds.followed().is_empty());
    let mut anew = feeds.follow("t").await.unwrap();
    append(&broker, "x").await;
    assert_eq!(next_text(&mut anew).await, "x");
}

#[tokio::test(start_paused = true)]
async fn a_follower_too_slow_is_cut_off_and_the_others_go_on() {
    let settings = FeedSettings { queue: 2, ..FeedSettings::default() };
    let (broker, feeds) = broker_and_feeds(settings).await;
    let mut slow = feeds.follow("t").await.unwrap();
    let mut quick = feeds.follow("t").await.unwrap();
    for n in 0..10 {
        append(&broker, &format!("{n}")).await;
        assert_eq!(next_text(&mut quick).await, format!("{n}"));
    }
    assert_eq!(next_text(&mut slow).await, "0");
    assert_eq!(next_text(&mut slow).await, "1");
    assert_eq!(*slow.recv().await.unwrap(), FeedEvent::TooSlow);
    assert_eq!(slow.recv().await, None);
    assert_eq!(slow.try_recv(), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_follower_that_is_not_to_be_waited_for() {
    let settings = FeedSettings { queue: 2, ..FeedSettings::default() };
    let (broker, feeds) = broker_and_feeds(settings).await;
    let mut slow = feeds.follow_unawaited("t").await.unwrap();
    let mut quick = feeds.follow("t").await.unwrap();
    let begun = tokio::time::Instant::now();
    for n in 0..10 {
        append(&broker, &format!("{n}")).await;
        assert_eq!(next_text(&mut quick).await, format!("{n}"));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    for expected in ["0", "1"] {
        assert_eq!(next_text(&mut slow).await, expected);
    }
    assert_eq!(*slow.recv().await.unwrap(), FeedEvent::TooSlow);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_catches_up_in_time_misses_nothing() {
    let (broker, feeds) = broker_and_feeds(FeedSettings { queue: 1, ..FeedSettings::default() }).await;
    let mut slow = feeds.follow("t").await.unwrap();
    let mut texts = Vec::new();
    for n in 0..20 {
        append(&broker, &format!("{n}")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if n % 5 == 4 {
            while let Some(event) = slow.try_recv() {
                texts.extend(texts_of(&event));
                tokio::time::sleep(Duration::from_millis(1)).await; // the feed moves on
            }
        }
    }
    assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn followers_hear_that_a_topic_went_and_can_follow_the_new_one() {
    let memory = Arc::new(MemoryBroker::new());
    memory.create_topic("t", None).await.unwrap();
    let feeds = Feeds::new(memory.clone(), Duration::from_secs(60));
    let mut old = feeds.follow("t").await.unwrap();
    memory.delete_topic("t");
    assert_eq!(*old.recv().await.unwrap(), FeedEvent::TopicGone);
    assert_eq!(old.recv().await, None);
    assert_eq!(feeds.follow("t").await.map(drop), Err(ReadError::UnknownTopic("t".into())));
    memory.create_topic("t", None).await.unwrap();
    let mut new = feeds.follow("t").await.unwrap();
    memory.append("t", NewRecord { key: None, value: b"x", headers: &[] }).unwrap().await.unwrap();
    assert_eq!(next_text(&mut new).await, "x");
}

#[tokio::test]
async fn recv_many_takes_all_that_waits() {
    let (broker, feeds) = broker_and_feeds(FeedSettings::default()).await;
    let mut following = feeds.follow("t").await.unwrap();
    let mut witness = feeds.follow("t").await.unwrap();
    for n in 0..5 {
        append(&broker, &format!("{n}")).await;
        next_text(&mut witness).await; // handed out, one event each
    }
    let mut events = Vec::new();
    assert_eq!(following.recv_many(&mut events, 100).await, 5);
    assert_eq!(events.iter().flat_map(|event| texts_of(event)).collect::<Vec<_>>(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn joining_while_records_stream_misses_nothing_acknowledged_afterwards() {
    let (broker, feeds) = broker_and_feeds(FeedSettings::default()).await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let noise = tokio::spawn({
        let (broker, stop) = (broker.clone(), stop.clone());
        async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                append(&broker, "noise").await;
                tokio::task::yield_now().await;
            }
        }
    });
    for round in 0..200 {
        let mut following = feeds.follow("t").await.unwrap();
        let mark = format!("{round}");
        append(&broker, &mark).await;
        while next_texts(&mut following).await.iter().all(|text| *text != mark) {}
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    noise.await.unwrap();
}

#[tokio::test]
async fn a_dead_broker_refuses_followers_and_serves_them_after_its_return() {
    let (broker, feeds) = broker_and_feeds(FeedSettings::default()).await;
    let mut before = feeds.follow("t").await.unwrap();
    broker.die();
    let refused = feeds.follow("t").await.map(drop);
    assert_eq!(refused, Ok(()), "a running feed goes on");
    broker.revive();
    append(&broker, "x").await;
    assert_eq!(next_text(&mut before).await, "x");
}

async fn broker_and_feeds(settings: FeedSettings) -> (Arc<MisbehavingBroker>, Arc<Feeds>) {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("t", None).await.unwrap();
    let feeds = Feeds::with(broker.clone(), settings, Metrics::default());
    (broker, feeds)
}

async fn append(broker: &MisbehavingBroker, text: &str) {
    broker.append("t", NewRecord { key: None, value: text.as_bytes(), headers: &[] }).unwrap().await.unwrap();
}

async fn next_text(following: &mut Following) -> String {
    let texts = next_texts(following).await;
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts.into_iter().next().unwrap()
}

async fn next_texts(following: &mut Following) -> Vec<String> {
    texts_of(&following.recv().await.expect("the feed goes on"))
}

fn texts_of(event: &FeedEvent) -> Vec<String> {
    let FeedEvent::Batch(batch) = event else { panic!("not a batch: {event:?}") };
    batch.records.iter().map(|record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()).collect()
}
