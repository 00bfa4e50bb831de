//! Damage at every place of a small log: every byte cut off, every bit flipped, every file missing. What opens holds the right
//! records or says which are damaged; everything else is refused with the file named.

use std::{sync::Arc, time::Duration};

use super::{
    asking::ask,
    model::{ANY, Given, State},
    observed::{damaged_records, difference},
    workload::Operation,
};
use crate::{
    commit::Writer,
    error::OpenError,
    index::SealedIndex,
    log::{Log, Shared},
    options::Options,
    queue::Work,
    recovery,
    segment::Name,
    storage::faulty::{Dice, FaultyStorage},
};

#[test]
fn the_newest_segment_cut_at_every_byte_is_a_prefix() {
    let small = Small::make();
    let bytes = small.bytes(&small.newest);
    for length in 0..bytes.len() {
        let storage = Arc::new(small.storage.copy());
        storage.put(&small.newest, bytes[..length].to_vec());
        let opened = open(&storage);
        match small.groups.iter().rposition(|end| *end <= length as u64) {
            None => {
                let (file, position) = refused(opened, length);
                assert_eq!((file.as_str(), position), (small.newest.as_str(), 0), "cut at {length}");
            }
            Some(last) => {
                small.holds(opened, last, &format!("cut at {length}"));
                let left = storage.bytes_of(&small.newest).unwrap();
                let behind = &left[small.groups[last] as usize..];
                assert!(behind.iter().all(|byte| *byte == 0), "cut at {length}: a part of a group is left");
            }
        }
    }
}

#[test]
fn every_bit_of_the_newest_segment_flipped_is_refused_or_costs_the_last_group() {
    let small = Small::make();
    let bytes = small.bytes(&small.newest);
    let (last, end) = (small.groups.len() - 1, small.end());
    for_each_bit(&bytes, |place, flipped| {
        let opened = small.open_with(&small.newest, flipped);
        let place = place as u64;
        if place >= end {
            return small.holds(opened, last, "a bit behind the last group");
        }
        if place >= small.groups[last - 1] {
            return small.holds(opened, last - 1, "a bit of the last group");
        }
        let (file, position) = refused(opened, place);
        assert_eq!(file, small.newest);
        assert!(position <= place, "{position} for a flip at {place}");
    });
}

#[test]
fn every_bit_of_a_sealed_segment_flipped_is_met_when_it_is_read() {
    let small = Small::make();
    let (mut harmless, mut met) = (0, 0);
    for file in &small.sealed {
        let bytes = small.bytes(file);
        for_each_bit(&bytes, |place, flipped| {
            let log = small.open_with(file, flipped).unwrap_or_else(|error| panic!("{error}"));
            match damaged_records(&log, small.states.last().unwrap(), file)
                .unwrap_or_else(|problem| panic!("{place}: {problem}"))
            {
                0 => harmless += 1, // in what a start with an index does not need
                _ => met += 1,
            }
        });
    }
    assert!(met > harmless / 4, "{met} met, {harmless} not");
}

#[test]
fn every_bit_of_a_sealed_segment_without_index_flipped_is_refused() {
    let small = Small::make();
    let file = &small.sealed[1];
    let bytes = small.bytes(file);
    small.storage.take(&Name::of_file(file).unwrap().index_file());
    for_each_bit(&bytes, |place, flipped| {
        let (named, position) = refused(small.open_with(file, flipped), place);
        assert_eq!(&named, file);
        assert!(position <= place as u64, "{position} for a flip at {place}");
    });
}

#[test]
fn sealed_segments_cut_at_every_byte_are_refused() {
    let small = Small::make();
    for file in &small.sealed {
        let bytes = small.bytes(file);
        for length in 0..bytes.len() {
            let (named, _) = refused(small.open_with(file, bytes[..length].to_vec()), length);
            assert_eq!(&named, file);
        }
    }
}

#[test]
fn every_bit_of_the_format_flipped_is_refused_and_nothing_is_touched() {
    let small = Small::make();
    let bytes = small.bytes("format");
    for_each_bit(&bytes, |place, flipped| {
        let storage = small.storage.copy();
        storage.put("format", flipped);
        let before: Vec<_> = storage.files().iter().map(|file| storage.bytes_of(file)).collect();
        let storage = Arc::new(storage);
        let error = open(&storage).expect_err(&format!("a flip at {place}"));
        assert!(error.to_string().contains("/faulty"), "{error}");
        let after: Vec<_> = storage.files().iter().map(|file| storage.bytes_of(file)).collect();
        assert_eq!(before, after, "{error}");
    });
}

#[test]
fn an_index_with_any_bit_flipped_or_of_another_time_is_made_anew() {
    let small = Small::make();
    let last = small.states.len() - 1;
    for file in small.sealed.iter().map(|file| Name::of_file(file).unwrap().index_file()) {
        let bytes = small.bytes(&file);
        for_each_bit(&bytes, |place, flipped| {
            small.holds_state(small.open_with(&file, flipped), last, &format!("a flip at {place}"));
        });
        for length in 0..bytes.len() {
            small.holds_state(small.open_with(&file, bytes[..length].to_vec()), last, "cut");
        }
        let mut stale = SealedIndex::decode(&bytes).unwrap();
        stale.last_sequence -= 1;
        stale.partitions.clear();
        small.holds_state(small.open_with(&file, stale.encode()), last, "stale");
    }
}

#[test]
fn a_missing_file_is_missed() {
    let small = Small::make();
    for file in small.storage.files() {
        let storage = small.storage.copy();
        storage.take(&file);
        match (open(&Arc::new(storage)), file.ends_with(".index")) {
            (Ok(log), true) => small.holds_state(Ok(log), small.states.len() - 1, &file),
            (Ok(_), false) => panic!("opened without {file}"),
            (Err(error), _) => {
                let names_it = error.to_string().contains(&file) || file == small.sealed[1];
                assert!(names_it && !file.ends_with(".index"), "{file}: {error}");
            }
        }
    }
}

#[test]
fn a_half_made_segment_is_removed_only_behind_a_whole_one() {
    let small = Small::make();
    let before = &small.sealed[1];
    small.storage.take(&Name::of_file(before).unwrap().index_file());
    small.storage.put(&small.newest, small.bytes(&small.newest)[..20].to_vec());
    let (log, bytes) = (open(&Arc::new(small.storage.copy())), small.bytes(before));
    assert_eq!(log.unwrap().topics().len(), 1, "as a crash leaves it");
    let (named, _) = refused(small.open_with(before, bytes[..bytes.len() - 1].to_vec()), "the last group");
    assert_eq!(&named, before);
}

/// A log of three segments, the last one with several groups, and zeros behind.
struct Small {
    storage: FaultyStorage,
    sealed: Vec<String>,
    newest: String,
    /// Where the groups of the newest segment end, its checkpoint's first.
    groups: Vec<u64>,
    /// What the log held after each of the last groups, as many as `groups`.
    states: Vec<State>,
}

impl Small {
    fn make() -> Self {
        let storage = Arc::new(FaultyStorage::new());
        let (shared, mut writer) = recovery::open(storage.clone(), options()).unwrap();
        let log = Log::without_thread(shared.clone());
        let (mut dice, mut given, mut state) = (Dice::new(5), Given::default(), State::default());
        let (mut groups, mut states) = (Vec::new(), Vec::new());
        let topic = Operation::CreateTopic { name: "a".to_owned(), partitions: 2, settings: Vec::new() };
        commit(&log, &shared, &mut writer, &mut state, &mut given, vec![topic, Operation::ProducerId]);
        for segment in 0..3 {
            if segment > 0 {
                writer.roll(0).unwrap();
            }
            (groups, states) = (vec![writer.active.begin], vec![state.clone()]);
            for _ in 0..4 {
                let operations = (0..2).map(|_| quiet_operation(&mut dice, &state, &given)).collect();
                commit(&log, &shared, &mut writer, &mut state, &mut given, operations);
                groups.push(writer.active.position);
                states.push(state.clone());
            }
        }
        let sealed: Vec<_> =
            shared.segments().keys().filter(|name| **name != writer.active.name).map(Name::to_string).collect();
        let newest = writer.active.name.to_string();
        drop((log, writer));
        assert_eq!((sealed.len(), groups.len()), (2, 5));
        Self { storage: storage.copy(), sealed, newest, groups, states }
    }

    fn end(&self) -> u64 {
        *self.groups.last().unwrap()
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        self.storage.bytes_of(file).unwrap()
    }

    fn open_with(&self, file: &str, bytes: Vec<u8>) -> Result<Log, OpenError> {
        let storage = self.storage.copy();
        storage.put(file, bytes);
        open(&Arc::new(storage))
    }

    /// All up to the `last` of the newest segment's groups.
    fn holds(&self, opened: Result<Log, OpenError>, last: usize, what: &str) {
        self.holds_state(opened, last, what);
    }

    fn holds_state(&self, opened: Result<Log, OpenError>, last: usize, what: &str) {
        let log = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        difference(&log, &mut self.states[last].clone(), false).unwrap_or_else(|problem| panic!("{what}: {problem}"));
    }
}

fn options() -> Options {
    Options { preallocate_bytes: 1, recent_bytes: 0, reserve_bytes: Some(0), ..Options::default() }
}

fn open(storage: &Arc<FaultyStorage>) -> Result<Log, OpenError> {
    recovery::open(storage.clone(), options()).map(|(shared, _)| Log::without_thread(shared))
}

/// One that writes.
fn quiet_operation(dice: &mut Dice, state: &State, given: &Given) -> Operation {
    loop {
        let operation = Operation::random(dice, state, given, &[]);
        if matches!(operation, Operation::Record { .. } | Operation::Batch { .. } | Operation::CommitOffset { .. })
            && state.after(std::slice::from_ref(&operation), 0).1[0].is_ok()
        {
            return operation;
        }
    }
}

fn commit(
    log: &Log,
    shared: &Arc<Shared>,
    writer: &mut Writer,
    state: &mut State,
    given: &mut Given,
    operations: Vec<Operation>,
) {
    let asked: Vec<_> = operations.iter().map(|operation| ask(log, operation)).collect();
    writer.commit(&mut shared.queue.take(Work::default(), Duration::ZERO).unwrap());
    let (next, expected) = state.after(&operations, 0);
    for (asked, expected) in asked.into_iter().zip(expected) {
        if let (super::asking::Outcome::Done(id), Ok(ANY)) = (asked(), expected) {
            given.insert(id);
        }
    }
    *state = next;
}

/// File and position that a refusal names.
fn refused(opened: Result<Log, OpenError>, place: impl std::fmt::Display) -> (String, u64) {
    match opened {
        Err(OpenError::Damaged { file, position, .. }) => {
            (file.file_name().unwrap().to_string_lossy().into_owned(), position)
        }
        Err(error) => panic!("damage at {place}: {error}"),
        Ok(_) => panic!("damage at {place}: opened"),
    }
}

fn for_each_bit(bytes: &[u8], mut look: impl FnMut(usize, Vec<u8>)) {
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1 << bit;
            look(place, flipped);
        }
    }
}
