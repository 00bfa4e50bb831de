//! Asking the log for an operation through its public handle, and what came of it.

use bytes::Bytes;

use super::workload::Operation;
use crate::{
    batch::Batch,
    catalog::CommittedOffset,
    error::{AppendError, TopicError, WriteError},
    log::{Log, Pending},
};

/// What became of an operation.
#[derive(Debug)]
pub(super) enum Outcome {
    Done(i64),
    Refused(String),
    /// Of the writing itself.
    Write(WriteError),
}

type Asked = Box<dyn FnOnce() -> Outcome>;

/// Hands it over; the outcome is to be asked for after the commit.
pub(super) fn ask(log: &Log, operation: &Operation) -> Asked {
    match operation.clone() {
        Operation::CreateTopic { name, partitions, settings } => {
            later(log.create_topic(&name, partitions, settings), |_| 0)
        }
        Operation::DeleteTopic { name } => later(log.delete_topic(&name), |()| 0),
        Operation::AddPartitions { name, total } => later(log.add_partitions(&name, total), |()| 0),
        Operation::CommitOffset { group, topic, partition, offset } => {
            let committed =
                CommittedOffset { topic, partition, offset, leader_epoch: 3, metadata: format!("m{offset}") };
            later(log.commit_offsets(&group, vec![committed]), |()| 0)
        }
        Operation::ForgetGroup { group } => later(log.forget_group(&group), |()| 0),
        Operation::ProducerId => later(log.new_producer_id(), |id| id),
        Operation::Flush => later(log.flush(), |()| 0),
        Operation::Record { topic, partition, content, .. } => {
            let partition = log.topic(&topic).unwrap().partition(partition).unwrap();
            at_once(content.lend(|record| log.append(&partition, record)))
        }
        Operation::Batch { topic, partition, bytes, .. } => {
            let partition = log.topic(&topic).unwrap().partition(partition).unwrap();
            at_once(log.append_batch(&partition, Batch::parse(Bytes::clone(&bytes)).unwrap()))
        }
    }
}

fn at_once(handed: Result<Pending<crate::queue::Appended, AppendError>, AppendError>) -> Asked {
    match handed {
        Ok(pending) => later(pending, |appended| appended.offset),
        Err(error) => Box::new(move || outcome(Err::<(), _>(error), |()| 0)),
    }
}

fn later<T: 'static, E: AsWrite + 'static>(mut pending: Pending<T, E>, value: impl Fn(T) -> i64 + 'static) -> Asked {
    Box::new(move || match pending.0.try_recv() {
        Ok(answer) => outcome(answer, value),
        Err(_) => panic!("not answered"),
    })
}

fn outcome<T, E: AsWrite>(answer: Result<T, E>, value: impl Fn(T) -> i64) -> Outcome {
    match answer {
        Ok(done) => Outcome::Done(value(done)),
        Err(error) => match error.as_write() {
            Some(write @ (WriteError::DiskFull | WriteError::Failed(_) | WriteError::Stopped(_))) => {
                Outcome::Write(write.clone())
            }
            _ => Outcome::Refused(error.to_string()),
        },
    }
}

trait AsWrite: ToString {
    fn as_write(&self) -> Option<&WriteError>;
}

impl AsWrite for WriteError {
    fn as_write(&self) -> Option<&WriteError> {
        Some(self)
    }
}

impl AsWrite for AppendError {
    fn as_write(&self) -> Option<&WriteError> {
        if let Self::Write(error) = self { Some(error) } else { None }
    }
}

impl AsWrite for TopicError {
    fn as_write(&self) -> Option<&WriteError> {
        if let Self::Write(error) = self { Some(error) } else { None }
    }
}
