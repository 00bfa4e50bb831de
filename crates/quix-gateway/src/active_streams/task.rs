//! The task of one topic: reads it, tracks its streams, measures it, and tells its subscribers.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_bridge::broker::{Broker, BrokerError, ReadError};
use kafka_bridge::record::Record;
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::{mpsc, oneshot};

use super::form::{ActiveStream, StreamList};
use super::reading::{End, Reading};
use super::settings::StreamSettings;
use super::shares::Share;
use super::sign::Signs;
use super::subscribers::Subscribers;
use super::tracker::{Action, Load, Rules, Tracker};
use crate::metrics::Metrics;
use crate::topic_metrics::{Meter, TopicMetrics};
use crate::topics::Topic;

/// Asked of a topic's task. One that is ending leaves requests unanswered; ask the next one.
#[derive(Debug)]
pub(crate) enum Request {
    /// Tell changes of the streams; answered with those active now.
    Streams { connection: ConnectionHandle, answer: Answer<StreamList> },
    /// Tell measurements; answered with the last ones.
    Metrics { connection: ConnectionHandle, answer: Answer<Vec<TopicMetrics>> },
    /// Tell no more of it; answered when that holds.
    Leave { subject: Subject, connection: ConnectionId, left: oneshot::Sender<()> },
}

/// What is subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Streams,
    Metrics,
}

/// The state of the moment. Nothing is told to anybody before the gate is dropped: what changes comes behind it.
pub(crate) type Answer<T> = oneshot::Sender<Result<(T, Gate), ReadError>>;
pub(crate) type Gate = oneshot::Sender<()>;

/// What the task of a topic is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) topic: Arc<Topic>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) settings: StreamSettings,
    pub(crate) max_name_bytes: usize,
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
    let ended = match Reading::begin(&parts.broker, &parts.topic.name, records).await {
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
    topic: Arc<Topic>,
    settings: StreamSettings,
    metrics: Metrics,
    share: Share,
    reading: Reading,
    signs: Signs,
    tracker: Tracker,
    meter: Meter,
    began_at: i64,
    looks_back: bool,
    /// Those that wait for the look back.
    waiting: Vec<(ConnectionHandle, Answer<StreamList>)>,
    wait_until: Instant,
    of_streams: Subscribers,
    of_metrics: Subscribers,
    /// Since when nobody is subscribed.
    idle_since: Option<Instant>,
}

impl Task {
    fn new(parts: Parts, reading: Reading) -> Self {
        let Parts { topic, settings, max_name_bytes, metrics, share, .. } = parts;
        let rules = Rules {
            idle_after: milliseconds(settings.idle_after),
            silent_after: milliseconds(settings.silent_after),
            update_interval: milliseconds(settings.update_interval),
            max_name_bytes,
        };
        let allowed = Load { streams: settings.max_streams_per_topic, bytes: settings.max_bytes };
        let (now, began_at) = (Instant::now(), now_ms());
        Self {
            signs: Signs::new(metrics.clone()),
            tracker: Tracker::new(rules, allowed),
            meter: Meter::new(topic.clone(), settings.metrics_period, settings.metrics_history, began_at),
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
        tracing::debug!(topic = self.topic.name, "streams are followed");
        loop {
            let due_in = self.due_in();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.obey(request).await,
                    None => break,
                },
                came = self.reading.next() => match came {
                    Ok(records) => self.take(&records),
                    Err(end) => return Err(self.give_up(end)),
                },
                () = tokio::time::sleep(due_in) => {}
            }
            self.settle().await;
            if self.idle_since.is_some_and(|since| since.elapsed() >= self.settings.linger) {
                break;
            }
        }
        tracing::debug!(topic = self.topic.name, "streams are followed no more");
        Ok(())
    }

    async fn obey(&mut self, request: Request) {
        match request {
            Request::Streams { connection, answer } if self.must_wait() => self.waiting.push((connection, answer)),
            Request::Streams { connection, answer } => self.answer_streams(connection, answer).await,
            Request::Metrics { connection, answer } => {
                let list = self.meter.list();
                if give(answer, list).await {
                    self.of_metrics.insert(connection);
                }
            }
            Request::Leave { subject, connection, left } => {
                match subject {
                    Subject::Streams => {
                        self.waiting.retain(|(waiting, _)| waiting.id() != connection);
                        self.of_streams.remove(connection);
                    }
                    Subject::Metrics => self.of_metrics.remove(connection),
                }
                let _ = left.send(());
            }
        }
    }

    fn must_wait(&self) -> bool {
        self.looks_back && Instant::now() < self.wait_until
    }

    /// All that is tracked has been told to the others, so the list and the changes behind it make a whole.
    async fn answer_streams(&mut self, connection: ConnectionHandle, answer: Answer<StreamList>) {
        self.tell().await;
        let now = now_ms();
        let streams = self.tracker.list(now, self.settings.max_list_bytes);
        if streams.len() < self.tracker.active(now) {
            self.metrics.limit_hits("active_streams_list", 1);
        }
        let list = StreamList { topic: self.topic.clone(), streams };
        if give(answer, list).await {
            self.of_streams.insert(connection);
        }
    }

    fn take(&mut self, records: &[Record]) {
        let (arrived, now) = (Instant::now(), now_ms());
        let oldest = now.saturating_sub(milliseconds(self.settings.look_back));
        for record in records {
            // A new record counts from its arrival, whatever clock its writer has.
            let is_new = self.reading.is_new(record.partition);
            let seen_at = if is_new { now } else { record.timestamp_ms.unwrap_or(now).min(now) };
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

    /// What every turn ends in: what time brings, what there is room for, and what is to be told.
    async fn settle(&mut self) {
        let now = now_ms();
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
        self.tell().await;
        if let Some(measured) = self.meter.measure(now, || self.tracker.active(now)) {
            let mut calls = self.of_metrics.calls();
            calls.add("TopicMetricsUpdated", &(measured,));
            self.of_metrics.send(calls).await;
        }
        if !self.must_wait() {
            for (connection, answer) in std::mem::take(&mut self.waiting) {
                self.answer_streams(connection, answer).await;
            }
        }
        let is_idle = self.of_streams.is_empty() && self.of_metrics.is_empty() && self.waiting.is_empty();
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or_else(Instant::now));
    }

    async fn tell(&mut self) {
        let (topic, mut calls) = (&*self.topic, self.of_streams.calls());
        self.tracker.drain(now_ms(), |stream, status, action| {
            let action = match action {
                Action::AddUpdate => "AddUpdate",
                Action::Remove => "Remove",
            };
            calls.add("ActiveStreamsChanged", &(ActiveStream { topic, stream, status }, action));
        });
        self.of_streams.send(calls).await;
    }

    /// Until something is due by time alone.
    fn due_in(&self) -> Duration {
        let (now, now_ms) = (Instant::now(), now_ms());
        let due = self.tracker.next_due().into_iter().fold(self.meter.due(), i64::min);
        let by_clock = Duration::from_millis(u64::try_from(due.saturating_sub(now_ms)).unwrap_or(0));
        let answers = (!self.waiting.is_empty()).then(|| self.wait_until.saturating_duration_since(now));
        let lingered = self.idle_since.map(|since| (since + self.settings.linger).saturating_duration_since(now));
        let pieces = self.signs.expiry_in(now);
        [answers, lingered, pieces].into_iter().flatten().fold(by_clock, Duration::min)
    }

    /// Quix's callbacks have no sign for it, so the connections end with one. Those that wait for an answer are told.
    fn give_up(&mut self, end: End) -> ReadError {
        let name = self.topic.name.clone();
        let (reason, error) = match end {
            End::TopicGone => (format!("Topic '{name}' is gone."), ReadError::UnknownTopic(name)),
            End::Unreadable => (self.topic.unreadable(), ReadError::Damaged(name)),
            End::Stopped => (STOPPED.to_owned(), BrokerError::Unreachable.into()),
        };
        tracing::warn!(topic = self.topic.name, reason, "subscribers of streams were cut off");
        for (_, answer) in self.waiting.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        self.end_all(&reason);
        error
    }

    fn end_all(&mut self, reason: &str) {
        self.of_streams.end_all(reason);
        self.of_metrics.end_all(reason);
    }
}

/// Whatever ends the task, nobody is left without a sign.
impl Drop for Task {
    fn drop(&mut self) {
        self.end_all(STOPPED);
    }
}

const STOPPED: &str = "The server stopped reading the topic.";

/// Answers, and waits until the answer is on its way, so that nothing overtakes it. `false`: nobody wants it any more.
async fn give<T>(answer: Answer<T>, state: T) -> bool {
    let (gate, passed) = oneshot::channel();
    let is_taken = answer.send(Ok((state, gate))).is_ok();
    if is_taken {
        let _ = passed.await; // an error is what a dropped gate gives
    }
    is_taken
}

fn bytes_of(record: &Record) -> usize {
    let headers =
        record.headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, |value| value.len()));
    let [key, value] = [&record.key, &record.value].map(|part| part.as_ref().map_or(0, |bytes| bytes.len()));
    key + value + headers.sum::<usize>()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Requests that may wait for a task that is busy.
const WAITING_REQUESTS: usize = 256;
