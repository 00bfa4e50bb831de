//! `MisbehavingBroker`: wraps a broker and, when told to, refuses, delays, holds, dies. A tool for tests.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::{mpsc, oneshot, watch};

use crate::broker::{
    Ack, AckError, Broker, BrokerError, CreateTopicError, Deliveries, Delivery, Health, NextOffset, NotWritten,
    PartitionPositions, ReadError, Start, Stored, TopicInfo,
};
use crate::record::NewRecord;
use crate::topic_settings::{NewTopic, TopicSettings};

/// Behaves like the broker it wraps until told otherwise. Its append must run in a tokio runtime.
#[derive(Debug)]
pub struct MisbehavingBroker {
    inner: Arc<dyn Broker>,
    faults: Mutex<Faults>,
    /// Since when the broker is dead; readers wait for `None`.
    dead_since: watch::Sender<Option<Instant>>,
    /// Whether reads stand still.
    stalled: watch::Sender<bool>,
    /// Whether what is stored is damaged.
    spoilt: watch::Sender<bool>,
    /// The topic that no read begins of.
    unjoinable: watch::Sender<Option<String>>,
    /// Whether no single topic is found.
    hidden: AtomicBool,
    /// Whether no topic is made.
    closed: AtomicBool,
    /// Whether every second question after single topics finds none.
    late: AtomicBool,
    /// Questions after single topics so far.
    questions: AtomicU32,
    /// So many questions how a topic is kept find none.
    unheard: AtomicU32,
    /// Whether partitions have no leaders.
    leaderless: AtomicBool,
}

#[derive(Debug, Default)]
struct Faults {
    refusal: Option<NotWritten>,
    late_refusal: Option<NotWritten>,
    delay: Option<Duration>,
    holding: bool,
    held: Vec<(Ack, Answer)>,
}

type Answer = oneshot::Sender<Result<Stored, AckError>>;

impl MisbehavingBroker {
    /// Wraps `inner`, well-behaved at first.
    pub fn new(inner: Arc<dyn Broker>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            faults: Mutex::default(),
            dead_since: watch::Sender::new(None),
            stalled: watch::Sender::new(false),
            spoilt: watch::Sender::new(false),
            unjoinable: watch::Sender::new(None),
            hidden: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            late: AtomicBool::new(false),
            questions: AtomicU32::new(0),
            unheard: AtomicU32::new(0),
            leaderless: AtomicBool::new(false),
        })
    }

    /// Refuses every append with this error from now on; `None` ends it.
    pub fn refuse_appends(&self, with: Option<NotWritten>) {
        self.lock().refusal = with;
    }

    /// Takes every append and stores none of them from now on: its acknowledgement has this error; `None` ends it.
    pub fn refuse_in_acks(&self, with: Option<NotWritten>) {
        self.lock().late_refusal = with;
    }

    /// Keeps every acknowledgement back for that long; `None` ends it. Records are stored at once all the same.
    pub fn delay_acks(&self, by: Option<Duration>) {
        self.lock().delay = by;
    }

    /// Keeps acknowledgements back until [`release_acks`](Self::release_acks). Records are stored at once all the same.
    pub fn hold_acks(&self) {
        self.lock().holding = true;
    }

    /// Lets all held acknowledgements go, in order, and holds no more; how many there were.
    pub fn release_acks(&self) -> usize {
        let held = {
            let mut faults = self.lock();
            faults.holding = false;
            std::mem::take(&mut faults.held)
        };
        let count = held.len();
        held.into_iter().for_each(|(ack, answer)| pass_on(ack, answer, None));
        count
    }

    /// Acknowledgements held now.
    pub fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Reads hand out nothing until [`resume_reads`](Self::resume_reads).
    pub fn stall_reads(&self) {
        self.stalled.send_replace(true);
    }

    /// Ends [`stall_reads`](Self::stall_reads).
    pub fn resume_reads(&self) {
        self.stalled.send_replace(false);
    }

    /// Reads that begin from now on find that what is stored is damaged.
    pub fn spoil_reads(&self) {
        self.spoilt.send_replace(true);
    }

    /// No read of this topic begins, nor is refused, until another is named; `None` ends it.
    pub fn hold_joins(&self, topic: Option<&str>) {
        self.unjoinable.send_replace(topic.map(str::to_owned));
    }

    /// Finds no topic from now on that is asked for by name, as if another client had not made it yet; it is there all the same.
    pub fn hide_topics(&self) {
        self.hidden.store(true, Ordering::Relaxed);
    }

    /// Makes no topics from now on, nor tells which there are by that, as a broker that does not let us.
    pub fn forbid_topics(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// The first question from now on after a topic by its name finds it, the second finds none, and so on in turn: of two brokers
    /// one has not heard of it. Making one waits until both have.
    pub fn hear_late(&self) {
        self.questions.store(0, Ordering::Relaxed);
        self.late.store(true, Ordering::Relaxed);
    }

    /// The next questions how a topic is kept, so many, find no topic, as a broker that hears of it later.
    pub fn hide_settings(&self, questions: u32) {
        self.unheard.store(questions, Ordering::Relaxed);
    }

    /// Tells of topics from now on that their partitions have no leaders, or that they have.
    pub fn lose_leaders(&self, are_lost: bool) {
        self.leaderless.store(are_lost, Ordering::Relaxed);
    }

    /// Goes away: held acknowledgements become unknown, and so do appends from now on (those are not stored); reads stand
    /// still; everything else is unreachable.
    pub fn die(&self) {
        self.dead_since.send_if_modified(|since| since.is_none() && since.replace(Instant::now()).is_none());
        self.lock().held.clear(); // a dropped answer is unknown
    }

    /// Comes back: reads go on where they stood.
    pub fn revive(&self) {
        self.dead_since.send_replace(None);
    }

    fn dead_since(&self) -> Option<Instant> {
        *self.dead_since.borrow()
    }

    fn unless_dead(&self) -> Result<(), BrokerError> {
        self.dead_since().map_or(Ok(()), |_| Err(BrokerError::Unreachable))
    }

    fn is_unheard_of(&self) -> bool {
        self.late.load(Ordering::Relaxed) && self.questions.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands deliveries on while neither dead nor stalled.
    async fn forward(
        mut inner: Deliveries,
        sender: mpsc::Sender<Delivery>,
        mut dead: watch::Receiver<Option<Instant>>,
        mut stalled: watch::Receiver<bool>,
    ) {
        let moves = async {
            while let Some(delivery) = inner.next().await {
                loop {
                    let over =
                        dead.wait_for(Option::is_none).await.is_err() || stalled.wait_for(|on| !on).await.is_err();
                    if over {
                        return;
                    }
                    if dead.borrow().is_none() {
                        break; // else it died while we waited for the stall to end
                    }
                }
                if sender.send(delivery).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = moves => {}
            () = sender.closed() => {}
        }
    }
}

impl Broker for MisbehavingBroker {
    fn describe(&self) -> String {
        format!("{}, misbehaving", self.inner.describe())
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        let mut faults = self.lock();
        if let Some(refusal) = &faults.refusal {
            return Err(refusal.clone());
        }
        let (answer, ack) = Ack::pair();
        if self.dead_since().is_some() {
            return Ok(ack); // the answer is dropped here: unknown
        }
        if let Some(refusal) = &faults.late_refusal {
            let _ = answer.send(Err(refusal.clone().into())); // its other end is here
            return Ok(ack);
        }
        let inner = self.inner.append(topic, record)?;
        if faults.holding {
            faults.held.push((inner, answer));
        } else {
            pass_on(inner, answer, faults.delay);
        }
        Ok(ack)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        match self.unless_dead() {
            Ok(()) => {
                let has_leaders = !self.leaderless.load(Ordering::Relaxed);
                let topics = self.inner.topics();
                async move { Ok(topics.await?.into_iter().map(|topic| TopicInfo { has_leaders, ..topic }).collect()) }
                    .boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        match self.unless_dead() {
            Ok(()) if self.hidden.load(Ordering::Relaxed) || self.is_unheard_of() => ready(Ok(None)).boxed(),
            Ok(()) => {
                let has_leaders = !self.leaderless.load(Ordering::Relaxed);
                let topic = self.inner.topic(name);
                async move { Ok(topic.await?.map(|topic| TopicInfo { has_leaders, ..topic })) }.boxed()
            }
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        match self.unless_dead() {
            Ok(()) if self.closed.load(Ordering::Relaxed) => {
                ready(Err(BrokerError::Other("topic authorization failed".to_owned()).into())).boxed()
            }
            Ok(()) => {
                self.late.store(false, Ordering::Relaxed);
                self.inner.make_topic(name, wanted)
            }
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        let is_unheard =
            || self.unheard.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        match self.unless_dead() {
            Ok(()) if is_unheard() => ready(Ok(None)).boxed(),
            Ok(()) => self.inner.topic_settings(name),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        match self.unless_dead() {
            Ok(()) => self.inner.positions(topic),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        match self.unless_dead() {
            Ok(()) => self.inner.offsets_at(topic, timestamp_ms),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        let topic = topic.to_owned();
        async move {
            self.unless_dead()?;
            let mut unjoinable = self.unjoinable.subscribe();
            let _ = unjoinable.wait_for(|held| held.as_deref() != Some(&*topic)).await; // the sender is ours
            let inner = self.inner.read(&topic, start).await?;
            let (sender, receiver) = mpsc::channel(1);
            if *self.spoilt.borrow() {
                let _ = sender.try_send(Delivery::Unreadable { partition: 0, offset: 0 }); // there is room
                return Ok(Deliveries { receiver });
            }
            tokio::spawn(Self::forward(inner, sender, self.dead_since.subscribe(), self.stalled.subscribe()));
            Ok(Deliveries { receiver })
        }
        .boxed()
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        match self.unless_dead() {
            Ok(()) => self.inner.committed(group, topic),
            Err(error) => ready(Err(error)).boxed(),
        }
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        match self.unless_dead() {
            Ok(()) => self.inner.commit(group, topic, next),
            Err(error) => ready(Err(error.into())).boxed(),
        }
    }

    fn health(&self) -> Health {
        self.dead_since().map_or_else(|| self.inner.health(), |since| Health::Unreachable { since })
    }

    /// Of what is held here nobody knows whether it is stored.
    fn flush(&self) -> BoxFuture<'_, bool> {
        let is_known = self.dead_since().is_none() && self.lock().held.is_empty();
        async move { self.inner.flush().await && is_known }.boxed()
    }
}

/// Answers at once where the answer is there, so that answers keep their order; else as soon as it is.
fn pass_on(mut ack: Ack, answer: Answer, delay: Option<Duration>) {
    if delay.is_none()
        && let Some(result) = tokio::task::unconstrained(&mut ack).now_or_never()
    {
        let _ = answer.send(result); // whoever gave up waiting does not mind
        return;
    }
    tokio::spawn(async move {
        let result = ack.await;
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let _ = answer.send(result);
    });
}
