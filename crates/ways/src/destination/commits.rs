//! `Commits`: when positions are committed. A value.

use std::time::{Duration, Instant};

use kafka_bridge::broker::NextOffset;

use super::progress::Progress;

/// Of one reading.
#[derive(Debug)]
pub(super) struct Commits {
    /// When the last one was begun; after one that failed, later.
    last: Instant,
    /// When all positions were committed, moved or not.
    renewed: Instant,
}

impl Commits {
    /// All has just been committed.
    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, renewed: now }
    }

    /// What is to be committed now, if none is under way.
    pub(super) fn take(&mut self, progress: &mut Progress, under_way: usize, now: Instant) -> Option<Vec<NextOffset>> {
        if now >= self.renewed + RENEW_EVERY {
            self.renewed = now;
            progress.renew();
        }
        let next = progress.to_commit();
        let is_due = !next.is_empty() && now >= self.due(under_way);
        is_due.then(|| {
            self.last = now;
            next
        })
    }

    /// When [`take`](Self::take) has something to give though nothing happens meanwhile.
    pub(super) fn next(&self, progress: &Progress, under_way: usize) -> Instant {
        let renewal = self.renewed + RENEW_EVERY;
        if progress.to_commit().is_empty() { renewal } else { self.due(under_way).min(renewal) }
    }

    /// The last one has failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.last = now + AGAIN;
    }

    /// While messages are under way more is to be committed soon.
    fn due(&self, under_way: usize) -> Instant {
        self.last + if under_way == 0 { PAUSE } else { EVERY }
    }
}

/// While messages are under way, and at least between two commits.
const EVERY: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
/// Positions that have not moved. Source: Kafka's `offsets.retention.minutes`, 7 days by default, a day in old versions.
const RENEW_EVERY: Duration = Duration::from_secs(3600);
/// After one that failed.
const AGAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const AT: NextOffset = NextOffset { partition: 0, offset: 5 };
    const MOVED: NextOffset = NextOffset { partition: 0, offset: 6 };

    #[test]
    fn what_is_done_is_committed_soon_and_while_more_is_under_way_every_second() {
        for (under_way, pause) in [(0, PAUSE), (3, EVERY)] {
            let now = Instant::now();
            let (mut commits, mut progress) = (Commits::new(now), Progress::at(&[AT]));
            progress.read(0, 5);
            let due = commits.next(&progress, under_way);
            assert_eq!(due, now + pause);
            assert_eq!(commits.take(&mut progress, under_way, due - Duration::from_millis(1)), None);
            assert_eq!(commits.take(&mut progress, under_way, due), Some(vec![MOVED]));
            commits.failed(due);
            assert_eq!(commits.next(&progress, under_way), due + AGAIN + pause);
            assert_eq!(commits.take(&mut progress, under_way, due + AGAIN), None);
        }
    }

    #[test]
    fn a_position_that_does_not_move_is_committed_every_hour() {
        let now = Instant::now();
        let (mut commits, mut progress) = (Commits::new(now), Progress::at(&[AT]));
        for hour in 1..4 {
            let due = commits.next(&progress, 0);
            assert_eq!(due, now + hour * RENEW_EVERY, "it wakes for that");
            assert_eq!(commits.take(&mut progress, 0, due - Duration::from_secs(1)), None);
            assert_eq!(commits.take(&mut progress, 0, due), Some(vec![AT]));
            progress.committed(&[AT]);
        }
    }

    /// A loop that sleeps until `next` after `take` gave nothing must not sleep for ever, nor not at all.
    #[test]
    fn it_wakes_later_than_now_and_has_something_to_give_then() {
        let now = Instant::now();
        for under_way in [0, 1] {
            for has_moved in [false, true] {
                let (mut commits, mut progress) = (Commits::new(now), Progress::at(&[AT]));
                if has_moved {
                    progress.read(0, 5);
                }
                assert_eq!(commits.take(&mut progress, under_way, now), None);
                let next = commits.next(&progress, under_way);
                assert!(next > now && commits.take(&mut progress, under_way, next).is_some());
            }
        }
    }
}
