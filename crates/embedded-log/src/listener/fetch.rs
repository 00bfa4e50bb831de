//! Fetch: records from positions on, at once or as soon as there are some.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes};
use futures::future::select_all;
use kafka_protocol::{ResponseError, messages::FetchRequest};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{
    errors,
    node::Node,
    request::{Refusal, Request},
    response::{Reply, Response, ResponseBuilder},
};
use crate::{Partition, ReadError, Topic, batch::Batch};

/// Answers a fetch. Nothing of the request's bytes is kept while it waits.
pub(super) fn begin(node: &Arc<Node>, request: &Request) -> Result<Reply, Refusal> {
    let fetch: FetchRequest = request.decode()?;
    let mut wanted = Wanted {
        correlation_id: request.correlation_id,
        version: request.version,
        error: None,
        min_bytes: usize::try_from(fetch.min_bytes).unwrap_or(0),
        max_bytes: usize::try_from(fetch.max_bytes).unwrap_or(0).min(node.options.max_fetch_bytes),
        committed_only: fetch.isolation_level == 1,
        topics: Vec::new(),
    };
    if fetch.session_id != 0 {
        // We never gave one.
        wanted.error = Some(ResponseError::FetchSessionIdNotFound);
        return Ok(Reply::Now(wanted.answer(&[], None)));
    }
    let mut known = HashSet::new();
    for topic in fetch.topics {
        let name: Arc<str> = topic.topic.as_str().into();
        let handle = node.topic(&name);
        let partitions = topic.partitions.iter().filter(|it| known.insert((name.clone(), it.partition)));
        let partitions = partitions.map(|it| WantedPartition {
            number: it.partition,
            handle: handle.as_ref().and_then(|topic| topic.partition(it.partition)),
            offset: it.fetch_offset,
            max_bytes: usize::try_from(it.partition_max_bytes).unwrap_or(0),
        });
        wanted.topics.push(WantedTopic { partitions: partitions.collect(), name, handle });
    }
    let wait = Duration::from_millis(u64::try_from(fetch.max_wait_ms).unwrap_or(0)).min(node.options.max_fetch_wait);
    Ok(Reply::Later(Box::pin(answer(node.clone(), wanted, Instant::now() + wait))))
}

/// A fetch, in our own memory.
struct Wanted {
    correlation_id: i32,
    version: i16,
    error: Option<ResponseError>,
    min_bytes: usize,
    max_bytes: usize,
    committed_only: bool,
    topics: Vec<WantedTopic>,
}

struct WantedTopic {
    name: Arc<str>,
    handle: Option<Arc<Topic>>,
    partitions: Vec<WantedPartition>,
}

struct WantedPartition {
    number: i32,
    handle: Option<Arc<Partition>>,
    offset: i64,
    max_bytes: usize,
}

/// What there is of a partition.
#[derive(Default)]
struct Found {
    error: Option<ResponseError>,
    start: i64,
    end: i64,
    batches: Vec<Bytes>,
}

async fn answer(node: Arc<Node>, wanted: Wanted, deadline: Instant) -> Result<Response, Refusal> {
    let mut changes: Vec<_> = wanted.topics.iter().filter_map(|topic| Some(topic.handle.as_ref()?.changes())).collect();
    loop {
        // What changes from here on is seen by the wait below.
        for topic in &mut changes {
            topic.borrow_and_update();
        }
        let last = Instant::now() >= deadline || *node.stopping.borrow();
        let (found, permit) = look(&node, &wanted).await;
        let bytes: usize = found.iter().flat_map(|found| &found.batches).map(Bytes::len).sum();
        let failed = found.iter().any(|found| found.error.is_some());
        if last || failed || bytes >= wanted.min_bytes.max(1) || wanted.min_bytes == 0 || wanted.is_empty() {
            return Ok(wanted.answer(&found, permit));
        }
        drop((found, permit));
        wait(&node, &mut changes, deadline).await;
    }
}

async fn wait(node: &Node, changes: &mut [watch::Receiver<u64>], deadline: Instant) {
    let changed = async {
        if changes.is_empty() {
            std::future::pending::<()>().await;
        }
        // An error means that the topic is gone altogether: look again.
        let _ = select_all(changes.iter_mut().map(|topic| Box::pin(topic.changed()))).await;
    };
    tokio::select! {
        () = changed => {}
        () = tokio::time::sleep_until(deadline.into()) => {}
        () = node.stopped() => {}
    }
}

/// One round over all partitions, and the memory taken for what was found.
async fn look(node: &Arc<Node>, wanted: &Wanted) -> (Vec<Found>, Option<OwnedSemaphorePermit>) {
    let (mut found, mut left, mut permit, mut any) = (Vec::new(), wanted.max_bytes, None, false);
    for topic in &wanted.topics {
        for partition in &topic.partitions {
            let mut here = Found::of(topic, partition);
            if here.error.is_none() && partition.offset != here.end {
                if permit.is_none() {
                    permit = take_memory(node, wanted.max_bytes).await;
                }
                here.read(node, partition, left, !any).await;
                any |= !here.batches.is_empty();
                left = left.saturating_sub(here.batches.iter().map(Bytes::len).sum());
            }
            found.push(here);
        }
    }
    // Keep what is used.
    let unused = left.min(wanted.max_bytes);
    if let Some(permit) = &mut permit {
        drop(permit.split(unused.min(permit.num_permits())));
    }
    (found, permit)
}

/// For as many bytes of records, at most.
async fn take_memory(node: &Node, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = bytes.min(node.options.response_memory_bytes).clamp(1, u32::MAX as usize >> 1);
    node.response_memory.clone().acquire_many_owned(bytes as u32).await.ok() // never closed
}

impl Found {
    /// Where the partition begins and ends, and what is wrong with asking for it.
    fn of(topic: &WantedTopic, wanted: &WantedPartition) -> Self {
        let (Some(partition), false) = (&wanted.handle, topic.handle.as_ref().is_some_and(|it| it.is_deleted())) else {
            let error = Some(ResponseError::UnknownTopicOrPartition);
            return Self { error, start: -1, end: -1, batches: Vec::new() };
        };
        let range = partition.range();
        let inside = (range.start..=range.end).contains(&wanted.offset);
        let error = (!inside).then_some(ResponseError::OffsetOutOfRange);
        Self { error, start: range.start, end: range.end, batches: Vec::new() }
    }

    /// Up to `left` bytes; at least one batch if it is the `first` one of the answer.
    async fn read(&mut self, node: &Arc<Node>, wanted: &WantedPartition, left: usize, first: bool) {
        let Some(partition) = &wanted.handle else { return };
        let limit = wanted.max_bytes.min(left);
        if limit == 0 && !first {
            return;
        }
        match read(node, partition, wanted.offset, limit).await {
            Ok(batches) => {
                let fits = |batches: &[Batch]| batches.first().is_some_and(|batch| batch.len() <= limit);
                if first || fits(&batches) {
                    self.batches = batches.into_iter().map(Batch::into_bytes).collect();
                }
                // What was committed meanwhile may be in it.
                self.end = self.end.max(partition.range().end);
            }
            Err(error) => {
                if !matches!(error, ReadError::OutOfRange { .. }) {
                    let topic = &**partition.topic_name();
                    tracing::error!(topic, partition = wanted.number, %error, "records cannot be read");
                }
                self.error = Some(errors::read(&error));
            }
        }
    }
}

async fn read(
    node: &Arc<Node>,
    partition: &Arc<Partition>,
    offset: i64,
    limit: usize,
) -> Result<Vec<Batch>, ReadError> {
    if let Some(batches) = node.log.read_recent(partition, offset, limit)? {
        return Ok(batches);
    }
    let (node, partition) = (node.clone(), partition.clone());
    let read = tokio::task::spawn_blocking(move || node.log.read(&partition, offset, limit)).await;
    read.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.topics.iter().all(|topic| topic.partitions.is_empty())
    }

    /// Written by hand, field by field, so that records are sent from where they are.
    fn answer(&self, found: &[Found], held: Option<OwnedSemaphorePermit>) -> Response {
        let mut out = ResponseBuilder::new(self.correlation_id);
        out.fields().put_i32(0); // throttle time
        if self.version >= 7 {
            out.fields().put_i16(self.error.map_or(0, |error| error.code()));
            out.fields().put_i32(0); // session id: none
        }
        let mut found = found.iter();
        out.fields().put_i32(self.topics.len() as i32);
        for topic in &self.topics {
            out.fields().put_i16(topic.name.len() as i16);
            out.fields().put_slice(topic.name.as_bytes());
            out.fields().put_i32(topic.partitions.len() as i32);
            for (partition, found) in topic.partitions.iter().zip(&mut found) {
                self.put_partition(&mut out, partition.number, found);
            }
        }
        out.finish(held)
    }

    fn put_partition(&self, out: &mut ResponseBuilder, number: i32, found: &Found) {
        let fields = out.fields();
        fields.put_i32(number);
        fields.put_i16(found.error.map_or(0, |error| error.code()));
        fields.put_i64(found.end); // high watermark
        fields.put_i64(found.end); // last stable offset
        if self.version >= 5 {
            fields.put_i64(found.start);
        }
        fields.put_i32(if self.committed_only { 0 } else { -1 }); // aborted transactions
        if self.version >= 11 {
            fields.put_i32(-1); // preferred read replica
        }
        fields.put_i32(found.batches.iter().map(Bytes::len).sum::<usize>() as i32);
        for batch in &found.batches {
            out.push(batch.clone());
        }
    }
}
