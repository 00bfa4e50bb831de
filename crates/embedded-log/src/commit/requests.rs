//! Requests of the log's users as changes: what is allowed, and who is told.

use super::{Writer, now_ms, plan::Plan};
use crate::{
    catalog::{Change, CommittedOffset, NewTopic, StoredOffset},
    error::{TopicError, WriteError},
    log::Shared,
    queue::{Answer, Request, Work},
};

impl Writer {
    pub(super) fn plan_requests(&mut self, work: &mut Work, plan: &mut Plan) {
        for request in work.requests.drain(..) {
            match request {
                Request::CreateTopic { name, partitions, settings, answer } => {
                    match self.new_topic(&name, partitions, settings) {
                        Ok(topic) => {
                            self.change(plan, Change::TopicCreated(topic));
                            let made = |shared: &Shared| {
                                shared.topics().get(name.as_str()).cloned().ok_or(WriteError::UnknownTopic(name))
                            };
                            plan.then(|fate| _ = answer.send(fate.and_then(made).map_err(Into::into)));
                        }
                        Err(error) => refuse(plan, error, answer),
                    }
                }
                Request::DeleteTopic { name, answer } => {
                    let change = self.id_of(&name).map(|id| Change::TopicDeleted { id }).map_err(TopicError::from);
                    self.plan_change(plan, change, answer);
                }
                Request::AddPartitions { name, total, answer } => {
                    let change = self.more_partitions(&name, total);
                    self.plan_change(plan, change, answer);
                }
                Request::CommitOffsets { group, offsets, answer } => {
                    let change = self.committed(group, offsets);
                    self.plan_change(plan, change, answer);
                }
                Request::ForgetGroup { group, answer } => {
                    self.plan_change(plan, Ok(Change::GroupForgotten { group }), answer);
                }
                Request::NewProducerId { answer } => {
                    let id = self.producer_id(plan);
                    plan.then(move |fate| _ = answer.send(fate.map(|_| id)));
                }
                Request::Flush { answer } => plan.then(move |fate| {
                    let undecided = fate.err().filter(|error| *error == WriteError::Overdue);
                    let _ = answer.send(undecided.map_or(Ok(()), Err)); // nobody may wait any more
                }),
            }
        }
    }

    fn plan_change<E: From<WriteError> + Send + 'static>(
        &mut self,
        plan: &mut Plan,
        change: Result<Change, E>,
        answer: Answer<(), E>,
    ) {
        match change {
            Ok(change) => {
                self.change(plan, change);
                plan.then(|fate| _ = answer.send(fate.map(|_| ()).map_err(Into::into)));
            }
            Err(error) => refuse(plan, error, answer),
        }
    }

    pub(crate) fn change(&mut self, plan: &mut Plan, change: Change) {
        self.catalog.apply(&change);
        plan.change(change);
    }

    fn new_topic(&self, name: &str, partitions: i32, settings: Vec<(String, String)>) -> Result<NewTopic, TopicError> {
        check_name(name)?;
        if self.id_of(name).is_ok() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        let partitions = self.room_for_partitions(partitions, 0)?;
        Ok(NewTopic { id: self.catalog.next_topic(), name: name.to_owned(), partitions, settings })
    }

    fn more_partitions(&self, name: &str, total: i32) -> Result<Change, TopicError> {
        let id = self.id_of(name)?;
        let now = self.catalog.topics.get(&id).map_or(0, |topic| topic.partitions.len());
        Ok(Change::PartitionsAdded { id, total: self.room_for_partitions(total, now)? })
    }

    fn room_for_partitions(&self, asked: i32, now: usize) -> Result<u32, TopicError> {
        let invalid = |reason| TopicError::InvalidPartitions { found: asked, reason };
        let most = self.shared.options.max_partitions;
        match usize::try_from(asked) {
            Ok(0) | Err(_) => Err(invalid("it has at least one".to_owned())),
            Ok(asked) if now > 0 && asked <= now => Err(invalid(format!("it has {now} already"))),
            Ok(asked) if self.catalog.partition_count() - now + asked > most => {
                Err(invalid(format!("all topics together have {most} at most")))
            }
            Ok(asked) => Ok(asked as u32), // from an i32
        }
    }

    fn committed(&self, group: String, offsets: Vec<CommittedOffset>) -> Result<Change, WriteError> {
        let stored = offsets.into_iter().map(|offset| {
            let topic = self.id_of(&offset.topic).ok();
            let known = topic.filter(|topic| self.catalog.partition(*topic, offset.partition as u32).is_some());
            Ok(StoredOffset {
                topic: known.ok_or(WriteError::UnknownTopic(offset.topic))?,
                partition: offset.partition as u32,
                offset: offset.offset,
                leader_epoch: offset.leader_epoch,
                metadata: offset.metadata,
            })
        });
        let stored = stored.collect::<Result<Vec<_>, WriteError>>()?;
        let (groups, most) = (self.shared.groups(), self.shared.options.max_committed_offsets);
        let new = stored.iter().filter(|offset| !groups.has(&group, offset.topic, offset.partition)).count();
        if new > 0 && groups.len() + new > most {
            return Err(WriteError::TooMany(format!("{most} committed offsets at most are remembered")));
        }
        Ok(Change::OffsetsCommitted { group, at_ms: now_ms(), offsets: stored })
    }

    /// From the block that is durable as given, or will be with this group.
    fn producer_id(&mut self, plan: &mut Plan) -> i64 {
        if self.producer_ids.is_empty() {
            let first = self.catalog.next_producer();
            self.producer_ids = first..first + PRODUCER_ID_BLOCK;
            self.change(plan, Change::ProducerIds { next: first + PRODUCER_ID_BLOCK });
        }
        let id = self.producer_ids.start;
        self.producer_ids.start += 1;
        id
    }

    fn id_of(&self, name: &str) -> Result<u32, WriteError> {
        let found = self.catalog.topics.iter().find(|(_, topic)| topic.name == name);
        found.map(|(id, _)| *id).ok_or_else(|| WriteError::UnknownTopic(name.to_owned()))
    }
}

/// Together with the group, as what is in the way may be a change of it: who is told that a topic exists finds it.
fn refuse<T: Send + 'static, E: From<WriteError> + Send + 'static>(plan: &mut Plan, error: E, answer: Answer<T, E>) {
    // Nobody may wait any more.
    plan.then(move |fate| _ = answer.send(fate.map_err(E::from).and(Err(error))));
}

/// Source: Apache Kafka, `org.apache.kafka.common.internals.Topic.validate`.
fn check_name(name: &str) -> Result<(), TopicError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let good = (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed);
    if good { Ok(()) } else { Err(TopicError::InvalidName(name.chars().take(249).collect())) }
}

/// Ids made durable at once, so that not each one costs a sync. Those not given at a stop are never given.
const PRODUCER_ID_BLOCK: i64 = 1000;
