//! What the topic says about what was acknowledged and seen.

use std::collections::HashMap;

use crate::hub_reader::Connection;
use crate::marks::{Mark, Place, STREAMS};

/// The records of a topic by what they are; faults that are found are collected, so that a failure tells all of them.
pub(crate) struct Verdict {
    places: HashMap<Mark, Place>,
    faults: Vec<String>,
}

impl Verdict {
    /// Over all records: none is there twice, and each stream is in order in one partition.
    pub(crate) fn over(records: &[Vec<Mark>]) -> Self {
        let mut verdict = Self { places: HashMap::new(), faults: Vec::new() };
        let mut last = [None::<(i32, u64)>; STREAMS.len()];
        for (partition, records) in (0..).zip(records) {
            for (offset, mark) in (0..).zip(records) {
                let place = Place { partition, offset };
                if let Some(first) = verdict.places.insert(*mark, place) {
                    verdict.fault(format!("{mark} is stored twice: {first:?} and {place:?}"));
                }
                let before = last[usize::from(mark.stream)].replace((partition, mark.number));
                if before.is_some_and(|before| before.0 != partition || before.1 >= mark.number) {
                    verdict.fault(format!("{mark} at {place:?} comes after number {before:?}"));
                }
            }
        }
        verdict
    }

    /// Each of these is there.
    pub(crate) fn acknowledged(&mut self, marks: impl IntoIterator<Item = Mark>) {
        for mark in marks {
            if !self.places.contains_key(&mark) {
                self.fault(format!("{mark} was acknowledged, and is lost"));
            }
        }
    }

    /// Each of these is there, where it was said to be.
    pub(crate) fn acknowledged_at(&mut self, told: impl IntoIterator<Item = (Mark, Place)>) {
        for (mark, place) in told {
            match self.places.get(&mark).copied() {
                None => self.fault(format!("{mark} was acknowledged at {place:?}, and is lost")),
                Some(found) if found != place => {
                    self.fault(format!("{mark} was acknowledged at {place:?}, and is at {found:?}"));
                }
                Some(_) => {}
            }
        }
    }

    /// None of these is there.
    pub(crate) fn refused(&mut self, marks: impl IntoIterator<Item = Mark>) {
        for mark in marks {
            if let Some(place) = self.places.get(&mark).copied() {
                self.fault(format!("{mark} was refused as not written, and is at {place:?}"));
            }
        }
    }

    /// A connection has seen of each partition one piece without a gap, and it begins no later than its probe.
    pub(crate) fn seen(&mut self, name: &str, connection: &Connection) {
        let mut next = HashMap::new();
        for mark in &connection.seen {
            let Some(place) = self.places.get(mark).copied() else {
                self.fault(format!("{name} was shown {mark}, which is not stored"));
                continue;
            };
            let expected = next.insert(place.partition, place.offset + 1);
            if expected.is_some_and(|expected| expected != place.offset) {
                self.fault(format!("{name} was shown {mark} at {place:?} where {expected:?} had to come"));
            }
        }
        let probe = connection.probe.and_then(|probe| self.places.get(&probe).copied());
        let Some(probe) = probe else { return };
        let of_partition = |mark: &&Mark| self.places.get(mark).is_some_and(|place| place.partition == probe.partition);
        let first = connection.seen.iter().find(of_partition).and_then(|mark| self.places.get(mark));
        if first.is_some_and(|first| first.offset > probe.offset) {
            self.fault(format!("{name} was shown {first:?} first, though {probe:?} was sent after its subscription"));
        }
    }

    /// What is kept of the topic, as another door shows it, is what the archive has at these places, up to the end.
    pub(crate) fn kept(&mut self, kept: &[(Place, Mark)], ends: &[i64]) {
        let mut next: Vec<Option<i64>> = vec![None; ends.len()];
        for (place, mark) in kept {
            let expected = next[place.partition as usize].replace(place.offset + 1);
            if expected.is_some_and(|expected| expected != place.offset) || self.places.get(mark) != Some(place) {
                self.fault(format!("{place:?} holds {mark}; {expected:?}, and {:?}", self.places.get(mark)));
            }
        }
        let reached: Vec<_> = next.iter().zip(ends).map(|(next, end)| next.unwrap_or(*end)).collect();
        if reached != ends {
            self.fault(format!("the topic ends at {reached:?}, and {ends:?} were seen"));
        }
    }

    /// # Panics
    /// If there was any fault.
    pub(crate) fn give(self) {
        let faults = &self.faults;
        assert!(
            faults.is_empty(),
            "{} faults, the first are\n{}",
            faults.len(),
            faults[..faults.len().min(20)].join("\n")
        );
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }
}

#[test]
fn each_kind_of_fault_is_found() {
    let (a, b, c) = (Mark::new("js-6", 0), Mark::new("js-6", 1), Mark::new("kafka-0", 0));
    let at = |partition, offset| Place { partition, offset };
    let faults = |records: &[Vec<Mark>], check: &dyn Fn(&mut Verdict)| {
        let mut verdict = Verdict::over(records);
        check(&mut verdict);
        verdict.faults.len()
    };
    let nothing = |_: &mut Verdict| {};
    assert_eq!(faults(&[vec![a, b], vec![c]], &nothing), 0);
    assert!(faults(&[vec![a, b, a], vec![]], &nothing) > 0, "twice");
    assert_eq!(faults(&[vec![b, a], vec![]], &nothing), 1, "out of order");
    assert_eq!(faults(&[vec![a], vec![b]], &nothing), 1, "one stream in two partitions");
    let stored = [vec![a, b], vec![c]];
    assert_eq!(faults(&[vec![a], vec![c]], &|verdict| verdict.acknowledged([a, b, c])), 1, "lost");
    assert_eq!(faults(&stored, &|verdict| verdict.acknowledged_at([(a, at(0, 0)), (b, at(0, 1)), (c, at(1, 0))])), 0);
    assert_eq!(faults(&stored, &|verdict| verdict.acknowledged_at([(b, at(0, 2))])), 1, "elsewhere");
    assert_eq!(faults(&stored, &|verdict| verdict.refused([c])), 1, "refused, and there");
    let seen = |probe, seen: &[Mark]| Connection { probe, seen: seen.to_vec() };
    assert_eq!(faults(&stored, &|verdict| verdict.seen("it", &seen(Some(a), &[c, a, b]))), 0);
    let three = [vec![a, b, Mark::new("js-6", 2)], vec![]];
    assert_eq!(faults(&three, &|verdict| verdict.seen("it", &seen(None, &[three[0][0], three[0][2]]))), 1, "a gap");
    assert_eq!(faults(&three, &|verdict| verdict.seen("it", &seen(Some(a), &[b]))), 1, "begun too late");
    assert_eq!(faults(&three, &|verdict| verdict.seen("it", &seen(None, &[c]))), 1, "what is not there");
    assert_eq!(faults(&stored, &|verdict| verdict.kept(&[(at(0, 1), b), (at(1, 0), c)], &[2, 1])), 0);
    assert_eq!(faults(&stored, &|verdict| verdict.kept(&[(at(0, 0), b)], &[1, 1])), 1, "another door shows another");
    assert_eq!(faults(&stored, &|verdict| verdict.kept(&[(at(0, 0), a)], &[2, 1])), 1, "another end");
}
