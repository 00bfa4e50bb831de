//! A durable log of Kafka record batches for one machine, to be embedded in any program.
//!
//! One process, one folder, one writer. All topics share one sequence of segment files; what is waiting is written as one
//! *commit group* with one `fdatasync`, and only then acknowledged and visible. See [`Log`] for the promises.

pub mod batch;
mod cache;
mod catalog;
pub mod check;
mod commit;
mod error;
mod format;
mod group;
mod index;
pub mod listener;
mod log;
mod options;
mod partition;
mod queue;
mod read;
mod recovery;
mod retention;
mod segment;
#[cfg(test)]
mod simulation;
pub mod storage;
mod topic;

pub use self::{
    catalog::CommittedOffset,
    error::{AppendError, OpenError, ReadError, TopicError, WriteError},
    log::{Log, Pending},
    options::{CommitReport, Observer, Options},
    partition::{Partition, Range},
    queue::Appended,
    topic::Topic,
};
