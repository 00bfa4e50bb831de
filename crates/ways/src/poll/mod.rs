//! Polling sources: what is fetched from elsewhere at intervals.
//!
//! [`Source`] fetches once; [`run`] does it again and again, when its [`Timetable`] says. Records are made by the source's
//! [`Rule`](crate::Rule) and written by [`Append`](crate::Append).

mod changes;
mod config;
mod cron;
mod metrics;
mod run;
mod source;
mod timetable;

pub use self::cron::Cron;
pub use config::PollConfig;
pub use metrics::PollMetrics;
pub use run::run;
pub use source::{PollError, Polled, Source, SourceError};
pub use timetable::{Interval, Timetable};
