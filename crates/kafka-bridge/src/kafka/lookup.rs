//! `Lookup`: questions about topics and offsets, asked through a client that reads and writes nothing. All calls block.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};

use super::health::Context;
use crate::broker::{BrokerError, PartitionPositions, ReadError, TopicInfo};
use crate::names::is_internal;

/// A consumer that never consumes.
pub(super) struct Lookup {
    client: BaseConsumer<Context>,
}

/// What tells a topic from another of the same name, made later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TopicId(i64, i64);

impl TopicId {
    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        Self(1, 1)
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}

/// A topic as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Described {
    pub(super) id: TopicId,
    pub(super) partitions: i32,
    pub(super) has_leaders: bool,
}

impl Described {
    /// Whether both are one topic with as many partitions, whoever leads them.
    pub(super) fn is_same(self, other: Self) -> bool {
        (self.id, self.partitions) == (other.id, other.partitions)
    }
}

impl Lookup {
    pub(super) fn new(client: BaseConsumer<Context>) -> Self {
        Self { client }
    }

    /// Serves the client's logs and errors, which otherwise pile up.
    pub(super) fn serve(&self) {
        while self.client.poll(Duration::ZERO).is_some() {}
    }

    /// Whether any broker answers the smallest question there is.
    pub(super) fn probe(&self, timeout: Duration) -> bool {
        self.brokers(timeout).is_some()
    }

    /// Ids of the brokers there are, by metadata of no topic; `None` if none of them answers.
    pub(super) fn brokers(&self, timeout: Duration) -> Option<Vec<i32>> {
        let mut metadata: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: the client lives as long as `self`; the answer, if there is one, is ours to destroy, and is read before that.
        unsafe {
            let client = self.client.client().native_ptr();
            sys::rd_kafka_metadata(client, 0, ptr::null_mut(), &mut metadata, millis(timeout));
            let answer = metadata.as_ref()?;
            let count = usize::try_from(answer.broker_cnt).unwrap_or(0);
            let brokers = (0..count).map(|index| (*answer.brokers.add(index)).id).collect();
            sys::rd_kafka_metadata_destroy(metadata);
            Some(brokers)
        }
    }

    /// All topics but internal ones, by name.
    pub(super) fn topics(&self, timeout: Duration) -> Result<Vec<TopicInfo>, BrokerError> {
        let metadata = self.metadata(timeout)?;
        let usable = metadata.topics().iter().filter(|topic| topic.error().is_none() && !is_internal(topic.name()));
        let info = |topic: &rdkafka::metadata::MetadataTopic| TopicInfo {
            name: topic.name().to_owned(),
            partitions: topic.partitions().len() as i32,
            has_leaders: topic.partitions().iter().all(|partition| partition.leader() >= 0),
        };
        let mut topics: Vec<_> = usable.map(info).collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Metadata of all topics.
    pub(super) fn metadata(&self, timeout: Duration) -> Result<Metadata, BrokerError> {
        self.client.fetch_metadata(None, timeout).map_err(|error| broker_error(&error))
    }

    /// Id and partitions of one topic, or `None` if there is none that we may see.
    pub(super) fn topic(&self, name: &str, timeout: Duration) -> Result<Option<Described>, BrokerError> {
        match self.describe(&[name], timeout)?.remove(name) {
            Some(Ok(described)) => Ok(Some(described)),
            Some(Err(error)) if is_missing(error) => Ok(None),
            Some(Err(error)) => Err(BrokerError::Other(error.to_string())),
            None => Err(BrokerError::Other("no answer about the topic".to_owned())),
        }
    }

    /// Whether this broker has heard of a topic.
    pub(super) fn knows(&self, broker: i32, name: &str, timeout: Duration) -> Option<()> {
        let found = self.describe_by(Some(broker), &[name], timeout).ok()?.remove(name)?;
        found.ok().map(drop)
    }

    /// Describes topics in one request; none of them is made by it.
    pub(super) fn describe(&self, names: &[&str], timeout: Duration) -> Result<Descriptions, BrokerError> {
        self.describe_by(None, names, timeout)
    }

    /// The same by one broker, for each knows what it has heard of; else by any.
    fn describe_by(&self, broker: Option<i32>, names: &[&str], timeout: Duration) -> Result<Descriptions, BrokerError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let owned: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
        let mut pointers: Vec<_> = owned.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: every object made here is destroyed below, after its last use; the names outlive the call, which copies
        // them; the queue is polled by this thread only.
        unsafe {
            let client = self.client.client().native_ptr();
            let queue = sys::rd_kafka_queue_new(client);
            let options =
                sys::rd_kafka_AdminOptions_new(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, millis(timeout), ptr::null_mut(), 0);
            if let Some(broker) = broker {
                sys::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
            }
            let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            sys::rd_kafka_DescribeTopics(client, collection, options, queue);
            sys::rd_kafka_TopicCollection_destroy(collection);
            sys::rd_kafka_AdminOptions_destroy(options);
            // The request ends by its own timeout; the margin only guards against a wait without end.
            let event = sys::rd_kafka_queue_poll(queue, millis(timeout + Duration::from_secs(1)));
            let descriptions = if event.is_null() { Err(BrokerError::Unreachable) } else { read_descriptions(event) };
            if !event.is_null() {
                sys::rd_kafka_event_destroy(event);
            }
            sys::rd_kafka_queue_destroy(queue);
            descriptions
        }
    }

    /// First and end offset of each partition. Right after a topic was made its leaders may not be known: asked again until
    /// `timeout` is over.
    pub(super) fn positions(
        &self,
        topic: &str,
        partitions: i32,
        timeout: Duration,
    ) -> Result<Vec<PartitionPositions>, ReadError> {
        let earliest = self.offsets(topic, partitions, Offset::Beginning, timeout)?;
        let ends = self.offsets(topic, partitions, Offset::End, timeout)?;
        let positions = (0..).zip(earliest.into_iter().zip(ends));
        Ok(positions.map(|(partition, (earliest, end))| PartitionPositions { partition, earliest, end }).collect())
    }

    /// End offset of each partition: where the next record that is committed will stand.
    pub(super) fn ends(&self, topic: &str, partitions: i32, timeout: Duration) -> Result<Vec<i64>, ReadError> {
        self.offsets(topic, partitions, Offset::End, timeout)
    }

    /// Of each partition the offset of the first record as late as this, else its end.
    pub(super) fn offsets_at(
        &self,
        topic: &str,
        partitions: i32,
        timestamp_ms: i64,
        timeout: Duration,
    ) -> Result<Vec<i64>, ReadError> {
        let mut offsets = self.ends(topic, partitions, timeout)?; // before the question: what comes meanwhile is later
        let found = self.offsets(topic, partitions, Offset::Offset(timestamp_ms.max(0)), timeout)?;
        for (offset, found) in offsets.iter_mut().zip(found).filter(|(_, found)| *found != NONE_SO_LATE) {
            *offset = found;
        }
        Ok(offsets)
    }

    fn offsets(&self, topic: &str, partitions: i32, which: Offset, timeout: Duration) -> Result<Vec<i64>, ReadError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let error = match self.offsets_once(topic, partitions, which, left) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            };
            if !is_passing(error) || left <= RETRY {
                return Err(match error {
                    error if is_missing(error) => ReadError::UnknownTopic(topic.to_owned()),
                    error if is_passing(error) => ReadError::Broker(BrokerError::Unreachable),
                    error => ReadError::Broker(BrokerError::Other(error.to_string())),
                });
            }
            std::thread::sleep(RETRY);
            let _ = self.client.fetch_metadata(Some(topic), left); // so that this client hears of the topic
        }
    }

    /// One request per leader. ListOffsets takes -1 (end) and -2 (first) where a time would stand.
    fn offsets_once(
        &self,
        topic: &str,
        partitions: i32,
        which: Offset,
        timeout: Duration,
    ) -> Result<Vec<i64>, RDKafkaErrorCode> {
        let mut asked = TopicPartitionList::with_capacity(partitions as usize);
        for partition in 0..partitions {
            asked.add_partition_offset(topic, partition, which).map_err(|error| code_of(&error))?;
        }
        let answered = self.client.offsets_for_times(asked, timeout).map_err(|error| code_of(&error))?;
        let mut offsets = vec![-1; partitions as usize];
        for element in answered.elements() {
            element.error().map_err(|error| code_of(&error))?;
            match (element.offset(), offsets.get_mut(element.partition() as usize)) {
                (Offset::Offset(offset), Some(slot)) => *slot = offset,
                (Offset::End, Some(slot)) if matches!(which, Offset::Offset(_)) => *slot = NONE_SO_LATE,
                _ => {}
            }
        }
        if offsets.contains(&-1) {
            return Err(RDKafkaErrorCode::LeaderNotAvailable); // some partition was not answered
        }
        Ok(offsets)
    }
}

pub(super) type Descriptions = HashMap<String, Result<Described, RDKafkaErrorCode>>;

/// # Safety
/// `event` must be a live event of a queue that got the answer to DescribeTopics.
unsafe fn read_descriptions(event: *mut sys::rd_kafka_event_t) -> Result<Descriptions, BrokerError> {
    // SAFETY: all pointers come from the event and are used while it lives; arrays have the lengths given with them.
    unsafe {
        let error = RDKafkaErrorCode::from(sys::rd_kafka_event_error(event));
        if error != RDKafkaErrorCode::NoError {
            return Err(broker_error(&KafkaError::AdminOp(error)));
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(BrokerError::Other("an answer of another kind".to_owned()));
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let mut descriptions = HashMap::with_capacity(count);
        for index in 0..count {
            let topic = *topics.add(index);
            let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned();
            let error = sys::rd_kafka_TopicDescription_error(topic);
            let code = if error.is_null() { RDKafkaErrorCode::NoError } else { sys::rd_kafka_error_code(error).into() };
            let described = if code == RDKafkaErrorCode::NoError {
                let id = sys::rd_kafka_TopicDescription_topic_id(topic);
                let id = TopicId(
                    sys::rd_kafka_Uuid_most_significant_bits(id),
                    sys::rd_kafka_Uuid_least_significant_bits(id),
                );
                let mut count = 0;
                let partitions = sys::rd_kafka_TopicDescription_partitions(topic, &mut count);
                let leader = |index| sys::rd_kafka_TopicPartitionInfo_leader(*partitions.add(index));
                let has_leaders = (0..count).all(|index| !leader(index).is_null());
                Ok(Described { id, partitions: count as i32, has_leaders })
            } else {
                Err(code)
            };
            descriptions.insert(name, described);
        }
        Ok(descriptions)
    }
}

/// There is no such topic, or none that we may see.
pub(super) fn is_missing(error: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(error, E::UnknownTopicOrPartition | E::UnknownTopic | E::InvalidTopic | E::TopicAuthorizationFailed)
}

/// May be otherwise in a moment: leaders move, clients have not heard yet, brokers are away.
fn is_passing(error: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        error,
        E::UnknownPartition
            | E::UnknownTopicOrPartition
            | E::LeaderNotAvailable
            | E::NotLeaderForPartition
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::OffsetNotAvailable
            | E::ReplicaNotAvailable
    ) || is_away(error)
}

fn is_away(error: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        error,
        E::BrokerTransportFailure
            | E::AllBrokersDown
            | E::OperationTimedOut
            | E::RequestTimedOut
            | E::TimedOutQueue
            | E::Resolve
            | E::BrokerNotAvailable
            | E::NetworkException
    )
}

pub(super) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    let code = match error {
        KafkaError::AdminOp(code) => Some(*code), // which `rdkafka_error_code` leaves out
        other => other.rdkafka_error_code(),
    };
    code.unwrap_or(RDKafkaErrorCode::Unknown)
}

pub(super) fn broker_error(error: &KafkaError) -> BrokerError {
    match code_of(error) {
        code if is_away(code) => BrokerError::Unreachable,
        RDKafkaErrorCode::Unknown => BrokerError::Other(error.to_string()),
        code => BrokerError::Other(code.to_string()),
    }
}

fn millis(duration: Duration) -> i32 {
    duration.as_millis().try_into().unwrap_or(i32::MAX)
}

/// Stands for the offset of a record as late as asked for where there is none.
const NONE_SO_LATE: i64 = -2;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(50);
