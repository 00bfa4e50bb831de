//! `Sign`: what one record says of its stream, and `Signs`, which reads it out of records.

use std::time::{Duration, Instant};

use kafka_bridge::record::{Header, Record};
use quix_model::{Data, MergeLimits, Merger, Model, Package, ReadLimits, Reading};

use crate::metrics::Metrics;
use crate::read_rules::Rows;

/// What a record says of its stream.
#[derive(Debug)]
pub(crate) enum Sign<'a> {
    /// That it lives, and no more: a piece of a larger record, or a model that cannot be read.
    Life,
    /// That data came, of no form that has ids.
    Data,
    /// A model.
    Model(Data<'a>),
}

impl Sign<'_> {
    /// Whether data came, rather than something about the stream.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self, Self::Data | Self::Model(Data::Events(_) | Data::Timeseries(_)))
    }
}

/// Reads signs out of the records of one topic, in the order of their offsets.
#[derive(Debug)]
pub(crate) struct Signs {
    /// Of large records that came in pieces.
    merger: Merger<Vec<Header>>,
    rows: Rows,
    metrics: Metrics,
}

impl Signs {
    pub(crate) fn new(rows: Rows, metrics: Metrics) -> Self {
        let limits = MergeLimits { max_records: 64, max_bytes: MERGED_BYTES, ..MergeLimits::default() };
        Self { merger: Merger::new(limits), rows, metrics }
    }

    /// Hands over the stream's id and what the record says of it: nothing of records that are nobody's, two signs of one
    /// that completes a record in pieces.
    pub(crate) fn read(&mut self, record: &Record, now: Instant, mut take: impl FnMut(&str, Sign<'_>)) {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        match Package::read(key, headers(&record.headers), value) {
            Reading::Package(package) => {
                let package = self.rows.of(package, record);
                take(package.stream_id(), sign(&package));
            }
            Reading::Skip(_) => {}
            Reading::Segment(segment) => {
                let stream_id = key.map(String::from_utf8_lossy).unwrap_or_default();
                take(&stream_id, Sign::Life);
                let first = || record.headers.clone();
                let added = self.merger.add(record.partition, record.offset, key, segment, first, now);
                added.dropped.iter().for_each(|dropped| self.metrics.odd_record(dropped.reason.label()));
                let Some(merged) = added.merged else { return };
                let limits = ReadLimits::default();
                if let Ok(package) = Package::read_whole(limits, key, headers(&merged.first), Some(&merged.value)) {
                    let package = self.rows.of(package, record);
                    take(package.stream_id(), sign(&package));
                }
            }
        }
    }

    /// Lets go of pieces whose others do not come.
    pub(crate) fn expire(&mut self, now: Instant) {
        let dropped = self.merger.expire(now);
        dropped.iter().for_each(|dropped| self.metrics.odd_record(dropped.reason.label()));
    }

    /// Until [`expire`](Self::expire) has something to do.
    pub(crate) fn expiry_in(&self, now: Instant) -> Option<Duration> {
        self.merger.next_expiry().map(|expiry| expiry.saturating_duration_since(now))
    }
}

fn sign<'a>(package: &'a Package<'_>) -> Sign<'a> {
    match (package.data(), package.model()) {
        (Some(decoded), _) => Sign::Model(decoded.data),
        (None, None | Some(Model::Events | Model::Timeseries)) => Sign::Data,
        (None, Some(_)) => Sign::Life,
    }
}

fn headers(headers: &[Header]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    headers.iter().map(|header| (&*header.name, header.value.as_deref()))
}

/// Of incomplete records of one topic. Several webcam frames, which are the largest there are.
const MERGED_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quix_model::RowRule;

    use super::*;
    use crate::read_rules::ReadRules;

    #[test]
    fn signs_are_read_out_of_every_kind_of_record() {
        for (value, expected) in [
            (r#"{"C":"JT","K":"StreamProperties","V":{"Name":"n"}}"#, "StreamProperties, no data"),
            (r#"{"C":"JT","K":"ParameterData","V":{"Timestamps":[1]}}"#, "Timeseries, data"),
            (r#"{"C":"JT","K":"EventData","V":{"Id":"a"}}"#, "Events, data"),
            (r#"{"C":"JT","K":"StreamEnd","V":{}}"#, "StreamEnd, no data"),
            (r#"{"C":"JT","K":"StreamProperties","V":[1]}"#, "Life, no data"),
            (r#"{"C":"JT","K":"EventData[]","V":7}"#, "Data, data"),
            (r#"{"C":"JT","K":"Unheard","V":{}}"#, "Data, data"),
            (r#"{"speed":7}"#, "Data, data"),
            ("", "Data, data"),
        ] {
            assert_eq!(
                read(&mut signs(), &record(Some("s"), Some(value.as_bytes().to_vec()))),
                [format!("s: {expected}")],
                "{value}"
            );
        }
        let no_key = record(None, Some(b"x".to_vec()));
        assert_eq!(read(&mut signs(), &no_key), [": Data, data"]);
        for nobodys in [record(Some("___KA___"), Some(b"x".to_vec())), record(Some("s"), None)] {
            assert_eq!(read(&mut signs(), &nobodys), [""; 0]);
        }
    }

    #[test]
    fn rows_are_models_of_the_stream_that_their_topic_names() {
        let rules = ReadRules::new([("f1".to_owned(), Some(RowRule::default()))]);
        let mut signs = Signs::new(rules.of("f1"), Metrics::default());
        assert_eq!(read(&mut signs, &record(None, Some(br#"{"speed":7}"#.to_vec()))), ["f1: Timeseries, data"]);
        assert_eq!(read(&mut signs, &record(Some("s"), Some(b"7".to_vec()))), ["s: Data, data"]);
    }

    #[test]
    fn each_piece_is_a_sign_of_life_and_the_last_one_brings_the_record() {
        let whole = br#"{"C":"JT","K":"StreamProperties","V":{"Name":"n"}}"#;
        let piece = |index: u8, part: &[u8]| [b"<1234/", &[index][..], b"/", &[1], b">", part].concat();
        let mut signs = signs();
        let first = record(Some("s"), Some(piece(0, &whole[..20])));
        assert_eq!(read(&mut signs, &first), ["s: Life, no data"]);
        let last = record(Some("s"), Some(piece(1, &whole[20..])));
        assert_eq!(read(&mut signs, &last), ["s: Life, no data", "s: StreamProperties, no data"]);
        assert_eq!(signs.expiry_in(Instant::now()), None);
        let now = Instant::now();
        read(&mut signs, &first);
        let wait = signs.expiry_in(now).unwrap();
        signs.expire(now + wait + Duration::from_secs(1));
        assert_eq!(signs.expiry_in(now), None);
    }

    fn signs() -> Signs {
        Signs::new(Rows::default(), Metrics::default())
    }

    fn read(signs: &mut Signs, record: &Record) -> Vec<String> {
        let mut read = Vec::new();
        signs.read(record, Instant::now(), |stream_id, sign| {
            let kind = match &sign {
                Sign::Life => "Life".to_owned(),
                Sign::Data => "Data".to_owned(),
                Sign::Model(data) => format!("{:?}", data.model()),
            };
            read.push(format!("{stream_id}: {kind}, {}", if sign.is_data() { "data" } else { "no data" }));
        });
        read
    }

    fn record(key: Option<&str>, value: Option<Vec<u8>>) -> Record {
        let key = key.map(|key| Bytes::copy_from_slice(key.as_bytes()));
        Record { partition: 0, offset: 0, timestamp_ms: None, key, value: value.map(Bytes::from), headers: Vec::new() }
    }
}
