//! What a desk hands out, against a naive model, and by its counters.

use std::collections::HashMap;

use kafka_bridge::record::Record;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use quix_model::{
    Data, EventDataReceived, Outgoing, Package, ParameterDataReceived, ReadLimits, RowRule, WriteSettings,
};
use serde_json::json;
use signalr_server::{ConnectionId, Encoding, Frame, FrameBuilder};

use super::*;
use crate::audience::book::Ending;
use crate::audience::callbacks::package_received;
use crate::read_rules::ReadRules;
use crate::subscription::{Kind, Scope, Select, Subscription};
use crate::timestamp::date_time;

/// A connection by its number; every third speaks MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Page(usize);

impl Member for Page {
    fn id(&self) -> ConnectionId {
        ConnectionId::parse(&format!("{:022}", self.0)).unwrap()
    }

    fn encoding(&self) -> Encoding {
        if self.0 % 3 == 2 { Encoding::MessagePack } else { Encoding::Json }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Subscribe(Page, Subscription),
    End(Page, Ending),
    Records(Vec<Record>),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn everybody_gets_what_a_naive_reading_of_all_subscriptions_gives(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut desk = desk();
        let mut model: HashMap<Page, Vec<Subscription>> = HashMap::new();
        for step in steps {
            match step {
                Step::Subscribe(page, subscription) => {
                    let own = model.entry(page).or_default();
                    let new = !own.contains(&subscription);
                    if new {
                        own.push(subscription.clone());
                    }
                    prop_assert_eq!(desk.book.add(page.id(), &page, subscription), new);
                }
                Step::End(page, ending) => {
                    let own = model.entry(page).or_default();
                    let before = own.len();
                    own.retain(|subscription| !naively_ends(&ending, subscription));
                    prop_assert_eq!(desk.book.end(page.id(), &ending), before - own.len());
                }
                Step::Records(records) => {
                    let got = got(&mut desk, &records);
                    for (page, own) in &model {
                        let expected = expected(*page, own, &records);
                        prop_assert_eq!(got.get(page), expected.as_ref(), "{:?}", page);
                    }
                    prop_assert!(got.keys().all(|page| model.contains_key(page)));
                }
            }
        }
    }
}

#[test]
fn a_thousand_subscriptions_with_ten_filters_cause_ten_encodings() {
    let mut desk = desk();
    for number in 0..1000 {
        // Asked for in three ways, and each has a stream of its own besides.
        let id = format!("p{}", number % 10);
        let stream = if number % 3 == 0 { "*" } else { "s" };
        subscribe(&mut desk, Page(3 * number), &[(stream, &id), ("s", &id), (&format!("own-{number}"), "*")]);
    }
    let columns: Vec<_> = (0..12).map(|number| format!("p{number}")).collect();
    let record = parameter_data("s", &columns.iter().map(String::as_str).collect::<Vec<_>>());
    let got = got(&mut desk, std::slice::from_ref(&record));
    assert_eq!(got.len(), 1000);
    assert_eq!((desk.counts.encodings.get(), desk.counts.parses.get()), (10, 1));
    // Another encoding is another ten.
    subscribe(&mut desk, Page(2), &[("s", "p3")]);
    self::got(&mut desk, &[record]);
    assert_eq!((desk.counts.encodings.get(), desk.counts.parses.get()), (21, 2));
}

#[test]
fn what_nobody_needs_is_not_parsed() {
    let mut desk = desk();
    subscribe(&mut desk, Page(0), &[("s", "speed")]);
    let others = [
        parameter_data("other", &["speed"]),
        events("s", &["speed"]),
        record("s", Outgoing::StreamProperties(&serde_json::from_value(json!({ "name": "n" })).unwrap())),
        Record { value: Some("{\"speed\":1}".into()), ..parameter_data("s", &[]) },
        Record { value: None, ..parameter_data("s", &[]) },
    ];
    assert!(got(&mut desk, &others).is_empty());
    assert_eq!((desk.counts.packages.get(), desk.counts.parses.get()), (5, 0));
    // Looked at, but without what is wanted nothing is encoded.
    assert!(got(&mut desk, &[parameter_data("s", &["rpm"])]).is_empty());
    assert_eq!((desk.counts.parses.get(), desk.counts.encodings.get()), (1, 0));
}

#[test]
fn rows_are_decoded_once_for_all_their_subscribers_and_stay_raw_to_those_of_packages() {
    let rules = ReadRules::new([("t".to_owned(), Some(RowRule::default()))]);
    let metrics = Metrics::default();
    let mut desk = Desk::new(topic(), Reading { rows: rules.of("t"), ..Reading::default() }, &metrics);
    for number in 0..100 {
        subscribe(&mut desk, Page(3 * number), &[("t", if number % 2 == 0 { "speed" } else { "rpm" })]);
    }
    let row = Record { key: None, value: Some(r#"{"speed":7,"rpm":9}"#.into()), ..parameter_data("s", &[]) };
    assert_eq!(got(&mut desk, std::slice::from_ref(&row)).len(), 100);
    assert_eq!((desk.counts.encodings.get(), desk.counts.parses.get()), (2, 1));
    desk.book.add(Page(1).id(), &Page(1), wish(Kind::Packages, "*", "*"));
    let odd = Record { value: Some("speed 7".into()), ..row.clone() };
    let with_rows = got(&mut desk, &[row, odd.clone()]);
    assert_eq!(with_rows.len(), 101);
    assert_eq!((desk.counts.encodings.get(), desk.counts.parses.get()), (6, 5));
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut shown = String::new();
    encode(&mut shown, &registry).unwrap();
    assert!(shown.contains("records_odd_total{reason=\"not_json\"} 1"), "{shown}");

    let package = Package::read_whole(ReadLimits::default(), None, [], odd.value.as_deref()).unwrap();
    let (topic, content, time) = (topic(), package.content(), date_time(odd.timestamp_ms));
    let mut raw = FrameBuilder::new(Encoding::Json);
    raw.invocation("PackageReceived", &(package_received(&topic, "t", &content, &time),)).unwrap();
    assert_eq!(got(&mut desk, &[odd])[&Page(1)], raw.finish());
}

#[test]
fn an_event_is_encoded_once_for_all_filters_that_have_it() {
    let mut desk = desk();
    for (number, ids) in [(0, vec!["a"]), (1, vec!["a", "b"]), (3, vec!["*"]), (4, vec!["c"])] {
        for id in ids {
            desk.book.add(Page(number).id(), &Page(number), wish(Kind::Events, "s", id));
        }
    }
    let got = got(&mut desk, &[events("s", &["a", "b", "a", "x"])]);
    assert_eq!(got.len(), 3);
    assert_eq!((desk.counts.encodings.get(), desk.counts.parses.get()), (4, 1));
}

#[test]
fn what_a_record_comes_to_for_many_wishes_is_never_held_at_once() {
    const PAGES: usize = 200;
    let mut desk = desk();
    for number in 0..PAGES {
        for id in ["image", &format!("own-{number}")] {
            desk.book.add(Page(number).id(), &Page(number), wish(Kind::Parameters, "*", id));
        }
    }
    desk.settle();
    let image = "x".repeat(100_000);
    let data = json!({ "timestamps": [1], "stringValues": { "image": [image] } });
    let data: quix_model::ParameterData = serde_json::from_value(data).unwrap();
    let large = record("s", Outgoing::ParameterData(&data));
    let (mut reached, mut largest) = (Vec::new(), 0);
    desk.gather(&large, |audiences, chunk| {
        largest = largest.max(chunk.frames.iter().map(Frame::wire_len).sum::<usize>());
        for parcel in &chunk.parcels {
            assert_eq!(parcel.callbacks, 1);
            reached.extend(audiences.members(parcel.audience).iter().map(|page| page.0));
        }
    });
    assert!(desk.take().is_none());
    reached.sort_unstable();
    assert_eq!(reached, (0..PAGES).collect::<Vec<_>>());
    assert!(largest < 2 * image.len(), "{largest} bytes at once");
}

/// What each page was handed, put together in order: one frame for all that is gathered in a turn.
fn got(desk: &mut Desk<Page>, records: &[Record]) -> HashMap<Page, Frame> {
    desk.settle();
    records.iter().for_each(|record| desk.gather(record, |_, _| panic!("a turn's records fit one frame here")));
    let mut got = HashMap::new();
    if let Some(chunk) = desk.take() {
        for parcel in chunk.parcels {
            for page in desk.members(parcel.audience) {
                let frame = chunk.frames[parcel.frame].clone();
                assert!(got.insert(*page, frame).is_none(), "one frame each");
            }
        }
    }
    assert!(desk.take().is_none());
    got
}

/// The same by going through all subscriptions for every callback.
fn expected(page: Page, subscriptions: &[Subscription], records: &[Record]) -> Option<Frame> {
    let topic = topic();
    let wanted = |kind: Kind, stream: &str, id: &str| {
        let fits = |select: &Select, name: &str| match select {
            Select::All => true,
            Select::One(own) => **own == *name,
        };
        let mut own = subscriptions.iter().filter(|own| own.kind == kind);
        own.any(|own| fits(&own.stream, stream) && fits(&own.id, id))
    };
    let mut frame = FrameBuilder::new(page.encoding());
    for record in records {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let package = Package::read_whole(ReadLimits::default(), key, [], value).unwrap();
        let stream = package.stream_id();
        if wanted(Kind::Packages, stream, "") {
            let (content, time) = (package.content(), date_time(record.timestamp_ms));
            frame.invocation("PackageReceived", &(package_received(&topic, stream, &content, &time),)).unwrap();
        }
        match package.data().unwrap().data {
            Data::Timeseries(timeseries) => {
                let received = ParameterDataReceived {
                    topic_id: &topic.id,
                    topic_name: &topic.name,
                    stream_id: stream,
                    timeseries: &timeseries,
                    wanted: |id: &str| wanted(Kind::Parameters, stream, id),
                };
                if timeseries.parameter_ids().any(|id| wanted(Kind::Parameters, stream, id)) {
                    frame.invocation("ParameterDataReceived", &(received,)).unwrap();
                }
            }
            Data::Events(events) => {
                for event in events.iter().filter(|event| wanted(Kind::Events, stream, event.id.as_deref().unwrap())) {
                    let (topic_id, topic_name) = (&*topic.id, &*topic.name);
                    let received = EventDataReceived { topic_id, topic_name, stream_id: stream, event };
                    frame.invocation("EventDataReceived", &(received,)).unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
    }
    (!frame.is_empty()).then(|| frame.finish())
}

fn naively_ends(ending: &Ending, subscription: &Subscription) -> bool {
    match ending {
        Ending::All => true,
        Ending::One(one) => one == subscription,
        Ending::Stream(stream, scope) => {
            subscription.kind != Kind::Packages && (&subscription.stream, &subscription.scope) == (stream, scope)
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let page = || (0_usize..5).prop_map(Page);
    prop_oneof![
        5 => (page(), subscription()).prop_map(|(page, subscription)| Step::Subscribe(page, subscription)),
        2 => (page(), ending()).prop_map(|(page, ending)| Step::End(page, ending)),
        3 => prop::collection::vec(any_record(), 1..4).prop_map(Step::Records),
    ]
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let kind = prop_oneof![1 => Just(Kind::Packages), 4 => Just(Kind::Parameters), 4 => Just(Kind::Events)];
    let scope = prop_oneof![3 => Just(Scope::Topic), 1 => Just(Scope::AllTopics)];
    (kind, select(STREAMS), select(IDS), scope).prop_map(|(kind, stream, id, scope)| match kind {
        Kind::Packages => Subscription { kind, stream: Select::All, id: Select::All, scope },
        _ => Subscription { kind, stream, id, scope },
    })
}

fn ending() -> impl Strategy<Value = Ending> {
    let scope = prop_oneof![Just(Scope::Topic), Just(Scope::AllTopics)];
    prop_oneof![
        4 => subscription().prop_map(Ending::One),
        2 => (select(STREAMS), scope).prop_map(|(stream, scope)| Ending::Stream(stream, scope)),
        1 => Just(Ending::All),
    ]
}

fn select(names: &'static [&'static str]) -> impl Strategy<Value = Select> {
    prop_oneof![1 => Just(Select::All), 3 => prop::sample::select(names).prop_map(Select::of)]
}

fn any_record() -> impl Strategy<Value = Record> {
    let ids = prop::collection::vec(prop::sample::select(IDS), 0..4);
    (prop::sample::select(STREAMS), ids, any::<bool>()).prop_map(|(stream, ids, is_events)| {
        if is_events { events(stream, &ids) } else { parameter_data(stream, &ids) }
    })
}

const STREAMS: &[&str] = &["s", "t", ""];
const IDS: &[&str] = &["a", "b", "B", "c"];

/// One row of numbers, with a tag of the name that a parameter may have.
fn parameter_data(stream: &str, ids: &[&str]) -> Record {
    let numbers: serde_json::Map<_, _> = ids.iter().map(|id| ((*id).to_owned(), json!([1.5]))).collect();
    let data = json!({ "timestamps": [1], "numericValues": numbers, "tagValues": { "a": ["x"] } });
    let data: quix_model::ParameterData = serde_json::from_value(data).unwrap();
    record(stream, Outgoing::ParameterData(&data))
}

fn events(stream: &str, ids: &[&str]) -> Record {
    let event = |id| json!({ "timestamp": 1, "id": id, "value": "v" });
    let events: quix_model::Events = serde_json::from_value(ids.iter().map(event).collect()).unwrap();
    record(stream, Outgoing::Events(&events))
}

fn record(stream: &str, outgoing: Outgoing<'_>) -> Record {
    let value = WriteSettings::default().records(outgoing, stream, 0).unwrap().remove(0).value;
    Record {
        partition: 0,
        offset: 0,
        timestamp_ms: Some(1_697_020_374_123),
        key: Some(stream.to_owned().into()),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

fn subscribe(desk: &mut Desk<Page>, page: Page, parameters: &[(&str, &str)]) {
    for (stream, id) in parameters {
        desk.book.add(page.id(), &page, wish(Kind::Parameters, stream, id));
    }
}

fn wish(kind: Kind, stream: &str, id: &str) -> Subscription {
    Subscription { kind, stream: Select::of(stream), id: Select::of(id), scope: Scope::Topic }
}

fn desk() -> Desk<Page> {
    Desk::new(topic(), Reading::default(), &Metrics::default())
}

fn topic() -> Arc<Topic> {
    Arc::new(Topic { name: "t".into(), id: "ws-t".into() })
}
