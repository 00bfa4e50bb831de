//! `Broker`: the narrow seam behind which topics live, and its vocabulary of positions and errors.

use std::fmt;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::embedded::LogAck;
use crate::record::{Batch, NewRecord};
use crate::topic_settings::{NewTopic, TopicSettings};

/// Where topics live. Every kind passes the same contract suite (`contract.rs`); what each promises about durability
/// is its own documentation's to say.
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// For people: kind and address, such as `Kafka 127.0.0.1:9092` or `memory (nothing is kept)`.
    fn describe(&self) -> String;

    /// Hands a record over, at once and without waiting; records handed over one after the other for one key are stored
    /// in that order. The record is durable when the [`Ack`] says so, and not before.
    ///
    /// An error means that nothing was or will be stored.
    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten>;

    /// All topics but internal ones (leading `__`), by name.
    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>>;

    /// One topic, or `None` if there is none of that name. Never creates it.
    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>>;

    /// Makes a topic of so many partitions, all else as the broker has it by default: as [`make_topic`](Self::make_topic).
    fn create_topic(&self, name: &str, partitions: Option<i32>) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        self.make_topic(name, NewTopic { partitions, ..NewTopic::default() })
    }

    /// Makes a topic. Once this completes, `append`, `read` and other clients of the broker know it. One that exists already
    /// is [`CreateTopicError::Exists`], and known as well, also where others make it meanwhile.
    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>>;

    /// How a topic is kept, or `None` if there is none of that name.
    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>>;

    /// First and end offset of each partition, in partition order.
    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>>;

    /// Of each partition the offset of the first record whose time is `timestamp_ms` (since 1970) or later, in partition
    /// order; where there is none, the end.
    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>>;

    /// Reads all partitions of a topic from `start` on. When this completes with [`Start::End`], every record
    /// acknowledged afterwards will be handed out: joining skips nothing.
    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>>;

    /// The same for work of the server's own, of which there is as much as its operator wants: where the number of reads from
    /// old positions is bounded it is not counted, so neither takes a place from the other.
    fn read_for_server(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.read(topic, start)
    }

    /// What `group` has committed of a topic, by partition; nothing of partitions where it has not, nothing of topics that are
    /// not there. A group here is a name that positions are kept under, the consumer group of Kafka clients; nobody joins it.
    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>>;

    /// Keeps, as durably as records, that `group` goes on at these offsets; other partitions stay as they were. What is kept
    /// goes with the topic.
    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>>;

    /// Whether the broker can be reached now, as far as is known without asking it.
    fn health(&self) -> Health;

    /// Waits until every append so far is answered, at most until the broker's own delivery timeout. Whether they are: if not,
    /// some may be stored later. Appends that come meanwhile are not waited for.
    fn flush(&self) -> BoxFuture<'_, bool>;
}

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Name as the broker has it.
    pub name: String,
    /// Number of partitions, at least 1.
    pub partitions: i32,
    /// Whether each of them has a leader: while a topic is made in Kafka, or a broker is away, one may have none.
    pub has_leaders: bool,
}

/// Range of offsets a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionPositions {
    /// Partition, from 0.
    pub partition: i32,
    /// Offset of the first record still kept.
    pub earliest: i64,
    /// Offset the next record will have.
    pub end: i64,
}

impl PartitionPositions {
    /// The offset nearest to this one that can be read from. Kafka is asked for first and end offset one after the other: if
    /// the topic is made anew in between, the end may lie before the first.
    pub(crate) fn nearest(&self, offset: i64) -> i64 {
        offset.clamp(self.earliest, self.end.max(self.earliest))
    }
}

/// Where the reading of a partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextOffset {
    /// Partition, from 0.
    pub partition: i32,
    /// Of the next record to read.
    pub offset: i64,
}

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the first record kept.
    Earliest,
    /// Behind the last record: live.
    End,
    /// At most this many offsets before the end of every partition, as far as they are kept.
    Last(u32),
    /// At an offset of each partition, those not named at their first record; else as [`Start::Offset`].
    At(Vec<NextOffset>),
    /// At this offset in every partition; below the first one kept, or beyond the end, a [`Delivery::Gap`] says so.
    Offset(i64),
}

impl Start {
    /// The offset it means in a partition; it may lie outside of what is kept.
    pub(crate) fn in_partition(&self, kept: &PartitionPositions) -> i64 {
        match self {
            Self::Earliest => kept.earliest,
            Self::End => kept.end,
            Self::Last(count) => kept.earliest.max(kept.end - i64::from(*count)),
            Self::Offset(offset) => (*offset).max(0),
            Self::At(next) => {
                let named = next.iter().find(|next| next.partition == kept.partition);
                named.map_or(kept.earliest, |next| next.offset.max(0))
            }
        }
    }
}

/// What a reader is handed, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Records that arrived together.
    Batch(Batch),
    /// A reader that did not start at [`Start::End`] has seen all that this partition held; told once per partition.
    CaughtUp {
        /// Partition, from 0.
        partition: i32,
    },
    /// Reading goes on at `next_offset`; what lay between is gone (retention, truncation). Never silent: R3.
    Gap {
        /// Partition, from 0.
        partition: i32,
        /// First offset that can still come.
        next_offset: i64,
        /// Number of offsets skipped, 0 when the topic was cut back.
        lost: i64,
    },
    /// What is stored from here on is damaged or cannot be read; the server's log says where. Nothing follows (R3).
    Unreadable {
        /// Partition, from 0.
        partition: i32,
        /// First offset that cannot be read.
        offset: i64,
    },
    /// The topic was deleted or made anew; nothing follows.
    TopicGone,
}

impl Delivery {
    /// Whether nothing follows it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::TopicGone | Self::Unreadable { .. })
    }
}

/// A running read. Dropping it ends the reading.
#[derive(Debug)]
pub struct Deliveries {
    pub(crate) receiver: mpsc::Receiver<Delivery>,
}

impl Deliveries {
    /// The next delivery; `None` after [`Delivery::TopicGone`] or [`Delivery::Unreadable`], when the broker was shut down, or
    /// when this read was too slow and too many wait to be read to again. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.receiver.recv().await
    }
}

/// Resolves when the broker has stored a record, or has not.
#[derive(Debug)]
pub struct Ack {
    answer: Answer,
    /// Bytes at the beginning of the topic's name that whoever wrote to it did not say.
    unsaid: usize,
}

#[derive(Debug)]
enum Answer {
    Told(oneshot::Receiver<Result<Stored, AckError>>),
    OfLog(LogAck),
}

impl Ack {
    /// An acknowledgement and the end that resolves it; a dropped end counts as unknown.
    pub(crate) fn pair() -> (oneshot::Sender<Result<Stored, AckError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self { answer: Answer::Told(receiver), unsaid: 0 })
    }

    /// The log's own answer, without a second channel.
    pub(crate) fn of_log(ack: LogAck) -> Self {
        Self { answer: Answer::OfLog(ack), unsaid: 0 }
    }

    /// Leaves so many bytes more of the topic's name out, if an error has it.
    pub(crate) fn without_prefix(self, bytes: usize) -> Self {
        Self { unsaid: self.unsaid + bytes, ..self }
    }
}

impl Future for Ack {
    type Output = Result<Stored, AckError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let unsaid = self.unsaid;
        let answer = match &mut self.answer {
            Answer::Told(told) => {
                std::pin::Pin::new(told).poll(cx).map(|answer| answer.unwrap_or(Err(AckError::OutcomeUnknown)))
            }
            Answer::OfLog(ack) => std::pin::Pin::new(ack).poll(cx),
        };
        answer.map_err(|error| match error {
            AckError::NotWritten(NotWritten::UnknownTopic(name)) => {
                NotWritten::UnknownTopic(name.get(unsaid..).unwrap_or(&name).to_owned()).into()
            }
            error => error,
        })
    }
}

/// Where an acknowledged record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Partition, from 0.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// Why a record was refused: nothing was or will be stored (reliability W2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// Larger than the topic or the server takes; send less.
    #[error("The message of {size} bytes exceeds the limit of {limit} bytes.")]
    TooLarge {
        /// Bytes of key and value.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// More unacknowledged appends than `write_backlog` allows; try again later.
    #[error("The server's write backlog is full. Nothing was written; try again later.")]
    BacklogFull,
    /// There is no such topic.
    #[error("Topic '{0}' does not exist or may not be written.")]
    UnknownTopic(String),
    /// The broker refused it.
    #[error("The broker refused the message: {0}")]
    Refused(String),
    /// The disk has less room than the log leaves to others; heals by itself once there is room.
    #[error("The server's disk is full. Nothing was written; try again later.")]
    DiskFull,
    /// A write or sync failed before; the log takes no more in this process (reliability S9).
    #[error(
        "The server's log has failed and takes nothing more until the server is started again. Nothing was written."
    )]
    LogFailed,
    /// The server is stopping, or never reached the broker within the delivery timeout.
    #[error("The broker cannot be reached. Nothing was written; try again later.")]
    Unavailable,
}

/// Why an append was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// Certainly not stored.
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    /// Stored or not, nobody can say (reliability W2).
    #[error("The write was not confirmed in time. It may or may not have been stored.")]
    OutcomeUnknown,
}

/// Why a broker could not say something about topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// No answer in time.
    #[error("The broker cannot be reached.")]
    Unreachable,
    /// An answer, but not a good one.
    #[error("The broker answered: {0}")]
    Other(String),
}

/// Why a topic was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// It is there already.
    #[error("Topic '{0}' exists already.")]
    Exists(String),
    /// The name or the number of partitions is not allowed.
    #[error("Topic '{name}' cannot be made: {reason}")]
    Invalid {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// See [`BrokerError`].
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Why reading could not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such topic.
    #[error("Topic '{0}' does not exist or may not be read.")]
    UnknownTopic(String),
    /// Too many readers from an old position at once; try again later.
    #[error("The server reads {0} topics from old positions already; try again later.")]
    TooManyReaders(usize),
    /// What is stored is damaged.
    #[error("Records of topic '{0}' cannot be read: what is stored is damaged.")]
    Damaged(String),
    /// See [`BrokerError`].
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// How the broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Reached when last tried.
    Reachable,
    /// Not reached since then.
    Unreachable {
        /// Moment of the first failure in a row.
        since: std::time::Instant,
    },
    /// A write or sync failed: it takes no more writes in this process. Final.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_offsets_to_read_from() {
        let nearest = |earliest, end, offset| PartitionPositions { partition: 0, earliest, end }.nearest(offset);
        assert_eq!([0, 5, 7, 9, 12].map(|offset| nearest(5, 9, offset)), [5, 5, 7, 9, 9]);
        assert_eq!([0, 50].map(|offset| nearest(40, 3, offset)), [40, 40], "made anew in between");
    }
}
