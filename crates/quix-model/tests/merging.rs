//! Segments into records: any order, doubles, losses, mixtures, restarts, against a plain model; and the bounds.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use quix_model::{Added, DropReason, MergeLimits, Merged, Merger, Package, Reading, Segment};

/// One segment read: which key and id, which piece, and what time and offsets passed before it.
#[derive(Debug, Clone)]
struct Step {
    partition: i32,
    key: Option<u8>,
    id: u8,
    index: u8,
    last: u8,
    /// Which of two messages under this id the piece is of.
    version: u8,
    seconds: u64,
    offsets: i64,
}

impl Step {
    fn piece(&self) -> Vec<u8> {
        let Self { key, id, index, version, .. } = self;
        format!("{key:?}/{id}/{index}/{version};").into_bytes()
    }

    fn value(&self) -> Vec<u8> {
        segment(u32::from(self.id), self.index, self.last, &self.piece())
    }

    fn key_bytes(&self) -> Option<Vec<u8>> {
        self.key.map(|key| vec![key])
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_comes_out_as_in_a_plain_model(steps in vec(step(), 0..120)) {
        let mut merger = Merger::new(MergeLimits::default());
        let mut model = Model::default();
        let (start, mut now, mut offset) = (Instant::now(), Duration::ZERO, 0);
        for (number, step) in steps.iter().enumerate() {
            now += Duration::from_secs(step.seconds);
            offset += 1 + step.offsets;
            let added = add(&mut merger, step, offset, number, start + now);
            prop_assert_eq!(added.merged, model.add(step, offset, number, now), "step {}", number);
            prop_assert!(added.dropped.iter().all(|dropped| dropped.reason != DropReason::CrowdedOut));
        }
    }

    #[test]
    fn bounds_hold_and_every_record_ends_once(
        steps in vec(step(), 0..120),
        max_records in 0..4_usize,
        max_bytes in 0..500_usize,
    ) {
        let limits = MergeLimits { max_records, max_bytes, ..MergeLimits::default() };
        let mut merger = Merger::new(limits);
        let (start, mut now, mut offset) = (Instant::now(), Duration::ZERO, 0);
        let mut ended = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            now += Duration::from_secs(step.seconds);
            offset += 1 + step.offsets;
            let added = add(&mut merger, step, offset, number, start + now);
            prop_assert!(merger.held_records() <= max_records && merger.held_bytes() <= max_bytes);
            if let Some(Merged { first, value }) = added.merged {
                let pieces = steps[..=number].iter().filter(|other| same_record(other, step));
                let known: Vec<Vec<u8>> = pieces.map(Step::piece).collect();
                let mut rest = &value[..];
                for _ in 0..=step.last {
                    let piece = known.iter().find(|piece| rest.starts_with(piece));
                    prop_assert!(piece.is_some(), "{:?}", String::from_utf8_lossy(&value));
                    rest = &rest[piece.unwrap().len()..];
                }
                prop_assert!(rest.is_empty());
                ended.push(first);
            }
            ended.extend(added.dropped.into_iter().map(|dropped| dropped.first));
        }
        let late = merger.expire(start + now + limits.max_wait);
        ended.extend(late.into_iter().map(|dropped| dropped.first));
        prop_assert_eq!((merger.held_records(), merger.held_bytes(), merger.next_expiry()), (0, 0, None));
        let ends = ended.len();
        ended.sort_unstable();
        ended.dedup();
        prop_assert_eq!(ended.len(), ends);
    }

    /// What a reader gets that starts anywhere, with any pieces sent twice: each record that it saw whole, at the piece
    /// that completes it.
    #[test]
    fn records_seen_whole_come_once_however_their_pieces_are_mixed(
        counts in vec(1..6_u8, 1..6),
        places in vec(any::<prop::sample::Index>(), 60),
        from in 0..6_usize,
    ) {
        let mut sent: Vec<(usize, u8)> = Vec::new();
        for (record, count) in counts.iter().enumerate() {
            for index in 0..*count {
                let place = places[sent.len() % places.len()].index(sent.len() + 1);
                sent.insert(place, (record, index));
            }
        }
        let seen = &sent[from.min(sent.len())..];
        let mut merger = Merger::new(MergeLimits::default());
        let mut merged = Vec::new();
        for (offset, (record, index)) in seen.iter().enumerate() {
            let value = segment(*record as u32, *index, counts[*record] - 1, format!("{record}.{index} ").as_bytes());
            for _ in 0..if counts[*record] > 1 && (offset + 1) % 3 == 0 { 2 } else { 1 } {
                let left = (0..counts[*record]).filter(|index| seen[..=offset].contains(&(*record, *index))).count();
                let before = merged.len();
                let added = merger.add(0, offset as i64, None, parsed(&value), || (), Instant::now());
                merged.extend(added.merged.map(|merged| merged.value));
                let whole = left == usize::from(counts[*record]) && merged.len() > before;
                prop_assert!(whole || merged.len() == before);
            }
        }
        let mut expected = Vec::new();
        for (offset, (record, _)) in seen.iter().enumerate() {
            let have = |until: usize| {
                (0..counts[*record]).all(|index| seen[..until].contains(&(*record, index)))
            };
            if have(offset + 1) && !have(offset) {
                let pieces = (0..counts[*record]).map(|index| format!("{record}.{index} "));
                expected.push(pieces.collect::<String>().into_bytes());
            }
        }
        prop_assert_eq!(merged, expected);
    }
}

#[test]
fn a_record_takes_the_context_of_its_first_piece_and_waits_for_nobody() {
    let now = Instant::now();
    let mut merger = Merger::new(MergeLimits::default());
    let mut give = |id, index, last, context| {
        let value = segment(id, index, last, &[b'0' + index]);
        merger.add(0, 1, Some(b"k"), parsed(&value), || context, now)
    };
    assert_eq!(give(1, 0, 2, 'a'), nothing());
    assert_eq!(give(2, 0, 1, 'b'), nothing());
    assert_eq!(give(2, 1, 1, 'c').merged, Some(Merged { first: 'b', value: b"01".to_vec() }));
    assert_eq!(give(3, 0, 0, 'd').merged, Some(Merged { first: 'd', value: b"0".to_vec() }));
    assert_eq!(give(1, 2, 2, 'e'), nothing());
    assert_eq!(give(1, 1, 2, 'f').merged, Some(Merged { first: 'a', value: b"012".to_vec() }));
}

#[test]
fn what_waits_too_long_is_dropped_by_time_and_by_offsets() {
    let now = Instant::now();
    let limits = MergeLimits::default();
    let mut merger = Merger::new(limits);
    let half = segment(1, 0, 1, b"x");
    assert_eq!(merger.next_expiry(), None);
    merger.add(0, 1, None, parsed(&half), || 'a', now);
    assert_eq!(merger.next_expiry(), Some(now + limits.max_wait));
    assert_eq!(merger.expire(now + limits.max_wait - Duration::from_nanos(1)), []);
    assert_eq!(merger.expire(now + limits.max_wait)[0].reason, DropReason::Expired);

    merger.add(0, 1, None, parsed(&half), || 'b', now);
    merger.add(1, 9999, None, parsed(&half), || 'c', now);
    let later = segment(2, 0, 1, b"x");
    assert_eq!(merger.add(0, 501, None, parsed(&later), || 'd', now).dropped, []);
    let dropped = merger.add(0, 502, None, parsed(&later), || 'e', now).dropped;
    assert_eq!(
        dropped.iter().map(|dropped| (dropped.first, dropped.reason)).collect::<Vec<_>>(),
        [('b', DropReason::Expired)]
    );
    // Records that are no segments count too.
    assert_eq!(merger.incomplete_from(1), Some(9999));
    assert_eq!((merger.pass(1, 10_499), merger.pass(2, 99_999)), (vec![], vec![]));
    assert_eq!(merger.pass(1, 10_500).iter().map(|dropped| dropped.first).collect::<Vec<_>>(), ['c']);
    assert_eq!((merger.incomplete_from(1), merger.incomplete_from(0)), (None, Some(501)));
}

#[test]
fn an_id_given_anew_begins_a_new_record() {
    let now = Instant::now();
    let mut merger = Merger::new(MergeLimits::default());
    for (index, piece) in [(0, "old0"), (1, "old1"), (0, "new0")] {
        let added = merger.add(0, 1, None, parsed(&segment(1, index, 2, piece.as_bytes())), || piece, now);
        assert_eq!(
            added.dropped.first().map(|dropped| dropped.reason),
            (piece == "new0").then_some(DropReason::Replaced)
        );
    }
    assert_eq!(merger.add(0, 1, None, parsed(&segment(1, 2, 2, b"new2")), || "", now).merged, None);
    let merged = merger.add(0, 1, None, parsed(&segment(1, 1, 2, b"new1")), || "", now).merged.unwrap();
    assert_eq!(merged, Merged { first: "new0", value: b"new0new1new2".to_vec() });
}

#[test]
fn labels_are_all_different() {
    let labels: std::collections::BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(labels.len(), DropReason::ALL.len());
}

/// Partition, key, id, index of the last.
type Identity = (i32, Option<u8>, u8, u8);

/// All steps of each identity, replayed from the beginning every time.
#[derive(Default)]
struct Model {
    logs: HashMap<Identity, Vec<(Step, i64, usize, Duration)>>,
}

impl Model {
    fn add(&mut self, step: &Step, offset: i64, number: usize, now: Duration) -> Option<Merged<usize>> {
        let log = self.logs.entry((step.partition, step.key, step.id, step.last)).or_default();
        log.push((step.clone(), offset, number, now));
        let mut held: HashMap<u8, Vec<u8>> = HashMap::new();
        let (mut first, mut latest) = (0, (0, Duration::ZERO));
        let mut outcome = None;
        for (step, offset, number, now) in log {
            outcome = None;
            if *now - latest.1 >= Duration::from_secs(60) || *offset - latest.0 > 500 {
                held.clear();
            }
            match held.get(&step.index) {
                Some(piece) if *piece == step.piece() => continue,
                Some(_) => held.clear(),
                None => {}
            }
            if held.is_empty() {
                first = *number;
            }
            held.insert(step.index, step.piece());
            latest = (*offset, *now);
            if held.len() == usize::from(step.last) + 1 {
                outcome =
                    Some(Merged { first, value: (0..=step.last).flat_map(|index| held[&index].clone()).collect() });
                held.clear();
            }
        }
        outcome
    }
}

fn same_record(one: &Step, other: &Step) -> bool {
    (one.partition, one.key, one.id, one.last) == (other.partition, other.key, other.id, other.last)
}

fn add(merger: &mut Merger<usize>, step: &Step, offset: i64, number: usize, now: Instant) -> Added<usize> {
    merger.add(step.partition, offset, step.key_bytes().as_deref(), parsed(&step.value()), || number, now)
}

fn nothing<C>() -> Added<C> {
    Added { merged: None, dropped: Vec::new() }
}

fn segment(id: u32, index: u8, last: u8, piece: &[u8]) -> Vec<u8> {
    let id = id.to_le_bytes();
    [&b"<"[..], &id, b"/", &[index], b"/", &[last], b">", piece].concat()
}

fn parsed(value: &[u8]) -> Segment<'_> {
    match Package::read(None, [], Some(value)) {
        Reading::Segment(segment) => segment,
        other => panic!("{other:?}"),
    }
}

fn step() -> impl Strategy<Value = Step> {
    let place = (0..2_i32, prop::option::of(0..2_u8), 0..2_u8, 0..4_u8, any::<prop::sample::Index>());
    let passed = (
        prop_oneof![30 => Just(0), 1 => Just(59), 1 => Just(60)],
        prop_oneof![30 => Just(0), 1 => Just(499), 1 => Just(500)],
    );
    (place, prop_oneof![8 => Just(0), 1 => Just(1)], passed).prop_map(
        |((partition, key, id, last, index), version, (seconds, offsets))| Step {
            partition,
            key,
            id,
            index: index.index(usize::from(last) + 1) as u8,
            last,
            version,
            seconds,
            offsets,
        },
    )
}
