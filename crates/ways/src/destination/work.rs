//! `Work`: one reading of a destination's topic: what is read, under way, to be committed. One loop, a closed list of causes.

use std::time::{Instant, SystemTime};

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use kafka_bridge::broker::{Deliveries, Delivery, NextOffset, ReadError};
use quix_model::Outgoing;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::circuit;
use super::commits::Commits;
use super::intake::Intake;
use super::job::{GivenUp, Job};
use super::judge::{Fate, Moment};
use super::lanes::Lanes;
use super::progress::Progress;
use super::receiver::Receiver;
use super::run::Context;
use super::sender::Verdict;
use crate::append::AppendError;
use crate::chance::chance;
use crate::stopping::stopped;

/// Messages of one reading.
pub(super) struct Work<'r> {
    intake: Intake,
    lanes: Lanes,
    progress: Progress,
    receiver: &'r mut Receiver,
    commits: Commits,
    /// Whether records are read now.
    reads: bool,
    /// Whether they are not because of messages that were not welcome alone.
    is_stuck: bool,
}

/// Why a reading is over.
pub(super) enum Ended {
    /// The server stops.
    Stopped,
    /// It is to be begun again.
    Interrupted(String),
}

/// Requests and writes that are not answered.
type UnderWay<'c> = FuturesUnordered<BoxFuture<'c, (Job, Came)>>;

/// A commit that is not answered.
type Commit<'c> = BoxFuture<'c, (Vec<NextOffset>, Result<(), ReadError>)>;

/// What was answered.
enum Came {
    Sent { begun: Instant, verdict: Verdict },
    Buried(Result<(), AppendError>),
}

impl<'r> Work<'r> {
    /// All of `progress` has just been committed.
    pub(super) fn new(intake: Intake, progress: Progress, receiver: &'r mut Receiver, now: Instant) -> Self {
        Self {
            intake,
            lanes: Lanes::default(),
            progress,
            receiver,
            commits: Commits::new(now),
            reads: true,
            is_stuck: false,
        }
    }

    pub(super) async fn run(
        mut self,
        context: &Context,
        mut deliveries: Deliveries,
        stopping: &mut watch::Receiver<bool>,
    ) -> Ended {
        let (mut under_way, mut commit): (UnderWay<'_>, Option<Commit<'_>>) = (UnderWay::new(), None);
        let ended = loop {
            let now = Instant::now();
            self.pump(context, &mut under_way, &mut commit, now);
            let wake = self.wake(under_way.len(), commit.is_some(), now);
            tokio::select! {
                delivery = deliveries.next(), if self.reads => {
                    if let Some(ended) = self.take(context, delivery) {
                        break ended;
                    }
                }
                Some((job, came)) = under_way.next(), if !under_way.is_empty() => {
                    under_way.extend(self.answered(context, job, came));
                }
                (next, result) = answer(&mut commit), if commit.is_some() => {
                    commit = None;
                    self.committed(context, &next, result);
                }
                () = sleep_until(wake), if wake.is_some() => {}
                () = stopped(stopping) => break Ended::Stopped,
            }
        };
        drop(deliveries);
        self.finish(context, under_way, commit, stopping).await;
        ended
    }

    /// Begins whatever may be begun now.
    fn pump<'c>(
        &mut self,
        context: &'c Context,
        under_way: &mut UnderWay<'c>,
        commit: &mut Option<Commit<'c>>,
        now: Instant,
    ) {
        self.intake.expire(&mut self.progress, now, self.reads);
        self.wake_if_stuck(under_way.len());
        while under_way.len() < context.config.parallel
            && self.receiver.lets_through(now, under_way.len())
            && let Some(job) = self.lanes.take(now)
        {
            under_way.push(self.begin(context, job, now));
        }
        context.metrics.waiting.set(self.lanes.waiting() as i64);
        self.reads = self.may_read(under_way.len());
        if commit.is_none()
            && let Some(next) = self.commits.take(&mut self.progress, under_way.len(), now)
        {
            *commit = Some(committing(context, next).boxed());
        }
    }

    /// What is far ahead waits while there is something to send: what keeps the rest back may be segments, and only reading
    /// ends that.
    fn may_read(&self, under_way: usize) -> bool {
        self.lanes.have_room() && (!self.progress.is_far_ahead() || self.lanes.waiting() + under_way == 0)
    }

    /// What rests and alone keeps reading closed is tried at once.
    fn wake_if_stuck(&mut self, under_way: usize) {
        if self.may_read(under_way) {
            self.is_stuck = false;
        } else if !self.is_stuck && under_way == 0 && self.lanes.all_rest() {
            self.is_stuck = true;
            self.lanes.wake();
        }
    }

    /// Sends a message, or writes it to the dead letters if that is what is left of it.
    fn begin<'c>(&mut self, context: &'c Context, job: Job, now: Instant) -> BoxFuture<'c, (Job, Came)> {
        if job.given_up.is_some() {
            return bury(context, job).boxed();
        }
        self.receiver.pace.count(now);
        context.metrics.attempts.inc();
        send(context, job).boxed()
    }

    /// When something may be begun that might not be at `now`, the time by which [`pump`](Self::pump) has judged.
    fn wake(&self, under_way: usize, commits: bool, now: Instant) -> Option<Instant> {
        let sending = self.receiver.next(now, under_way).filter(|_| self.lanes.waiting() > 0);
        let committing = (!commits).then(|| self.commits.next(&self.progress, under_way));
        let expiry = self.intake.next_expiry(now).filter(|_| self.reads);
        [sending, self.lanes.next(now), committing, expiry].into_iter().flatten().min()
    }

    /// Why the reading is over, if it is.
    fn take(&mut self, context: &Context, delivery: Option<Delivery>) -> Option<Ended> {
        let interrupted = |why: String| Some(Ended::Interrupted(why));
        match delivery {
            Some(Delivery::Batch(batch)) => {
                for record in &batch.records {
                    let jobs = self.intake.take(record, &mut self.progress);
                    jobs.into_iter().for_each(|job| self.lanes.push(job));
                }
                None
            }
            Some(Delivery::Gap { partition, next_offset, lost }) => {
                let destination = &context.config.name;
                tracing::warn!(destination, partition, next_offset, lost, "records are gone that were not sent");
                context.metrics.lost.inc_by(lost.unsigned_abs());
                self.progress.jump(partition, next_offset);
                None
            }
            Some(Delivery::CaughtUp { .. }) => None,
            Some(Delivery::Unreadable { partition, offset }) => {
                interrupted(format!("what is stored in partition {partition} is damaged from offset {offset} on"))
            }
            Some(Delivery::TopicGone) => {
                self.progress = Progress::default(); // a topic of that name would be another one
                interrupted("it was deleted".to_owned())
            }
            None => interrupted("the broker has ended it".to_owned()),
        }
    }

    /// What is to be done about a message next, if that is anything but waiting.
    fn answered<'c>(&mut self, context: &'c Context, job: Job, came: Came) -> Option<BoxFuture<'c, (Job, Came)>> {
        match came {
            Came::Sent { begun, verdict } => {
                context.metrics.seconds.observe(begun.elapsed().as_secs_f64());
                self.judged(context, job, begun, verdict)
            }
            Came::Buried(Ok(())) => {
                context.metrics.dead_lettered.inc();
                self.done(&job);
                None
            }
            Came::Buried(Err(error)) => {
                let destination = &context.config.name;
                if error.may_pass() || matches!(error, AppendError::UnknownTopic(_)) {
                    tracing::warn!(
                        destination,
                        "a message cannot be written to its dead letter topic: {error}; tried again"
                    );
                    self.bury_later(job);
                } else {
                    tracing::error!(destination, message = job.id(&context.topic.name), "a message is lost: {error}");
                    context.metrics.skipped.inc();
                    self.done(&job);
                }
                None
            }
        }
    }

    fn judged<'c>(
        &mut self,
        context: &'c Context,
        mut job: Job,
        begun: Instant,
        verdict: Verdict,
    ) -> Option<BoxFuture<'c, (Job, Came)>> {
        let destination = &context.config.name;
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (now, now_ms) = (Instant::now(), since_1970.as_millis() as i64);
        let moment = Moment { begun, now, now_ms, chance: chance(), is_stuck: self.is_stuck };
        match self.receiver.judge(&mut job, verdict, moment, context.config.retry_for.0) {
            Fate::Done => {
                context.metrics.delivered.inc();
                self.done(&job);
            }
            Fate::Paused => {
                tracing::error!(
                    destination,
                    "it answers with HTTP status 410: nothing more is sent until the server is started again"
                );
                context.metrics.paused.set(1);
                self.lanes.again(job);
            }
            Fate::Again { why } => {
                not_taken(context, &job, &why);
                self.lanes.again(job);
            }
            Fate::Rest { why, until } => {
                not_taken(context, &job, &why);
                self.lanes.rest(job, until);
            }
            Fate::GivenUp { why, behind } => {
                behind.into_iter().for_each(|behind| self.lanes.pass_on(&job.stream_id, behind));
                return self.give_up(context, job, why);
            }
        }
        None
    }

    fn give_up<'c>(&mut self, context: &'c Context, job: Job, why: String) -> Option<BoxFuture<'c, (Job, Came)>> {
        let (destination, message) = (&context.config.name, job.id(&context.topic.name));
        match &context.config.dead_letter {
            Some(topic) => {
                tracing::error!(destination, message, dead_letter = topic, "a message is given up: {why}");
                let given_up = Some(GivenUp { why, failures: 0 });
                Some(bury(context, Job { given_up, ..job }).boxed())
            }
            None => {
                tracing::error!(destination, message, "a message is given up and skipped: {why}");
                context.metrics.skipped.inc();
                self.done(&job);
                None
            }
        }
    }

    fn bury_later(&mut self, mut job: Job) {
        let failures = job.given_up.as_mut().map_or(1, |given_up| {
            given_up.failures = given_up.failures.saturating_add(1);
            given_up.failures
        });
        self.lanes.rest(job, Instant::now() + circuit::pause(failures, chance()));
    }

    fn done(&mut self, job: &Job) {
        self.lanes.done(&job.stream_id);
        self.progress.done(job.partition, job.offset);
    }

    fn committed(&mut self, context: &Context, next: &[NextOffset], result: Result<(), ReadError>) {
        match result {
            Ok(()) => self.progress.committed(next),
            Err(error) => {
                self.commits.failed(Instant::now());
                tracing::warn!(
                    destination = context.config.name,
                    "what is delivered cannot be committed: {error}; tried again"
                );
            }
        }
    }

    /// Nothing new is begun; what is delivered is committed. A server that stops waits for answers so long and no longer.
    async fn finish<'c>(
        mut self,
        context: &'c Context,
        mut under_way: UnderWay<'c>,
        commit: Option<Commit<'c>>,
        stopping: &mut watch::Receiver<bool>,
    ) {
        let too_late = async {
            stopped(stopping).await;
            tokio::time::sleep(context.finish_within).await;
        };
        tokio::pin!(too_late);
        loop {
            tokio::select! {
                answered = under_way.next() => match answered {
                    Some((job, came)) => under_way.extend(self.answered(context, job, came)),
                    None => break,
                },
                () = &mut too_late => break,
            }
        }
        if let Some(commit) = commit {
            let (next, result) = commit.await;
            self.committed(context, &next, result);
        }
        let next = self.progress.to_commit();
        if !next.is_empty() {
            let (next, result) = committing(context, next).await;
            self.committed(context, &next, result);
        }
        context.metrics.waiting.set(0);
    }
}

async fn send(context: &Context, job: Job) -> (Job, Came) {
    let begun = Instant::now();
    let verdict = context.sender.send(&job, &context.topic.name).await;
    (job, Came::Sent { begun, verdict })
}

fn not_taken(context: &Context, job: &Job, why: &str) {
    let (destination, message) = (&context.config.name, job.id(&context.topic.name));
    tracing::warn!(destination, message, "a message was not taken: {why}; tried again");
}

/// Writes what a message is and why it was given up, as JSON, under its stream.
async fn bury(context: &Context, job: Job) -> (Job, Came) {
    let letter = serde_json::to_string(&Letter {
        destination: &context.config.name,
        topic: &context.topic.name,
        partition: job.partition,
        offset: job.offset,
        reason: job.given_up.as_ref().map_or("", |given_up| &given_up.why),
        message: serde_json::from_str(&job.message).ok(),
    });
    let letter = letter.unwrap_or_default(); // plain structs serialise
    let stream_id = if job.stream_id.is_empty() { &context.config.name } else { &*job.stream_id };
    let topic = context.config.dead_letter.as_deref().unwrap_or_default(); // without one nothing is buried
    let written = context.append.append(topic, stream_id, Outgoing::Json(&letter)).await;
    (job, Came::Buried(written))
}

#[derive(serde::Serialize)]
struct Letter<'a> {
    destination: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    reason: &'a str,
    message: Option<&'a RawValue>,
}

async fn committing(context: &Context, next: Vec<NextOffset>) -> (Vec<NextOffset>, Result<(), ReadError>) {
    let result = context.broker.commit(&context.group, &context.topic.name, next.clone()).await;
    (next, result)
}

async fn answer<'c>(commit: &mut Option<Commit<'c>>) -> (Vec<NextOffset>, Result<(), ReadError>) {
    match commit {
        Some(commit) => commit.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
