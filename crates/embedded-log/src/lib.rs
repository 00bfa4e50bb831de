//! A durable log of Kafka record batches for one machine, to be embedded in any program.
//!
//! One process, one folder, one writer. All topics share one sequence of segment files; what is waiting is written as one
//! *commit group* with one `fdatasync`, and only then acknowledged and visible. See [`Log`] for the promises, and
//! [`listener`] for the door where any Kafka client uses the same topics.
//!
//! ```
//! use embedded_log::{Log, Options, batch::NewRecord};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let log = Log::open(folder.path(), Options::default())?;
//! let topic = log.create_topic("greetings", 1, Vec::new()).await?;
//! let partition = topic.partition(0).ok_or("a topic has a partition 0")?;
//!
//! let record = NewRecord { timestamp_ms: 0, key: None, value: Some(b"hello"), headers: &[] };
//! let appended = log.append(&partition, record)?.await?; // on the disk now
//! assert_eq!(appended.offset, 0);
//!
//! for batch in log.read(&partition, 0, 1 << 20)? {
//!     for record in batch.records(1 << 20)? {
//!         assert_eq!(record?.value.as_deref(), Some(&b"hello"[..]));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod batch;
mod cache;
mod catalog;
pub mod check;
mod commit;
mod error;
mod format;
mod glance;
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
    glance::{Glance, glance, log_id},
    log::{Log, Pending},
    options::{CommitReport, Observer, Options},
    partition::{Partition, Range},
    queue::Appended,
    topic::Topic,
};
