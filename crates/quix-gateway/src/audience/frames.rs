//! `Frames`: records made into frames of `PackageReceived` calls, as many to a frame as fit well.

use kafka_bridge::record::Record;
use quix_model::{Content, Package, PackageReceived, ReadLimits};
use signalr_server::{Encoding, Frame, FrameBuilder};

use crate::metrics::Metrics;
use crate::timestamp::date_time;
use crate::topics::Topic;

/// Records on their way to an audience.
pub(crate) struct Frames<'a> {
    topic: &'a Topic,
    /// Those that its members speak.
    encodings: Vec<Encoding>,
    records: std::slice::Iter<'a, &'a Record>,
    metrics: &'a Metrics,
}

/// Some packages, encoded once for all members that speak the same.
pub(crate) struct Chunk {
    frames: Vec<Frame>,
    packages: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(
        topic: &'a Topic,
        records: &'a [&'a Record],
        encodings: Vec<Encoding>,
        metrics: &'a Metrics,
    ) -> Self {
        Self { topic, encodings, records: records.iter(), metrics }
    }

    /// The next packages; `None` when all records are done.
    pub(crate) fn next_chunk(&mut self) -> Option<Chunk> {
        let mut frames: Vec<_> = self.encodings.iter().map(|encoding| FrameBuilder::new(*encoding)).collect();
        let mut packages = 0;
        while frames.iter().all(|frame| frame.len() < CHUNK_BYTES)
            && let Some(record) = self.records.next()
        {
            packages += usize::from(self.add(record, &mut frames));
        }
        let finish = || frames.into_iter().map(FrameBuilder::finish).collect();
        (packages > 0).then(|| Chunk { frames: finish(), packages })
    }

    /// Adds one record; `false` for those that are nobody's.
    fn add(&self, record: &Record, frames: &mut [FrameBuilder]) -> bool {
        let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let package = match Package::read_whole(ReadLimits::default(), key, headers, value) {
            Ok(package) => package,
            Err(reason) => {
                self.metrics.odd_record(reason.label());
                return false;
            }
        };
        let content = package.content();
        if let Some(problem) = content.problem {
            self.metrics.odd_record(problem.label());
            tracing::debug!(
                topic = self.topic.name,
                partition = record.partition,
                offset = record.offset,
                problem = problem.label(),
                "a record with a fault"
            );
        }
        let received =
            package_received(self.topic, package.stream_id(), &content, &date_time(record.timestamp_ms), |received| {
                frames.iter_mut().try_for_each(|frame| frame.invocation("PackageReceived", &(&received,)))
            });
        // Texts always serialise; should one ever not, the others are not held up.
        received.is_ok()
    }
}

impl Chunk {
    /// The frame for connections that speak `encoding`.
    pub(crate) fn frame(&self, encoding: Encoding) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.encoding() == encoding)
    }

    pub(crate) fn packages(&self) -> usize {
        self.packages
    }
}

/// A package as subscribers get it, lent to `with`.
pub(crate) fn package_received<R>(
    topic: &Topic,
    stream_id: &str,
    content: &Content<'_>,
    date_time: &str,
    with: impl FnOnce(PackageReceived<'_>) -> R,
) -> R {
    with(PackageReceived {
        topic_id: &topic.id,
        topic_name: &topic.name,
        stream_id,
        type_name: &content.type_name,
        value: &content.value,
        date_time,
    })
}

/// A frame takes no further package beyond this size: far below what a connection may have waiting, and large enough
/// that more would not save anything.
const CHUNK_BYTES: usize = 64 * 1024;
