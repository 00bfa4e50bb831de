//! A read under way, on topics in memory.

use futures::FutureExt;
use kafka_bridge::broker::{Broker, Deliveries, Start};
use kafka_bridge::feed::Feeds;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::NewRecord;
use quix_model::{Events, Outgoing, WriteSettings};
use serde_json::json;

use super::*;
use crate::audience::Wishes;
use crate::http_api::Held;
use crate::read_rules::Rows;
use crate::replays::{Client, Replayer, Replays};
use crate::subscription::{Kind, Scope, Select, Subscription};

/// Records that come all the time must not keep an answer from its end.
#[tokio::test]
async fn the_end_comes_before_what_is_there_to_read() {
    let broker = broker().await;
    append(&broker, b"x").await;
    for _ in 0..64 {
        let mut probe = broker.read("t", Start::Earliest).await.unwrap();
        let deliveries = broker.read("t", Start::Earliest).await.unwrap();
        probe.next().await.unwrap();
        tokio::task::yield_now().await; // the other, begun at the same time, has its records too
        let mut tail = tail(opened(deliveries), std::future::ready("why".to_owned()).boxed());
        let Next::Last(word) = tail.next().await else { panic!("a record") };
        assert_eq!(word, Form::Lines.error("why"));
    }
}

/// There is very much, and nothing of it is wanted.
#[tokio::test]
async fn a_bounded_read_is_answered_in_its_time_wherever_it_is() {
    let broker = broker().await;
    let writes = async {
        loop {
            append(&broker, b"x").await;
            tokio::task::yield_now().await;
        }
    };
    let mut tail = tail(opened(broker.read("t", Start::Earliest).await.unwrap()), pending());
    tail.lines = PackageLines::new(Wishes::default(), Cursor::default(), Rows::default(), Held::new(0).share());
    let bounds = Bounds { max: 1, waits: false, time: Duration::from_millis(50) };
    tokio::select! {
        read = tail.read(bounds) => {
            assert_eq!(read.text.len(), 0);
            assert_ne!(read.cursor, Cursor::default(), "it has gone on nevertheless");
        }
        () = writes => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("no answer"),
    }
}

#[tokio::test]
async fn no_more_of_a_record_is_written_at_a_time_than_a_round_takes() {
    let broker = broker().await;
    let events: Vec<_> = (0..15_000).map(|number| json!({ "id": "e", "timestamp": number })).collect();
    let events: Events = serde_json::from_value(json!(events)).unwrap();
    let records = WriteSettings::default().records(Outgoing::Events(&events), "s", 7).unwrap();
    append(&broker, &records[0].value).await;
    let mut tail = tail(opened(broker.read("t", Start::Earliest).await.unwrap()), pending());
    let mut sizes = Vec::new();
    while tail.lines.cursor.place(0).next == 0 {
        let Next::Text(text) = tail.next().await else { panic!("the end") };
        sizes.push(text.len());
    }
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < ROUND_BYTES + 1000), "{sizes:?}");
}

#[tokio::test]
async fn a_live_reader_that_falls_behind_goes_on_with_a_read_of_its_own() {
    let broker = broker().await;
    let feeds = Feeds::new(broker.clone(), Duration::ZERO);
    let following = feeds.follow_unawaited("t").await.unwrap();
    let replays = Replays::new(1, Duration::from_secs(60));
    let replayer = Replayer { broker: broker.clone(), replays: replays.clone(), client: Client::Unknown };
    let source = Source::Live(following, replayer);
    let mut tail = tail(Opened { source, cut_back: Vec::new(), permit: None }, pending());
    let event: Events = serde_json::from_value(json!([{ "id": "e", "timestamp": 1 }])).unwrap();
    let record = &WriteSettings::default().records(Outgoing::Events(&event), "s", 7).unwrap()[0];
    let mut probe = feeds.follow("t").await.unwrap();
    for _ in 0..200 {
        append(&broker, &record.value).await;
        probe.recv().await.unwrap(); // each comes by itself
    }
    let mut lines = String::new();
    while tail.lines.cursor != Cursor::at([200]) {
        let Next::Text(text) = tail.next().await else { panic!("the end") };
        text.into_parts().iter().for_each(|part| lines.push_str(std::str::from_utf8(part).unwrap()));
    }
    let offset = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["offset"].as_i64().unwrap();
    assert_eq!(lines.lines().map(offset).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    assert!(matches!(tail.source, Source::From(_)));
    tokio::select! {
        _ = tail.next() => panic!("there is no more"),
        permit = replays.take(Client::Unknown) => assert!(permit.is_ok(), "it has caught up"),
    }
}

#[tokio::test]
async fn partitions_that_come_meanwhile_do_not_keep_a_permit() {
    let broker = broker().await;
    let permit = Replays::new(1, Duration::ZERO).take(Client::Unknown).await.unwrap();
    let deliveries = broker.read("t", Start::Earliest).await.unwrap();
    let mut tail = tail(Opened { permit: Some(permit), ..opened(deliveries) }, pending());
    let gap = Piece::Gap { partition: 7, next_offset: 3, lost: 3 };
    tail.pieces.extend([gap, Piece::CaughtUp { partition: 7 }]);
    assert!(tail.write(&mut Text::default(), |_| false).is_none());
    assert!(tail.permit.is_some() && tail.lines.cursor.partitions().contains(&7));
    tail.caught_up.clear();
    tail.pieces.push_back(Piece::CaughtUp { partition: 0 });
    assert!(tail.write(&mut Text::default(), |_| false).is_none());
    assert!(tail.permit.is_none());
}

#[tokio::test]
async fn what_is_cut_back_is_told_even_if_the_end_comes_at_once_and_a_cursor_before_leads_to_it_again() {
    let cut_back = vec![NextOffset { partition: 0, offset: 0 }, NextOffset { partition: 1, offset: 2 }];
    let end = std::future::ready("why".to_owned()).boxed();
    let mut tail = tail(Opened { source: Source::AtEnd, cut_back, permit: None }, end);
    (tail.lines.cursor, tail.form) = ("0:9,1:9".parse().unwrap(), Form::Events);
    let read = tail.read(Bounds { max: 1, waits: true, time: Duration::from_secs(60) }).await;
    let text = String::from_utf8(read.text.into_parts().concat()).unwrap();
    let ids: Vec<_> = text.lines().filter(|line| line.starts_with("id: ")).collect();
    assert_eq!(ids, ["id: 0:0,1:9", "id: 0:0,1:2"]);
    assert!(text.ends_with("event: problem\ndata: {\"error\":\"why\"}\n\n"), "{text}");
    assert_eq!(read.cursor.to_string(), "0:0,1:2");
}

async fn broker() -> Arc<MemoryBroker> {
    let broker = MemoryBroker::new();
    broker.create_topic("t", None).await.unwrap();
    Arc::new(broker)
}

async fn append(broker: &MemoryBroker, value: &[u8]) {
    broker.append("t", NewRecord { key: Some(b"s"), value, headers: &[] }).unwrap().await.unwrap();
}

fn opened(deliveries: Deliveries) -> Opened {
    Opened { source: Source::From(deliveries), cut_back: Vec::new(), permit: None }
}

fn pending() -> BoxFuture<'static, String> {
    std::future::pending().boxed()
}

/// Of all events.
fn tail(opened: Opened, end: BoxFuture<'static, String>) -> Tail {
    let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
    let all = Subscription { kind: Kind::Events, stream: Select::All, id: Select::All, scope: Scope::Topic };
    let lines = PackageLines::new(Wishes::from([all]), Cursor::at([0]), Rows::default(), Held::new(usize::MAX).share());
    Tail::new(opened, topic, lines, Form::Lines, end)
}
