//! The lines of an NDJSON answer: packages with their places, gaps, and the error that ends one.

use kafka_bridge::record::Record;
use quix_model::PackageReceived;
use serde::Serialize;

use crate::audience::{Intake, package_received};
use crate::timestamp::date_time;
use crate::topics::Topic;

/// A package with its place in the topic.
#[derive(Serialize)]
struct PackageLine<'a> {
    #[serde(flatten)]
    package: PackageReceived<'a>,
    partition: i32,
    offset: i64,
}

/// Records are missing here: they were deleted before they were read.
#[derive(Serialize)]
struct GapLine {
    gap: Gap,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gap {
    partition: i32,
    next_offset: i64,
    lost: i64,
}

/// The stream ends here, and not by plan.
#[derive(Serialize)]
struct ErrorLine<'a> {
    error: &'a str,
}

/// Records on their way to one answer, those that came in segments put together.
#[derive(Default)]
pub(super) struct PackageLines {
    intake: Intake,
}

impl PackageLines {
    /// One line for each record that is a package, or completes one.
    pub(super) fn of(&mut self, topic: &Topic, records: &[Record]) -> Vec<u8> {
        let mut lines = Vec::new();
        // What is odd is counted where topics are followed.
        let odd = |_| {};
        self.intake.expire(odd);
        for record in records {
            self.intake.take(record, odd, |package| {
                let (partition, offset) = (record.partition, record.offset);
                let (content, date_time) = (package.content(), date_time(record.timestamp_ms));
                let package = package_received(topic, package.stream_id(), &content, &date_time);
                lines.extend(line(&PackageLine { package, partition, offset }));
            });
        }
        lines
    }
}

/// Reading goes on at `next_offset`; `lost` packages before it are gone.
pub(super) fn gap_line(partition: i32, next_offset: i64, lost: i64) -> Vec<u8> {
    line(&GapLine { gap: Gap { partition, next_offset, lost } })
}

/// The last line of an answer that ends too early.
pub(super) fn error_line(error: &str) -> Vec<u8> {
    line(&ErrorLine { error })
}

fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("texts and numbers always serialise");
    line.push(b'\n');
    line
}
