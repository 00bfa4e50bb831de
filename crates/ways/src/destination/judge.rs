//! What becomes of a message by its answer, and what the answer says of the receiver. A value, with [`Receiver`].

use std::time::{Duration, Instant};

use super::circuit::pause;
use super::job::{Job, Unwelcome};
use super::receiver::Receiver;
use super::sender::Verdict;

/// What is to become of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// To be sent when the receiver takes something again.
    Again {
        why: String,
    },
    /// To be sent at a time, while others go on.
    Rest {
        why: String,
        until: Instant,
    },
    /// Not to be sent any more. `behind`: what that says of the next of its stream.
    GivenUp {
        why: String,
        behind: Option<Unwelcome>,
    },
    /// Nothing is to be sent any more.
    Paused,
}

/// When an answer came, and what else counts then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When the request was begun.
    pub(super) begun: Instant,
    pub(super) now: Instant,
    /// Since 1970.
    pub(super) now_ms: i64,
    /// From 0 to 1.
    pub(super) chance: f64,
    /// Whether nothing more is read until what was not welcome is done with.
    pub(super) is_stuck: bool,
}

impl Receiver {
    pub(super) fn judge(&mut self, job: &mut Job, verdict: Verdict, at: Moment, retry_for: Duration) -> Fate {
        match verdict {
            Verdict::Delivered => {
                self.took(at.begun);
                Fate::Done
            }
            Verdict::Gone => {
                self.paused = true;
                Fate::Paused
            }
            Verdict::Unacceptable { why } => {
                self.circuit.succeeded(at.begun); // it is there, and answers
                Fate::GivenUp { why, behind: None }
            }
            Verdict::Refused { why, retry_after } => self.refused(job, why, retry_after, at, retry_for),
            Verdict::Unwelcome { why } => self.unwelcome(job, why, at, retry_for),
        }
    }

    fn refused(
        &mut self,
        job: &mut Job,
        why: String,
        retry_after: Option<Duration>,
        at: Moment,
        retry_for: Duration,
    ) -> Fate {
        self.circuit.failed(at.begun, retry_after, at.now, at.chance);
        match job.refuse(retry_for, at.now, at.now_ms) {
            true => Fate::GivenUp { why, behind: None },
            false => Fate::Again { why },
        }
    }

    /// One that was not welcome while others were taken will not be later; nor what waits behind it, of which each is tried
    /// once. Several in a row say that something is wrong with the receiver, or with its URL here.
    fn unwelcome(&mut self, job: &mut Job, why: String, at: Moment, retry_for: Duration) -> Fate {
        let Unwelcome { since, tries } = job.unwelcome.unwrap_or(Unwelcome { since: at.now, tries: 0 });
        let is_alone = self.has_taken_since(since);
        if !is_alone {
            self.was_unwelcome(job);
        }
        match self.welcomes_nothing() {
            true if !is_alone => return self.refused(job, why, None, at, retry_for),
            true => self.circuit.failed(at.begun, None, at.now, at.chance),
            false => self.circuit.succeeded(at.begun),
        }
        let tries = tries + 1;
        job.unwelcome = Some(Unwelcome { since, tries });
        if tries >= TRIES || (is_alone && at.is_stuck) || job.refuse(retry_for, at.now, at.now_ms) {
            let behind = is_alone.then_some(Unwelcome { since, tries: TRIES - 1 });
            return Fate::GivenUp { why, behind };
        }
        Fate::Rest { why, until: at.now + pause(tries, at.chance) }
    }
}

/// Of a message that is not welcome: after 1, 2, 4, 8, 16 and 32 s, by chance half as much longer.
const TRIES: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Dialogue {
        receiver: Receiver,
        now: Instant,
        is_stuck: bool,
    }

    impl Dialogue {
        fn new() -> Self {
            Self { receiver: Receiver::new(None), now: Instant::now(), is_stuck: false }
        }

        fn answer(&mut self, job: &mut Job, verdict: Verdict) -> Fate {
            let at = Moment { begun: self.now, now: self.now, now_ms: 0, chance: 0.0, is_stuck: self.is_stuck };
            self.receiver.judge(job, verdict, at, DAY)
        }

        fn not_found(&mut self, job: &mut Job) -> Fate {
            self.answer(job, Verdict::Unwelcome { why: "404".to_owned() })
        }

        /// A message of another stream is taken.
        fn takes_another(&mut self) {
            self.now += SECOND / 100;
            assert_eq!(self.answer(&mut job(99), Verdict::Delivered), Fate::Done);
            self.now += SECOND / 100;
        }
    }

    fn job(offset: i64) -> Job {
        Job::new("a".into(), (0, offset, 0), "{}".into(), None)
    }

    fn refused() -> Verdict {
        Verdict::Refused { why: "503".to_owned(), retry_after: None }
    }

    #[test]
    fn what_is_not_welcome_is_tried_seven_times_in_about_a_minute_and_what_is_behind_it_once() {
        let (mut dialogue, mut first, mut second) = (Dialogue::new(), job(0), job(1));
        let (begun, mut rests) = (dialogue.now, Vec::new());
        let behind = loop {
            let rest = match dialogue.not_found(&mut first) {
                Fate::Rest { until, .. } => until - dialogue.now,
                Fate::GivenUp { behind, .. } => break behind,
                fate => panic!("{fate:?}"),
            };
            rests.push(rest.as_secs());
            dialogue.now += rest;
            dialogue.takes_another();
        };
        assert_eq!(rests, [1, 2, 4, 8, 16, 32]);
        assert!(dialogue.now - begun < 64 * SECOND);
        second.unwelcome = behind;
        assert!(matches!(dialogue.not_found(&mut second), Fate::GivenUp { behind: Some(_), .. }));
        assert!(dialogue.receiver.lets_through(dialogue.now, 7), "the receiver is not left alone for that");
    }

    #[test]
    fn what_alone_keeps_reading_closed_is_given_up_at_once() {
        for others_are_taken in [true, false] {
            let (mut dialogue, mut job) = (Dialogue::new(), job(0));
            dialogue.is_stuck = true;
            assert!(matches!(dialogue.not_found(&mut job), Fate::Rest { .. }));
            if others_are_taken {
                dialogue.takes_another();
            }
            let fate = dialogue.not_found(&mut job);
            assert_eq!(matches!(fate, Fate::GivenUp { .. }), others_are_taken, "{fate:?}");
        }
    }

    #[test]
    fn a_receiver_that_welcomes_three_in_a_row_not_is_left_alone_and_nothing_is_given_up() {
        let mut dialogue = Dialogue::new();
        let mut jobs = [job(0), job(1), job(2), job(3)];
        let mut waits = Vec::new();
        for index in [0, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3] {
            let fate = dialogue.not_found(&mut jobs[index]);
            assert!(matches!(fate, Fate::Rest { .. } | Fate::Again { .. }), "{fate:?}");
            let next = dialogue.receiver.next(dialogue.now, 0).unwrap_or(dialogue.now);
            waits.push((next - dialogue.now).as_secs());
            dialogue.now = next;
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        dialogue.takes_another();
        assert!(dialogue.receiver.lets_through(dialogue.now, 7));
        assert!(matches!(dialogue.not_found(&mut jobs[3]), Fate::Rest { .. }), "in a row no more");
    }

    #[test]
    fn what_was_begun_before_a_message_was_not_welcome_says_nothing_against_it() {
        let (mut dialogue, mut job) = (Dialogue::new(), job(0));
        let before = dialogue.now;
        dialogue.now += SECOND;
        assert!(matches!(dialogue.not_found(&mut job), Fate::Rest { .. }));
        dialogue.receiver.took(before);
        dialogue.is_stuck = true;
        assert!(matches!(dialogue.not_found(&mut job), Fate::Rest { .. }), "it may be the hook that is deleted");
    }

    #[test]
    fn refusals_of_another_kind_do_not_count_as_tries() {
        let (mut dialogue, mut job) = (Dialogue::new(), job(0));
        for _ in 0..20 {
            assert!(matches!(dialogue.answer(&mut job, refused()), Fate::Again { .. }));
        }
        let expected = Fate::Rest { why: "404".to_owned(), until: dialogue.now + SECOND };
        assert_eq!(dialogue.not_found(&mut job), expected);
    }
}
