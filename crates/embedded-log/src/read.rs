//! Reading batches: from memory where they are recent, else from their segment, with every checksum checked.

use bytes::Bytes;

use crate::{
    batch::Batch,
    error::ReadError,
    index::Place,
    log::Shared,
    partition::{LEADER_EPOCH, Partition},
    segment::{Name, Segment},
    storage::read_full,
};

impl Shared {
    pub(crate) fn read(&self, partition: &Partition, offset: i64, max_bytes: usize) -> Result<Vec<Batch>, ReadError> {
        let mut batches = self.read_located(partition, offset, max_bytes)?;
        batches.drain(..before_gap(&batches, offset));
        let next = if batches.is_empty() { partition.index().first_base_after(offset) } else { None };
        next.map_or(Ok(batches), |next| self.read_located(partition, next, max_bytes))
    }

    fn read_located(&self, partition: &Partition, offset: i64, max_bytes: usize) -> Result<Vec<Batch>, ReadError> {
        let places = partition.locate(offset, max_bytes)?;
        let mut batches = Vec::with_capacity(places.len());
        let mut rest = places.as_slice();
        while let Some(place) = rest.first() {
            if let Some(bytes) = self.cached(*place) {
                batches.push(Batch::trusted(bytes));
                rest = &rest[1..];
                continue;
            }
            let (span, behind) = rest.split_at(span_of(rest));
            match self.read_span(span, &mut batches) {
                Ok(()) => rest = behind,
                Err(error) => return self.explain(partition, offset, batches, error),
            }
        }
        Ok(batches)
    }

    pub(crate) fn read_recent(
        &self,
        partition: &Partition,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Option<Vec<Batch>>, ReadError> {
        let places = partition.locate(offset, max_bytes)?;
        let cache = self.cache();
        let mut batches: Vec<_> = places.iter().map_while(|place| cache.get(*place)).map(Batch::trusted).collect();
        batches.drain(..before_gap(&batches, offset));
        Ok((places.is_empty() || !batches.is_empty()).then_some(batches))
    }

    pub(crate) fn offset_for_time(&self, partition: &Partition, time: i64) -> Result<Option<(i64, i64)>, ReadError> {
        let Some(mut offset) = partition.index().offset_near_time(time) else {
            return Ok(None);
        };
        loop {
            let batches = self.read(partition, offset, TIME_SEARCH_BYTES)?;
            let Some(last) = batches.last() else {
                return Ok(None);
            };
            offset = last.next_offset();
            for batch in batches.iter().filter(|batch| batch.max_timestamp() >= time) {
                let found = batch.offset_for_time(time, self.options.max_expanded_bytes);
                if let Some(found) = found.map_err(|problem| unreadable(partition, batch, &problem))? {
                    return Ok(Some(found));
                }
            }
        }
    }

    fn cached(&self, place: Place) -> Option<Bytes> {
        self.cache().get(place)
    }

    /// Reads batches that stand near each other with one call.
    fn read_span(&self, span: &[Place], batches: &mut Vec<Batch>) -> Result<(), ReadError> {
        let (Some(first), Some(last)) = (span.first(), span.last()) else {
            return Ok(());
        };
        let segment = self.segment(first.segment).ok_or_else(|| gone(first.segment))?;
        let start = first.position as usize;
        let mut bytes = vec![0; last.position as usize + last.length as usize - start];
        let read = read_full(&*segment.file, &mut bytes, u64::from(first.position))
            .map_err(|error| ReadError::Io { file: segment.name.to_string(), problem: error.to_string() })?;
        let bytes = Bytes::from(bytes);
        for place in span {
            let from = place.position as usize - start;
            let to = from + place.length as usize;
            if to > read {
                return Err(damaged(&segment, *place, "the file ends too early"));
            }
            batches.push(checked(bytes.slice(from..to), &segment, *place)?);
        }
        Ok(())
    }

    /// Retention may have taken a segment between look-up and reading: then the offset is out of range now.
    fn explain(
        &self,
        partition: &Partition,
        offset: i64,
        batches: Vec<Batch>,
        error: ReadError,
    ) -> Result<Vec<Batch>, ReadError> {
        let range = partition.range();
        if offset < range.start {
            return Err(ReadError::OutOfRange { offset, start: range.start, end: range.end });
        }
        // What is whole before the damage is handed out; the next read meets it first.
        if batches.is_empty() { Err(error) } else { Ok(batches) }
    }
}

fn checked(bytes: Bytes, segment: &Segment, place: Place) -> Result<Batch, ReadError> {
    let batch = Batch::parse(bytes).map_err(|problem| damaged(segment, place, &problem.to_string()))?;
    if batch.base_offset() != place.base_offset {
        return Err(damaged(segment, place, "the batch has another offset than was written"));
    }
    // The checksum does not cover it.
    if batch.leader_epoch() != LEADER_EPOCH {
        return Err(damaged(segment, place, "the batch has another leader epoch than was written"));
    }
    Ok(batch)
}

/// An offset in a gap, which a repair leaves, is located in the batch before the gap: how many batches end before it.
fn before_gap(batches: &[Batch], offset: i64) -> usize {
    batches.iter().take_while(|batch| batch.next_offset() <= offset).count()
}

/// How many of the next places are read together: in one segment, near each other, not too much.
fn span_of(places: &[Place]) -> usize {
    let near = |pair: &[Place]| {
        let end = u64::from(pair[0].position) + u64::from(pair[0].length);
        pair[1].segment == pair[0].segment && u64::from(pair[1].position) - end <= SPAN_GAP
    };
    let start = places.first().map_or(0, |place| place.position);
    let within = |place: &Place| place.position - start <= SPAN_BYTES;
    1 + places.windows(2).take_while(|pair| near(pair) && within(&pair[1])).count()
}

fn damaged(segment: &Segment, place: Place, problem: &str) -> ReadError {
    let problem = format!("{problem} (the batch with offset {})", place.base_offset);
    ReadError::Damaged { file: segment.name.to_string(), position: u64::from(place.position), problem }
}

fn unreadable(partition: &Partition, batch: &Batch, problem: &impl ToString) -> ReadError {
    let file = format!("partition {}", partition.number());
    let problem = format!("{} (the batch with offset {})", problem.to_string(), batch.base_offset());
    ReadError::Damaged { file, position: 0, problem }
}

fn gone(segment: Name) -> ReadError {
    ReadError::Io { file: segment.to_string(), problem: "deleted by retention".to_owned() }
}

/// Gap between batches, of other topics' bytes, that is still read over.
const SPAN_GAP: u64 = 4 << 10;
/// Most bytes of one call, a last batch aside.
const SPAN_BYTES: u32 = 1 << 20;
const TIME_SEARCH_BYTES: usize = 1 << 20;
