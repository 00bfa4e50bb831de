//! What a package of twelve parameters costs on its way to subscribers who all want something else of it: read, filtered,
//! and encoded for each. Divide by the number of subscribers for the cost of a delivery, before its socket.

#![allow(clippy::unwrap_used, missing_docs)]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kafka_bridge::record::Record;
use quix_gateway::testing::Subscribers;
use quix_model::{Outgoing, ParameterData, WriteSettings};

fn main() {
    divan::main();
}

/// Each wants a different selection of the twelve.
#[divan::bench(args = [1, 10, 1000])]
fn distinct_subscriptions(bencher: Bencher<'_, '_>, count: usize) {
    let wanted = |number: usize| (0..12).filter(move |bit| (number + 1) >> bit & 1 == 1).map(|bit| PARAMETERS[bit]);
    run(bencher, count, Subscribers::of_parameters(count, wanted));
}

/// All want the same.
#[divan::bench(args = [1, 10, 1000])]
fn equal_subscriptions(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, count, Subscribers::of_parameters(count, |_| ["speed", "gear"].into_iter()));
}

fn run(bencher: Bencher<'_, '_>, count: usize, mut subscribers: Subscribers) {
    let record = record();
    assert_eq!(subscribers.encode(&record), count);
    bencher.counter(ItemsCount::new(count)).bench_local(|| subscribers.encode(black_box(&record)));
}

const PARAMETERS: [&str; 12] =
    ["speed", "gear", "rpm", "throttle", "brake", "steer", "lat", "lon", "fuel", "driver", "tyre", "note"];

/// Nine numbers and three texts in one row, with two tags.
fn record() -> Record {
    let numbers = PARAMETERS[..9].iter().map(|id| ((*id).to_owned(), serde_json::json!([id.len() as f64 * 31.25])));
    let texts = PARAMETERS[9..].iter().map(|id| ((*id).to_owned(), serde_json::json!([id])));
    let data = serde_json::json!({
        "timestamps": [1_697_025_689_418_406_001_i64],
        "numericValues": numbers.collect::<serde_json::Map<_, _>>(),
        "stringValues": texts.collect::<serde_json::Map<_, _>>(),
        "tagValues": { "car": ["A"], "lap": ["7"] },
    });
    let data: ParameterData = serde_json::from_value(data).unwrap();
    let value = WriteSettings::default().records(Outgoing::ParameterData(&data), "car-1", 0).unwrap().remove(0).value;
    let key = Some("car-1".into());
    Record { partition: 0, offset: 0, timestamp_ms: Some(0), key, value: Some(value.into()), headers: Vec::new() }
}
