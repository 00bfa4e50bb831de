//! The task of one topic: reads it, tracks its streams, measures it, and tells its subscribers, whatever their workspace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::broker::{Broker, BrokerError, ReadError};
use kafka_bridge::record::Record;
use signalr_server::{ConnectionId, FrameBuilder, SendError};
use tokio::sync::{mpsc, oneshot};

use super::calls::Call;
use super::clock::{Clock, wall_clock};
use super::form::{Change, Listed, StreamList};
use super::reading::{End, Reading};
use super::settings::StreamSettings;
use super::shares::Share;
use super::sign::Signs;
use super::subscribers::{Subscriber, Subscribers};
use super::tracker::{Load, Rules, Tracker};
use crate::fan_out::STOPPED;
use crate::metrics::Metrics;
use crate::read_rules::Rows;
use crate::subscription::Scope;
use crate::topic_metrics::{Measured, Meter, MetricsList, TopicMetrics};
use crate::topics::Topic;

/// Asked of a topic's task. One that is ending leaves requests unanswered; ask the next one.
#[derive(Debug)]
pub(crate) enum Request {
    /// Tell changes of the streams; answered with those active now.
    Streams { subscriber: Subscriber, answer: Answer<StreamList> },
    /// Tell measurements; answered with the last ones.
    Metrics { subscriber: Subscriber, answer: Answer<MetricsList> },
    /// Tell no more of it; answered when that holds.
    Leave { subject: Subject, connection: ConnectionId, scope: Scope, left: oneshot::Sender<()> },
}

/// What is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Streams,
    Metrics,
}

/// The state of the moment. The subscriber is told nothing before the gate is dropped: what changes comes behind it.
pub(crate) type Answer<T> = oneshot::Sender<Result<(T, Gate), ReadError>>;
pub(crate) type Gate = oneshot::Sender<()>;

/// What the task of a topic is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// As the broker calls it.
    pub(crate) topic: String,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) settings: StreamSettings,
    pub(crate) max_name_bytes: usize,
    pub(crate) rows: Rows,
    pub(crate) metrics: Metrics,
    pub(crate) share: Share,
}

/// Starts the task; it ends some time after its last subscriber has left.
pub(crate) fn start(parts: Parts) -> mpsc::Sender<Request> {
    let (door, requests) = mpsc::channel(WAITING_REQUESTS);
    tokio::spawn(run(parts, requests));
    door
}

async fn run(parts: Parts, mut requests: mpsc::Receiver<Request>) {
    let records = parts.settings.look_back_records;
    let ended = match Reading::begin(&parts.broker, &parts.topic, records).await {
        Ok(reading) => Task::new(parts, reading).run(&mut requests).await,
        Err(error) => Err(error),
    };
    // From here on requests fail to be sent, or are dropped with their answers; those that another task could not answer
    // either are told so. One may be on its way in: `recv` waits for it.
    requests.close();
    while let Some(request) = requests.recv().await {
        if let Err(error) = &ended {
            refuse(request, error);
        }
    }
}

fn refuse(request: Request, error: &ReadError) {
    // Whoever gave up waiting does not mind.
    match request {
        Request::Streams { answer, .. } => _ = answer.send(Err(error.clone())),
        Request::Metrics { answer, .. } => _ = answer.send(Err(error.clone())),
        Request::Leave { left, .. } => _ = left.send(()),
    }
}

struct Task {
    topic: String,
    settings: StreamSettings,
    metrics: Metrics,
    share: Share,
    reading: Reading,
    signs: Signs,
    tracker: Tracker,
    meter: Meter,
    clock: Clock,
    began_at: i64,
    looks_back: bool,
    /// Those that are not answered yet, as a rule because of the look back.
    waiting: Vec<(Subscriber, Answer<StreamList>)>,
    wait_until: Instant,
    of_streams: Subscribers,
    of_metrics: Subscribers,
    /// Since when nobody is subscribed.
    idle_since: Option<Instant>,
}

impl Task {
    fn new(parts: Parts, reading: Reading) -> Self {
        let Parts { topic, settings, max_name_bytes, rows, metrics, share, .. } = parts;
        let rules = Rules {
            idle_after: milliseconds(settings.idle_after),
            silent_after: milliseconds(settings.silent_after),
            update_interval: milliseconds(settings.update_interval),
            max_name_bytes,
        };
        let allowed = Load { streams: settings.max_streams_per_topic, bytes: settings.max_bytes };
        let (now, clock) = (Instant::now(), Clock::begin());
        let began_at = clock.now();
        Self {
            signs: Signs::new(rows, metrics.clone()),
            tracker: Tracker::new(rules, allowed),
            meter: Meter::new(settings.metrics_period, settings.metrics_history, began_at),
            clock,
            began_at,
            looks_back: true,
            waiting: Vec::new(),
            wait_until: now + settings.look_back_wait,
            of_streams: Subscribers::default(),
            of_metrics: Subscribers::default(),
            idle_since: Some(now),
            topic,
            settings,
            metrics,
            share,
            reading,
        }
    }

    /// Until nobody follows, or the topic cannot be read.
    async fn run(mut self, requests: &mut mpsc::Receiver<Request>) -> Result<(), ReadError> {
        tracing::debug!(topic = self.topic, "streams are followed");
        loop {
            let due_in = self.due_in();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.obey(request),
                    None => break,
                },
                came = self.reading.next() => match came {
                    Ok(records) => self.take(&records),
                    Err(end) => return Err(self.give_up(end).await),
                },
                () = self.of_streams.answered() => {}
                () = self.of_metrics.answered() => {}
                () = tokio::time::sleep(due_in) => {}
            }
            self.settle().await;
            if self.idle_since.is_some_and(|since| since.elapsed() >= self.settings.linger) {
                break;
            }
        }
        tracing::debug!(topic = self.topic, "streams are followed no more");
        Ok(())
    }

    fn obey(&mut self, request: Request) {
        match request {
            Request::Streams { subscriber, answer } => self.waiting.push((subscriber, answer)),
            Request::Metrics { subscriber, answer } => {
                let list = self.meter.list(&subscriber.topic, self.clock.shift());
                give(&mut self.of_metrics, subscriber, answer, list);
            }
            Request::Leave { subject, connection, scope, left } => {
                match subject {
                    Subject::Streams => {
                        let is_other = |other: &Subscriber| other.connection.id() != connection || other.scope != scope;
                        self.waiting.retain(|(waiting, _)| is_other(waiting));
                        self.of_streams.leave(connection, scope);
                    }
                    Subject::Metrics => self.of_metrics.leave(connection, scope),
                }
                let _ = left.send(());
            }
        }
    }

    /// Unless the look back is to be waited for. All that is so at this moment has been told to the others, so the list and
    /// the changes behind it make a whole.
    fn answer_streams(&mut self, now: i64) {
        if self.waiting.is_empty() || self.looks_back && Instant::now() < self.wait_until {
            return;
        }
        let listed = self.tracker.list(now, self.clock.shift());
        for (subscriber, answer) in std::mem::take(&mut self.waiting) {
            let of_topic = |listed: &Listed| (subscriber.topic.clone(), listed.clone());
            let mut list = StreamList(listed.iter().map(of_topic).collect());
            self.metrics.limit_hits("active_streams_list", u64::from(list.bound(self.settings.max_list_bytes) > 0));
            give(&mut self.of_streams, subscriber, answer, list);
        }
    }

    fn take(&mut self, records: &[Record]) {
        let (arrived, now) = (Instant::now(), self.clock.now());
        let oldest = now.saturating_sub(milliseconds(self.settings.look_back));
        for record in records {
            // A new record counts from its arrival, whatever clock its writer has.
            let stored_at = record.timestamp_ms.map(|wall_clock| self.clock.at(wall_clock));
            let is_new = self.reading.is_new(record.partition);
            let seen_at = if is_new { now } else { stored_at.unwrap_or(now).min(now) };
            if seen_at >= self.began_at {
                self.meter.count(bytes_of(record));
            }
            if seen_at < oldest {
                continue;
            }
            let (tracker, metrics) = (&mut self.tracker, &self.metrics);
            self.signs.read(record, arrived, |stream_id, sign| {
                if !tracker.see(stream_id, sign, seen_at, now) {
                    metrics.limit_hits("names", 1);
                }
            });
        }
    }

    /// What every turn ends in: what time brings, what there is room for, what is to be told, and to be answered.
    async fn settle(&mut self) {
        self.clock.look(wall_clock());
        let now = self.clock.now();
        self.signs.expire(Instant::now());
        if self.looks_back && self.reading.has_caught_up() {
            self.looks_back = false;
            self.tracker.look_back_over(now);
        }
        self.tracker.tick(now);
        let allowed = self.share.settle(self.tracker.load());
        self.tracker.allow(allowed);
        self.metrics.limit_hits("tracked_streams", self.tracker.take_crowded_out());
        self.share.settle(self.tracker.load());
        self.tell(now).await;
        if let Some(measured) = self.meter.measure(now, || self.tracker.active(now)) {
            let mut calls = self.of_metrics.calls();
            calls.add(&ToTell { measured, shift: self.clock.shift() });
            self.of_metrics.send(calls).await;
        }
        self.answer_streams(now);
        let is_idle = self.of_streams.is_empty() && self.of_metrics.is_empty() && self.waiting.is_empty();
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or_else(Instant::now));
    }

    async fn tell(&mut self, now: i64) {
        let (mut calls, shift) = (self.of_streams.calls(), self.clock.shift());
        self.tracker.drain(now, |stream, status, action| {
            calls.add(&Change { stream, status, action, shift });
        });
        self.of_streams.send(calls).await;
    }

    /// Until something is due by time alone.
    fn due_in(&self) -> Duration {
        let now = Instant::now();
        let due = self.tracker.next_due().into_iter().fold(self.meter.due(), i64::min);
        let by_clock = Duration::from_millis(u64::try_from(due.saturating_sub(self.clock.now())).unwrap_or(0));
        let answers = (!self.waiting.is_empty()).then(|| self.wait_until.saturating_duration_since(now));
        let lingered = self.idle_since.map(|since| (since + self.settings.linger).saturating_duration_since(now));
        let pieces = self.signs.expiry_in(now);
        [answers, lingered, pieces].into_iter().flatten().fold(by_clock, Duration::min)
    }

    /// Quix's callbacks have no sign for it, so the connections end with one. Those that wait for an answer are told. Of a
    /// topic that went, whoever follows all topics is told that its streams did.
    async fn give_up(&mut self, end: End) -> ReadError {
        let name = self.topic.clone();
        let error = match end {
            End::TopicGone => {
                for subscribers in [&mut self.of_streams, &mut self.of_metrics] {
                    subscribers.end_named(&name, &format!("Topic '{name}' is gone."));
                }
                self.tracker.clear();
                self.tell(self.clock.now()).await;
                (self.of_streams, self.of_metrics) = (Subscribers::default(), Subscribers::default());
                ReadError::UnknownTopic(name)
            }
            End::Unreadable => ReadError::Damaged(name),
            End::Stopped => BrokerError::Unreachable.into(),
        };
        let reason = if end == End::Stopped { STOPPED.to_owned() } else { error.to_string() };
        self.end_all(&reason);
        for (_, answer) in self.waiting.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        error
    }

    fn end_all(&mut self, reason: &str) {
        self.of_streams.end_all(&self.topic, reason);
        self.of_metrics.end_all(&self.topic, reason);
    }
}

/// Whatever ends the task, nobody is left without a sign.
impl Drop for Task {
    fn drop(&mut self) {
        self.end_all(STOPPED);
    }
}

/// A measurement as a call.
pub(crate) struct ToTell {
    pub(crate) measured: Measured,
    pub(crate) shift: i64,
}

impl Call for ToTell {
    fn write(&self, topic: &Topic, frame: &mut FrameBuilder) -> Result<(), SendError> {
        let metrics = TopicMetrics { topic, measured: self.measured, shift: self.shift };
        frame.invocation("TopicMetricsUpdated", &(metrics,))
    }
}

/// Answers; what follows comes behind. Nothing does for whoever wants no answer any more.
fn give<T>(subscribers: &mut Subscribers, subscriber: Subscriber, answer: Answer<T>, state: T) {
    let (gate, answered) = oneshot::channel();
    if answer.send(Ok((state, gate))).is_ok() {
        subscribers.admit(subscriber, answered);
    }
}

fn bytes_of(record: &Record) -> usize {
    let headers =
        record.headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, |value| value.len()));
    let [key, value] = [&record.key, &record.value].map(|part| part.as_ref().map_or(0, |bytes| bytes.len()));
    key + value + headers.sum::<usize>()
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Requests that may wait for a task that is busy.
const WAITING_REQUESTS: usize = 256;

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
