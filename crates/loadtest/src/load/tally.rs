//! What has arrived where: order and loss per subscriber and stream, and which messages are still on their way.

use std::collections::VecDeque;

use serde::Serialize;

use super::latency::Latencies;
use super::marker::Marker;
use super::order::{Arrival, StreamCheck};

/// Counts of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages that reached a subscriber, each once per subscriber.
    pub delivered: u64,
    /// Messages that reached a subscriber that had them.
    pub duplicated: u64,
    /// Messages that came behind their followers.
    pub out_of_order: u64,
    /// Times at which a stream went on past missing messages.
    pub gaps: u64,
    /// Messages of other runs.
    pub foreign: u64,
}

/// Everything that subscribers saw.
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
    run: u32,
    subscribers: u32,
    publishers: usize,
    /// By subscriber, then publisher.
    checks: Vec<StreamCheck>,
    on_their_way: Vec<OnTheirWay>,
    in_flight: u64,
    lost_before: u64,
}

/// Messages of one publisher that have not reached everyone, and how many subscribers each has reached.
#[derive(Default)]
struct OnTheirWay {
    first: u32,
    reached: VecDeque<u32>,
}

impl Tally {
    pub(crate) fn new(run: u32, subscribers: usize, publishers: usize) -> Self {
        Self {
            counts: Counts::default(),
            latencies: Latencies::new(),
            run,
            subscribers: subscribers as u32,
            publishers,
            checks: vec![StreamCheck::default(); subscribers * publishers],
            on_their_way: (0..publishers).map(|_| OnTheirWay::default()).collect(),
            in_flight: 0,
            lost_before: 0,
        }
    }

    /// Starts to count anew; streams go on.
    pub(crate) fn restart(&mut self) {
        self.lost_before = self.missing();
        self.counts = Counts::default();
        self.latencies = Latencies::new();
    }

    /// A publisher's next message is on its way.
    pub(crate) fn publish(&mut self, publisher: usize) {
        self.on_their_way[publisher].reached.push_back(0);
        self.in_flight += 1;
    }

    /// A subscriber got a message at `now`.
    pub(crate) fn deliver(&mut self, subscriber: usize, marker: Marker, now: u64) {
        let publisher = usize::from(marker.publisher);
        if marker.run != self.run || publisher >= self.publishers {
            self.counts.foreign += 1;
            return;
        }
        let check = &mut self.checks[subscriber * self.publishers + publisher];
        match check.arrive(marker.number) {
            Arrival::InOrder => {}
            Arrival::AfterGap => self.counts.gaps += 1,
            Arrival::Late => self.counts.out_of_order += 1,
            Arrival::Duplicate => {
                self.counts.duplicated += 1;
                return;
            }
        }
        self.counts.delivered += 1;
        self.latencies.record(marker.intended, now);
        self.in_flight -= self.on_their_way[publisher].reach(marker.number, self.subscribers);
    }

    /// Messages that have not reached everyone.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Deliveries due since the last restart that have not come.
    pub(crate) fn lost(&self) -> u64 {
        self.missing().saturating_sub(self.lost_before)
    }

    fn missing(&self) -> u64 {
        let streams = self.checks.iter().zip(self.on_their_way.iter().cycle());
        streams.map(|(check, sent)| check.missing(sent.first + sent.reached.len() as u32)).sum()
    }
}

impl OnTheirWay {
    /// Counts one subscriber more for `number`; 1 if it was the last.
    fn reach(&mut self, number: u32, subscribers: u32) -> u64 {
        let index = number.checked_sub(self.first).map(|index| index as usize);
        let Some(reached) = index.and_then(|index| self.reached.get_mut(index)) else {
            return 0;
        };
        *reached += 1;
        let done = *reached == subscribers;
        while self.reached.front() == Some(&subscribers) {
            self.reached.pop_front();
            self.first += 1;
        }
        u64::from(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(publisher: u16, number: u32) -> Marker {
        Marker { run: 1, publisher, number, intended: 0 }
    }

    #[test]
    fn a_message_is_on_its_way_until_everyone_has_it_once() {
        let mut tally = Tally::new(1, 2, 2);
        for publisher in [0, 0, 1] {
            tally.publish(publisher);
        }
        tally.deliver(0, marker(0, 0), 5);
        tally.deliver(0, marker(0, 0), 5);
        assert_eq!((tally.in_flight(), tally.counts.duplicated), (3, 1));
        tally.deliver(0, marker(0, 1), 5);
        tally.deliver(1, marker(0, 1), 5);
        assert_eq!((tally.in_flight(), tally.counts.gaps), (2, 1));
        tally.deliver(1, marker(0, 0), 5);
        assert_eq!((tally.in_flight(), tally.counts.out_of_order), (1, 1));
        assert_eq!(tally.lost(), 2, "the other publisher's, by both");
        tally.deliver(1, marker(1, 0), 5);
        assert_eq!((tally.lost(), tally.in_flight(), tally.counts.delivered), (1, 1, 5));
    }

    #[test]
    fn losses_count_in_the_run_they_belong_to() {
        let mut tally = Tally::new(1, 1, 1);
        tally.publish(0);
        assert_eq!(tally.lost(), 1);
        tally.restart();
        assert_eq!(tally.lost(), 0);
        tally.publish(0);
        assert_eq!(tally.lost(), 1);
        tally.deliver(0, marker(0, 1), 5);
        assert_eq!((tally.lost(), tally.counts.gaps), (0, 1));
    }

    #[test]
    fn other_runs_do_not_count() {
        let mut tally = Tally::new(1, 1, 1);
        tally.publish(0);
        tally.deliver(0, Marker { run: 2, ..marker(0, 0) }, 5);
        tally.deliver(0, marker(7, 0), 5);
        assert_eq!((tally.counts.foreign, tally.counts.delivered, tally.lost()), (2, 0, 1));
    }
}
