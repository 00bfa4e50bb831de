//! Histories of a log on a disk that loses what was not synced, played step by step without a thread: random work, ends of the
//! process and losses of power at any call, also while opening, one after the other; after each the log is compared with a model.
//!
//! A failing seed is printed and replays alone: `SIMULATION_SEED=17 cargo test -p embedded-log --lib simulation`.
#![allow(clippy::unwrap_used)]

mod asking;
mod full;
mod model;
mod observed;
mod sweep;
mod workload;

use std::{cell::Cell, env, sync::Arc, time::Duration};

use self::{
    asking::{Outcome, ask},
    model::{ANY, Given, State},
    observed::difference,
    workload::Operation,
};
use crate::{
    commit::Writer,
    error::WriteError,
    group::GroupBuilder,
    log::{Log, Shared},
    options::Options,
    queue::Work,
    recovery,
    storage::faulty::{Call, Dice, Failure, Fault, FaultyStorage},
};

/// Every acknowledged record is there, once, in order, at the offset told; a group that was not acknowledged is whole or absent.
#[test]
fn nothing_acknowledged_is_lost_at_any_crash_point() {
    let only = env::var("SIMULATION_SEED").ok().map(|seed| seed.parse().unwrap());
    let cases = env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(HISTORIES);
    let seeds = only.map_or(0..cases, |seed: u64| seed..seed + 1);
    let (mut crashes, mut records) = (0, 0);
    for seed in seeds.clone() {
        let tally = History::new(seed).play();
        crashes += tally.0;
        records += tally.1;
    }
    println!("{} histories, {crashes} crash points, {records} records acknowledged", seeds.count());
}

/// The folder's names may become durable in any order: whatever is left, it is the beginning of a log and nothing else.
#[test]
fn a_making_that_was_interrupted_twice_is_begun_again() {
    for seed in 0..100 {
        let storage = Arc::new(FaultyStorage::new());
        storage.put("format.new", Vec::new());
        storage.put("00000000000000000000.log", b"torn".to_vec());
        let end = |storage: &Arc<FaultyStorage>, call| {
            storage.plan(Fault { call: Some(call), after: 0, lasting: false, failure: Failure::End });
            assert!(recovery::open(storage.clone(), Options::default()).is_err());
        };
        end(&storage, Call::SyncFolder);
        let storage = Arc::new(storage.restart());
        end(&storage, Call::Write);
        let storage = Arc::new(storage.crash(&mut Dice::new(seed)));
        let opened = recovery::open(storage.clone(), Options::default());
        assert!(opened.is_ok(), "seed {seed}: {:?} with {:?}", opened.err(), storage.files());
    }
}

/// The time of the log under test, where one is simulated.
pub(crate) fn clock() -> Option<i64> {
    CLOCK.get()
}

thread_local! {
    static CLOCK: Cell<Option<i64>> = const { Cell::new(None) };
}

/// One log from its making on.
struct History {
    seed: u64,
    dice: Dice,
    storage: Arc<FaultyStorage>,
    options: Options,
    /// What was acknowledged.
    certain: State,
    /// What may be there instead: as well the whole group whose fate nobody knows.
    possible: Option<State>,
    /// Retention may have gone on without telling.
    retired: bool,
    given: Given,
    crashes: usize,
    records: usize,
}

impl Drop for History {
    fn drop(&mut self) {
        CLOCK.set(None);
        if std::thread::panicking() {
            eprintln!("history of seed {} failed, in its life {}", self.seed, self.crashes);
        }
    }
}

/// How a life goes on.
enum Step {
    Next,
    /// Nothing more can be done.
    Over,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        CLOCK.set(Some(1_700_000_000_000));
        let options = Options {
            segment_bytes: [1 << 10, 2 << 10, 8 << 10, 1 << 20][dice.below(4)],
            preallocate_bytes: [1, 700, 4096][dice.below(3)],
            retention_bytes: [1 << 30, 10 << 10][dice.below(2)],
            retention_age: Duration::from_secs([1 << 20, 4][dice.below(2)]),
            offsets_retention: Duration::from_secs([1 << 20, 20][dice.below(2)]),
            recent_bytes: [0, 2000, 1 << 20][dice.below(3)],
            reserve_bytes: Some(0),
            ..Options::default()
        };
        Self {
            seed,
            dice,
            storage: Arc::new(FaultyStorage::new()),
            options,
            certain: State::default(),
            possible: None,
            retired: false,
            given: Given::default(),
            crashes: 0,
            records: 0,
        }
    }

    fn play(mut self) -> (usize, usize) {
        while self.crashes < LIVES {
            self.life();
            self.crashes += 1;
        }
        (self.crashes, self.records)
    }

    /// From one opening to one end.
    fn life(&mut self) {
        match self.storage.files().iter().any(|file| file == "format") {
            true if self.dice.one_in(3) => self.end_within(40),
            false if !self.dice.one_in(3) => self.end_within(16), // while it is made
            _ => {}
        }
        match recovery::open(self.storage.clone(), self.options.clone()) {
            Ok((shared, writer)) => self.live(Log::without_thread(shared.clone()), &shared, writer),
            Err(error) => assert!(self.storage.has_ended(), "refused to open: {error}"),
        }
        // An end of the process, an orderly one too, leaves what the system has in its cache; a loss of power does not.
        let power = self.storage.has_ended() || self.dice.one_in(2);
        let limbo = self.storage.calls().contains(&Call::Sync) && self.dice.one_in(2);
        self.storage = Arc::new(match power || limbo {
            true if self.dice.one_in(3) => self.storage.restart(),
            true => self.storage.crash(&mut self.dice),
            false => self.storage.restart(),
        });
    }

    fn live(&mut self, log: Log, shared: &Arc<Shared>, mut writer: Writer) {
        if self.storage.has_ended() {
            return;
        }
        self.storage.heal();
        self.compare(&log, writer.catalog.next_topic());
        if self.dice.one_in(2) {
            self.end_within(60);
        }
        for _ in 0..self.dice.below(12) {
            CLOCK.set(clock().map(|now| now + self.dice.below(2000) as i64));
            if self.dice.one_in(50) {
                CLOCK.set(clock().map(|now| now - 3_600_000));
            }
            let step = match self.dice.below(8) {
                0 => self.housekeeping(&log, &mut writer),
                1 => self.full_disk(&log, shared, &mut writer),
                _ => self.commit(&log, shared, &mut writer),
            };
            if matches!(step, Step::Over) {
                return;
            }
            if self.dice.one_in(6) && !self.storage.has_ended() {
                self.compare_while_open(&log);
            }
        }
    }

    /// The log is as the model has it, with the group of unknown fate or without. Of a topic that was made and deleted in that
    /// group only the id is left to see, which is not given again.
    fn compare(&mut self, log: &Log, next_topic: u32) {
        let without = difference(log, &mut self.certain, self.retired);
        if let Err(without) = without {
            let Some(mut possible) = self.possible.take() else { panic!("{without}") };
            if let Err(with) = difference(log, &mut possible, self.retired) {
                panic!("without the unfinished group: {without}; with it: {with}");
            }
            self.certain = possible;
        } else if self.possible.as_ref().is_some_and(|possible| possible.next_topic == next_topic) {
            self.certain.next_topic = next_topic;
        }
        (self.possible, self.retired) = (None, false);
    }

    /// The same, with reads that are not counted towards the end of the process.
    fn compare_while_open(&mut self, log: &Log) {
        if let Err(difference) = difference(log, &mut self.certain, false) {
            assert!(self.storage.has_ended(), "{difference}");
        }
    }

    fn commit(&mut self, log: &Log, shared: &Arc<Shared>, writer: &mut Writer) -> Step {
        let hostile = forged(log);
        let count = 1 + self.dice.below(8);
        let operations: Vec<_> =
            (0..count).map(|_| Operation::random(&mut self.dice, &self.certain, &self.given, &hostile)).collect();
        let asked: Vec<_> = operations.iter().map(|operation| ask(log, operation)).collect();
        let Some(mut work) = shared.queue.take(Work::default(), Duration::ZERO) else {
            return Step::Over; // stopped, when nobody waited who could be told
        };
        writer.commit(&mut work);
        drop(work);
        let outcomes: Vec<_> = asked.into_iter().map(|asked| asked()).collect();
        self.judge(&operations, outcomes)
    }

    fn judge(&mut self, operations: &[Operation], outcomes: Vec<Outcome>) -> Step {
        let (next, expected) = self.certain.after(operations, clock().unwrap());
        let refused =
            |outcome: &Outcome| matches!(outcome, Outcome::Write(WriteError::DiskFull | WriteError::Stopped(_)));
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Write(WriteError::Failed(_)))) {
            self.possible = Some(next);
            return Step::Over;
        }
        if outcomes.iter().any(refused) {
            for (operation, outcome) in operations.iter().zip(outcomes) {
                let acknowledged = matches!(outcome, Outcome::Done(_)) && !matches!(operation, Operation::Flush);
                assert!(!acknowledged, "acknowledged in a group that was refused: {operation:?}");
            }
            return Step::Next;
        }
        for ((operation, outcome), expected) in operations.iter().zip(outcomes).zip(expected) {
            match (outcome, expected) {
                (Outcome::Done(id), Ok(ANY)) => assert!(self.given.insert(id), "the producer id {id} was given before"),
                (Outcome::Done(found), Ok(expected)) if found == expected => {
                    self.records +=
                        usize::from(matches!(operation, Operation::Record { .. } | Operation::Batch { .. }));
                }
                (Outcome::Refused(found), Err(expected)) if found == expected => {}
                (Outcome::Refused(_), Ok(_)) if is_deleted_at_once(operation, operations) => {}
                (found, expected) => panic!("{operation:?}: {found:?} instead of {expected:?}"),
            }
        }
        self.certain = next;
        Step::Next
    }

    fn housekeeping(&mut self, log: &Log, writer: &mut Writer) -> Step {
        let silent = clock().unwrap() - self.options.offsets_retention.as_millis() as i64;
        let forgotten = self.certain.without_groups_silent_since(silent);
        writer.housekeeping();
        if self.storage.has_ended() {
            (self.possible, self.retired) = (Some(forgotten), true);
            return Step::Over;
        }
        self.certain = forgotten;
        if let Err(difference) = difference(log, &mut self.certain, true) {
            assert!(self.storage.has_ended(), "{difference}");
            self.retired = true;
        }
        Step::Next
    }

    /// One call finds no room: refused, or of unknown fate; what is refused is nowhere.
    fn full_disk(&mut self, log: &Log, shared: &Arc<Shared>, writer: &mut Writer) -> Step {
        if self.storage.has_ended() {
            return Step::Over;
        }
        let calls =
            [Call::Write, Call::Allocate, Call::Create, Call::Sync, Call::SyncFolder, Call::SetLength, Call::Remove];
        let call = calls[self.dice.below(calls.len())];
        let after = self.dice.below(3) as u64;
        let lasting = self.dice.one_in(2);
        self.storage.plan(Fault { call: Some(call), after, lasting, failure: Failure::Full });
        let step = self.commit(log, shared, writer);
        if !self.storage.has_ended() {
            self.storage.heal();
        }
        step
    }

    fn end_within(&mut self, calls: usize) {
        self.storage.plan(Fault::once(self.dice.below(calls) as u64, Failure::End));
    }
}

/// Made and deleted in one group: there is nothing to be had, and the one who made it is told so.
fn is_deleted_at_once(operation: &Operation, operations: &[Operation]) -> bool {
    let Operation::CreateTopic { name, .. } = operation else { return false };
    operations.iter().any(|other| matches!(other, Operation::DeleteTopic { name: deleted } if deleted == name))
}

/// What a client that knows what clients can know would send to look like a commit group.
fn forged(log: &Log) -> Vec<u8> {
    let mark = u64::from_str_radix(log.id(), 16).unwrap_or_default().to_be_bytes();
    GroupBuilder::new(mark, 1 << 40, 0).finish()
}

/// Without `PROPTEST_CASES`.
const HISTORIES: u64 = 400;
/// Each ends in a crash.
const LIVES: usize = 12;
