//! Stories of `Tracker` with times of our own, its bounds, and its changes against its list.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use quix_model::{
    Column, Data, Definitions, Event, EventTags, ParameterDefinition, StreamEnd, StreamProperties, Timeseries,
};

use super::sign::Sign;
use super::stream::{Status, Stream};
use super::tracker::{Action, Load, Rules, Tracker};

const RULES: Rules = Rules { idle_after: 10_000, silent_after: 300_000, update_interval: 1_000, max_name_bytes: 100 };
const PLENTY: Load = Load { streams: 10_000, bytes: 256 << 20 };

#[test]
fn a_stream_is_told_when_it_comes_and_when_something_about_it_changes() {
    let mut topic = Told::live();
    topic.see("s", life(), 0);
    assert_eq!(topic.changes(0), ["AddUpdate s Idle"]);
    for (at, sign, changes) in [
        (1, numbers(&["rpm"]), vec!["AddUpdate s Receiving"]),
        (2, numbers(&["rpm"]), vec![]),
        (3, numbers(&["rpm", "speed"]), vec!["AddUpdate s Receiving"]),
        (4, event("lap"), vec!["AddUpdate s Receiving"]),
        (5, event("lap"), vec![]),
        (6, named("car"), vec!["AddUpdate s Receiving"]),
        (7, named("car"), vec![]),
        (8, defined(&["gear"]), vec!["AddUpdate s Receiving"]),
        (9, defined(&["gear"]), vec![]),
        (10, defined(&[]), vec!["AddUpdate s Receiving"]),
        (11, Sign::Data, vec![]),
    ] {
        topic.see("s", sign, at);
        assert_eq!(topic.changes(at), changes, "at {at}");
    }
    topic.see("t", Sign::Data, 12);
    assert_eq!(topic.changes(12), ["AddUpdate t Receiving"], "the other is left alone");
}

#[test]
fn what_comes_in_one_turn_is_one_update() {
    let mut topic = Told::live();
    for id in ["a", "b", "c"] {
        topic.see("s", numbers(&[id]), 0);
    }
    assert_eq!(topic.changes(0), ["AddUpdate s Receiving"]);
    assert_eq!(topic.told["s"].0.parameters.all().count(), 3);
}

#[test]
fn mere_times_are_told_once_a_second_and_the_last_of_them_too() {
    let mut topic = Told::live();
    let mut told = Vec::new();
    for at in (0..=2_500).step_by(100) {
        topic.see("s", Sign::Data, at);
        topic.tracker.tick(at);
        if !topic.changes(at).is_empty() {
            told.push(at);
        }
    }
    assert_eq!(told, [0, 1_000, 2_000]);
    assert_eq!(topic.tracker.next_due(), Some(3_000));
    topic.tracker.tick(3_000);
    assert_eq!(topic.changes(3_000), ["AddUpdate s Receiving"]);
    assert_eq!(topic.told["s"].0.last_data, Some(2_500));
}

#[test]
fn a_stream_without_data_becomes_idle_and_receives_again_with_the_next() {
    let mut topic = Told::live();
    topic.see("s", Sign::Data, 0);
    topic.changes(0);
    topic.see("s", life(), 9_000);
    topic.changes(9_000);
    topic.tracker.tick(9_999);
    assert_eq!(topic.changes(9_999), [""; 0]);
    topic.tracker.tick(10_000);
    assert_eq!(topic.changes(10_000), ["AddUpdate s Idle"], "properties are no data");
    topic.see("s", Sign::Data, 10_100);
    assert_eq!(topic.changes(10_100), ["AddUpdate s Receiving"], "however short after the last update");
}

#[test]
fn a_stream_leaves_when_it_ends_or_is_silent_and_comes_back_as_a_new_one() {
    let mut topic = Told::live();
    topic.see("ends", named("n"), 0);
    topic.see("falls silent", Sign::Data, 0);
    topic.changes(0);
    topic.see("ends", end(), 5);
    assert_eq!(topic.changes(5), ["Remove ends Idle"]);
    assert_eq!(topic.removed.as_ref().unwrap().properties.name.as_deref(), Some("n"), "whole");
    topic.see("ends", end(), 6);
    assert_eq!(topic.changes(6), [""; 0]);
    topic.see("ends", Sign::Data, 7);
    assert_eq!(topic.changes(7), ["AddUpdate ends Receiving"]);
    assert_eq!((topic.told["ends"].0.first_seen, &topic.told["ends"].0.properties.name), (7, &None));
    topic.tracker.tick(10_000);
    topic.changes(10_000);
    assert_eq!(topic.tracker.next_due(), Some(10_007));
    topic.tracker.tick(299_999);
    assert_eq!(topic.changes(299_999), ["AddUpdate ends Idle"]);
    topic.tracker.tick(300_000);
    assert_eq!(topic.changes(300_000), ["Remove falls silent Idle"]);
}

#[test]
fn in_one_turn_a_stream_that_ends_and_comes_again_is_told_so_and_one_nobody_knew_not() {
    let mut topic = Told::live();
    topic.see("s", Sign::Data, 0);
    topic.changes(0);
    for (id, sign) in [("s", Sign::Data), ("s", end()), ("s", event("e")), ("unknown", Sign::Data), ("unknown", end())]
    {
        topic.see(id, sign, 2_000);
    }
    assert_eq!(topic.changes(2_000), ["Remove s Receiving", "AddUpdate s Receiving"]);
}

#[test]
fn the_look_back_shows_what_lives_with_what_was_said_before() {
    let now = 600_000;
    let mut topic = Told { tracker: Tracker::new(RULES, PLENTY), told: BTreeMap::new(), removed: None };
    for (id, sign, seen_at) in [
        ("alive", named("said long ago"), 1_000),
        ("silent", Sign::Data, 2_000),
        ("ended", Sign::Data, 595_000),
        ("ended", end(), 596_000),
        ("alive", Sign::Data, 597_000),
    ] {
        topic.tracker.see(id, sign, seen_at, now);
        topic.tracker.tick(now);
        topic.changes(now);
    }
    assert_eq!(topic.shown(now), ["alive Receiving"]);
    assert_eq!((topic.tracker.active(now), topic.tracker.load().streams), (1, 2), "it may still speak up");
    assert_eq!(listed(&mut topic.tracker, now)[0].0.properties.name.as_deref(), Some("said long ago"));
    assert_eq!(listed(&mut topic.tracker, now)[0].0.first_seen, 1_000);
    topic.tracker.look_back_over(now);
    assert_eq!(topic.changes(now), [""; 0], "of the silent one nobody knew");
    assert_eq!(topic.tracker.load().streams, 1);
    topic.tracker.tick(607_000);
    assert_eq!(topic.changes(607_000), ["AddUpdate alive Idle"]);
}

#[test]
fn past_its_bound_the_least_recently_seen_leaves() {
    let mut topic = Told::live();
    topic.tracker.allow(Load { streams: 3, ..PLENTY });
    for (at, id) in [(0, "a"), (1, "b"), (2, "c"), (3, "a")] {
        topic.see(id, life(), at);
    }
    topic.changes(3);
    topic.see("d", life(), 4);
    assert_eq!(topic.changes(4), ["AddUpdate d Idle", "Remove b Idle"]);
    topic.tracker.allow(Load { streams: 1, ..PLENTY });
    assert_eq!(topic.changes(5), ["Remove c Idle", "Remove a Idle"]);
    assert_eq!(topic.tracker.take_crowded_out(), 3);
    topic.tracker.allow(Load { streams: 10, bytes: 1_000 });
    for id in ["e", "f", "g"] {
        topic.see(id, life(), 6);
    }
    assert_eq!(topic.tracker.load().streams, 1, "by bytes");
    let long = "x".repeat(101);
    assert!(!topic.tracker.see(&long, life(), 7, 7) && topic.tracker.see(&long[1..], life(), 7, 7));
}

#[test]
fn when_all_streams_leave_those_that_were_told_are_told_to_go_in_the_order_they_came() {
    let mut topic = Told::live();
    for id in ["b", "a"] {
        topic.see(id, life(), 1);
    }
    topic.changes(1);
    topic.see("untold", life(), 2);
    topic.tracker.clear();
    assert_eq!(topic.changes(2), ["Remove b Idle", "Remove a Idle"]);
    assert_eq!((topic.tracker.load(), topic.tracker.places()), (Load { streams: 0, bytes: 0 }, 0));
}

#[test]
fn a_million_stream_and_parameter_ids_stay_within_the_bounds() {
    let mut tracker = Tracker::new(RULES, Load { streams: 1_000, bytes: 4 << 20 });
    tracker.look_back_over(0);
    let mut highest = 0;
    for number in 0..1_000_000_i64 {
        let (stream, parameter) = (format!("stream-{number}"), format!("parameter-{number}"));
        tracker.see(&stream, numbers(&[&parameter]), number, number);
        tracker.see("always", numbers(&[&parameter]), number, number);
        if number % 1_000 == 999 {
            tracker.tick(number);
            tracker.drain(number, |_, _, _| {});
            highest = highest.max(tracker.load().bytes);
            assert!(tracker.places() <= 3 * 1_000 && tracker.load().streams <= 1_000);
        }
    }
    assert!(highest <= 4 << 20, "{highest}");
    assert_eq!(tracker.take_crowded_out(), 1_000_001 - 1_000);
    let list = listed(&mut tracker, 999_999);
    assert_eq!(list.len(), 1_000);
    let always = &list.iter().find(|(stream, _)| &*stream.id == "always").unwrap().0;
    assert_eq!(always.parameters.all().count(), 1_000);
    assert_eq!(list.iter().map(|(stream, _)| stream.bytes()).sum::<usize>(), tracker.load().bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens, the changes laid over each other are the list, and both are what a tracker would show that had
    /// kept every sign and looked at all of them each time.
    #[test]
    fn the_list_is_the_fold_of_the_changes(steps in prop::collection::vec(step(), 1..80)) {
        let mut topic = Told::live();
        let (mut model, mut now) = (Model::default(), 0);
        for Step { pause, signs } in steps {
            now += pause;
            topic.tracker.tick(now);
            model.tick(now);
            for (stream, kind) in &signs {
                topic.see(STREAMS[*stream], kind.sign(), now);
                model.see(STREAMS[*stream], *kind, now);
            }
            topic.changes(now);
            prop_assert_eq!(topic.shown(now), model.shown(now));
            let folded: Vec<_> = topic.told.values().map(|(stream, status)| line(stream, *status)).collect();
            prop_assert_eq!(&folded, &topic.shown(now));
            prop_assert!(topic.tracker.next_due().is_none_or(|due| due > now), "nothing due is left");
            let facts = |(stream, _): &(Stream, Status)| (stream.id.clone(), stream.parameters.clone(), stream.properties.clone());
            let mut list: Vec<_> = listed(&mut topic.tracker, now).iter().map(facts).collect();
            list.sort_by(|a, b| a.0.cmp(&b.0));
            prop_assert_eq!(list, topic.told.values().map(facts).collect::<Vec<_>>());
        }
        // What was kept back comes by itself, times too.
        now += RULES.update_interval;
        topic.tracker.tick(now);
        topic.changes(now);
        let mut list = listed(&mut topic.tracker, now);
        list.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        prop_assert_eq!(list, topic.told.values().cloned().collect::<Vec<_>>());
    }
}

const STREAMS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
struct Step {
    pause: i64,
    signs: Vec<(usize, SignKind)>,
}

#[derive(Debug, Clone, Copy)]
enum SignKind {
    Life,
    Data,
    Numbers(u8),
    Named(u8),
    End,
}

impl SignKind {
    fn sign(self) -> Sign<'static> {
        match self {
            Self::Life => life(),
            Self::Data => Sign::Data,
            Self::Numbers(id) => numbers(&[["x", "y", "z"][usize::from(id % 3)]]),
            Self::Named(name) => named(["m", "n"][usize::from(name % 2)]),
            Self::End => end(),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        Just(SignKind::Life),
        Just(SignKind::Data),
        any::<u8>().prop_map(SignKind::Numbers),
        any::<u8>().prop_map(SignKind::Named),
        Just(SignKind::End),
    ];
    let pause = prop_oneof![0..50_i64, 500..2_000_i64, 9_000..11_000_i64, Just(10_000), Just(300_000), 0..400_000_i64];
    (pause, prop::collection::vec((0..STREAMS.len(), kind), 0..6)).prop_map(|(pause, signs)| Step { pause, signs })
}

/// All streams with their last sign of life and their last data.
#[derive(Default)]
struct Model(BTreeMap<&'static str, (i64, Option<i64>)>);

impl Model {
    fn see(&mut self, id: &'static str, kind: SignKind, now: i64) {
        if let SignKind::End = kind {
            self.0.remove(id);
            return;
        }
        let (last_seen, last_data) = self.0.entry(id).or_default();
        *last_seen = now;
        if matches!(kind, SignKind::Data | SignKind::Numbers(_)) {
            *last_data = Some(now);
        }
    }

    fn tick(&mut self, now: i64) {
        self.0.retain(|_, (last_seen, _)| now - *last_seen < RULES.silent_after);
    }

    fn shown(&self, now: i64) -> Vec<String> {
        let receives = |last: &Option<i64>| last.is_some_and(|last| now - last < RULES.idle_after);
        let status = |last: &Option<i64>| if receives(last) { Status::Receiving } else { Status::Idle };
        self.0.iter().map(|(id, (_, last_data))| format!("{id} {:?}", status(last_data))).collect()
    }
}

/// A tracker and what its subscriber has made of the changes.
struct Told {
    tracker: Tracker,
    told: BTreeMap<String, (Stream, Status)>,
    removed: Option<Stream>,
}

impl Told {
    fn live() -> Self {
        let mut tracker = Tracker::new(RULES, PLENTY);
        tracker.look_back_over(0);
        Self { tracker, told: BTreeMap::new(), removed: None }
    }

    fn see(&mut self, id: &str, sign: Sign<'_>, now: i64) {
        assert!(self.tracker.see(id, sign, now, now));
    }

    fn changes(&mut self, now: i64) -> Vec<String> {
        let mut changes = Vec::new();
        self.tracker.drain(now, |stream, status, action| {
            changes.push(format!("{action:?} {}", line(stream, status)));
            match action {
                Action::AddUpdate => _ = self.told.insert(stream.id.to_string(), (stream.clone(), status)),
                Action::Remove => {
                    assert!(self.told.remove(&*stream.id).is_some(), "who leaves was there");
                    self.removed = Some(stream.clone());
                }
            }
        });
        changes
    }

    fn shown(&mut self, now: i64) -> Vec<String> {
        let list = listed(&mut self.tracker, now);
        let mut shown: Vec<_> = list.iter().map(|(stream, status)| line(stream, *status)).collect();
        shown.sort();
        shown
    }
}

fn listed(tracker: &mut Tracker, now: i64) -> Vec<(Stream, Status)> {
    tracker.list(now, 0).into_iter().map(|listed| (listed.stream, listed.status)).collect()
}

fn line(stream: &Stream, status: Status) -> String {
    format!("{} {status:?}", stream.id)
}

fn life() -> Sign<'static> {
    Sign::Life
}

fn end() -> Sign<'static> {
    Sign::Model(Data::StreamEnd(StreamEnd::Closed))
}

fn numbers(ids: &[&str]) -> Sign<'static> {
    let column = |id: &&str| Column { id: Cow::Owned((*id).to_owned()), values: vec![Some(1.0)] };
    let numeric = ids.iter().map(column).collect();
    Sign::Model(Data::Timeseries(Timeseries { timestamps: vec![1], numeric, ..Timeseries::default() }))
}

fn event(id: &'static str) -> Sign<'static> {
    Sign::Model(Data::Events(vec![Event {
        timestamp: 1,
        tags: EventTags::default(),
        id: Some(id.into()),
        value: None,
    }]))
}

fn named(name: &str) -> Sign<'static> {
    Sign::Model(Data::StreamProperties(StreamProperties { name: Some(name.to_owned()), ..StreamProperties::default() }))
}

fn defined(ids: &[&str]) -> Sign<'static> {
    let definition = |id: &&str| ParameterDefinition { id: Some((*id).to_owned()), ..ParameterDefinition::default() };
    Sign::Model(Data::ParameterDefinitions(Definitions {
        groups: Vec::new(),
        items: ids.iter().map(definition).collect(),
    }))
}
