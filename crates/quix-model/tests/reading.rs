//! Rules of reading that the captured records do not show, form by form.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use quix_model::ReadProblem::{self, *};
use quix_model::{Content, Data, Model, Package, ReadLimits, Reading, RowRule, Skip};

const EVENTS: &str = "QuixStreams.Telemetry.Models.EventDataRaw[]";
const ONE: &str = r#"[{"Timestamp":1,"Tags":{},"Id":"a","Value":"v"}]"#;

#[test]
fn keep_alives_and_tombstones_are_nobodys() {
    for (key, value, skip) in [
        (&b"___KA___"[..], Some(&b"x"[..]), Skip::KeepAlive),
        (b"___KA___", None, Skip::KeepAlive),
        (b"s", None, Skip::Tombstone),
    ] {
        assert!(matches!(Package::read(Some(key), [], value), Reading::Skip(reason) if reason == skip));
        assert_eq!(Package::read_whole(ReadLimits::default(), Some(key), [], value).unwrap_err(), skip);
    }
    assert_eq!((Skip::KeepAlive.label(), Skip::Tombstone.label()), ("keep_alive", "tombstone"));
}

#[test]
fn the_key_is_the_stream_id() {
    for (key, stream_id) in
        [(None, ""), (Some(&b""[..]), ""), (Some("a/b\\č".as_bytes()), "a/b\\č"), (Some(b"\xffa"), "\u{FFFD}a")]
    {
        let Reading::Package(package) = Package::read(key, [], Some(b"1")) else { panic!() };
        assert_eq!(package.stream_id(), stream_id);
    }
}

#[test]
fn records_in_no_quix_form_are_rows_where_their_topic_says_so() {
    let rule = RowRule::default();
    let read = |key: Option<&'static [u8]>, value: &'static str| {
        let Reading::Package(package) = Package::read(key, [], Some(value.as_bytes())) else { panic!() };
        package.with_rows(&rule, Some(5), "topic")
    };
    for (key, stream_id) in
        [(None, "topic"), (Some(&b""[..]), "topic"), (Some(b"\xff"), "topic"), (Some("č".as_bytes()), "č")]
    {
        let package = read(key, r#"{"speed":7}"#);
        assert_eq!((package.stream_id(), package.model()), (stream_id, Some(Model::Timeseries)));
        let decoded = package.decoded().unwrap();
        let Data::Timeseries(timeseries) = decoded.data else { panic!() };
        assert_eq!((timeseries.timestamps, timeseries.numeric[0].values[0]), (vec![5_000_000], Some(7.0)));
        let Content { type_name, value, problem } = package.content();
        assert_eq!((&*type_name, &*value, problem), ("System.String", r#"{"speed":7}"#, None));
    }
    let odd = read(None, "speed 7");
    assert_eq!((odd.stream_id(), odd.decoded().unwrap_err()), ("topic", Some(NotJson)));
    assert_eq!((&*odd.content().value, odd.content().problem), (r#""speed 7""#, None));
    // Quix's own stay what they are, damaged ones too.
    let events: &str = Box::leak(envelope(ONE).into_boxed_str());
    for (value, model, problem) in [
        (events, Some(Model::Events), Ok(Model::Events)),
        (r#"{"C":"JT","K":"EventData[]","V":7}"#, Some(Model::Events), Err(Some(BadModel))),
        (&events[..20], None, Err(Some(CutShort))),
    ] {
        let package = read(None, value);
        assert_eq!((package.stream_id(), package.model()), ("", model), "{value}");
        assert_eq!(package.decoded().map(|decoded| decoded.data.model()), problem, "{value}");
    }
    // What looks like an envelope at its ends, and is none.
    let value = r#"{"C":"JT","K":"EventData[]","V":"x","S":1,"E":2,"K":3}"#;
    assert_eq!(read(Some(b"s"), value).decoded().map(|decoded| decoded.data.model()), Ok(Model::Timeseries));
}

#[test]
fn canonical_events_are_passed_on_without_a_copy() {
    for value in [envelope(ONE), format!("{} \r\n\t", envelope(ONE))] {
        let Reading::Package(package) = Package::read(None, [], Some(value.as_bytes())) else { panic!() };
        let content = package.content();
        assert!(matches!(content.value, Cow::Borrowed(ONE)));
        assert!(matches!(content.type_name, Cow::Borrowed(_)));
    }
}

#[test]
fn envelopes_are_recognised_or_not() {
    let event = |body: &str| format!(r#"{{"C":"JT","K":"EventData[]","V":{body},"S":32,"E":{}}}"#, 32 + body.len());
    for (value, expected, problem) in [
        // Duplicates: the last V; offsets that enclose an earlier one are wrong.
        (event(ONE).replace(r#","S""#, r#","V":[],"S""#), "[]", Some(BadOffsets)),
        (event(ONE).replace(r#"{"C":"JT""#, r#"{"C":"XX","C":"JT""#), ONE, Some(BadOffsets)),
        // Escapes in names and texts, also where all else is the usual spelling.
        (r#"{"C":"JT","K":"Event\u0044ata[]","V":[],"S":37,"E":39}"#.to_owned(), "[]", None),
        (r#"{"\u0043":"J\u0054","K":"Event\u0044ata[]","V":[]}"#.to_owned(), "[]", None),
        (r#"{"C":"JT","K":"EventData[]","V":[],"S":null,"E":null}"#.to_owned(), "[]", None),
        (r#"{"C":"JT","K":"EventData[]","V":[],"S":-1,"E":1.5}"#.to_owned(), "[]", Some(BadOffsets)),
        (r#"{"C":"JT","K":"EventData[]","V":[],"S":34,"E":32}"#.to_owned(), "[]", Some(BadOffsets)),
        (r#"{"C":"JT","K":"EventData[]","V":[],"S":33,"E":34}"#.to_owned(), "[]", Some(BadOffsets)),
        (" \n{\"C\":\"JT\",\"K\":\"EventData[]\",\"V\":[]}".to_owned(), "[]", None),
        // Base64, with its slash escaped or not.
        (r#"{"C":"JT","K":"EventData[]","V":"W10="}"#.to_owned(), "[]", None),
        (r#"{"C":"JT","K":"EventData[]","V":"W\u00310="}"#.to_owned(), "[]", None),
    ] {
        let package = read(&value);
        assert_eq!((&*package.type_name, &*package.value, package.problem), (EVENTS, expected, problem), "{value}");
    }
}

#[test]
fn damaged_envelopes_are_raw_and_counted_by_reason() {
    for (value, problem) in [
        (r#"{"C":"JT","K":"EventData[]","V":[],"S":32,"E":34}}"#, Some(BrokenEnvelope)),
        (r#"{"C":"JT","K":"EventData[]","V":[1 2],"S":32,"E":37}"#, Some(BrokenEnvelope)),
        ("{\"C\":\"JT\",\"K\":\"a\tb\",\"V\":[],\"S\":24,\"E\":26}", Some(BrokenEnvelope)),
        (r#"{"C":"JT","K":"EventData[]","V":[]"#, Some(CutShort)),
        (r#"{"C":"JT","K":"#, Some(CutShort)),
        (r#"{"C":"JT","K":"EventData[]","V":"%%%"}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"EventData[]","V":"bm8="}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"EventData[]","V":5}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"EventData[]","V":[5]}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"EventData[]","V":[{"Tags":[]}]}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":true}]}"#, Some(BadTimestamp)),
        (r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":1.5}]}"#, Some(BadTimestamp)),
        (r#"{"C":"JT","K":"ParameterData","V":[{}],"S":34,"E":38}"#, Some(BadModel)),
        (r#"{"C":"JT","K":"ParameterData","V":{"Timestamps":[1e40]},"S":34,"E":55}"#, Some(BadTimestamp)),
        (r#"{"C":"JT","K":"StreamEnd","V":{NaN},"S":30,"E":35}"#, Some(BrokenEnvelope)),
        (r#"{"C":"PB-Pd","K":"ParameterData","V":"CAE"}"#, Some(BadModel)),
        (r#"{"C":"PB-Pd","K":"EventData","V":"CAE="}"#, Some(UnknownCodec)),
        (r#"{"C":"PB-Pd","K":"x","V":"CAE="}"#, None),
        (r#"{"C":"red","K":"#, Some(CutShort)),
        // Never meant as an envelope.
        (r#"{"x":"#, None),
        (r#"{"x": "K", "V"}"#, None),
        (r#"{"C":"JT","K":"EventData[]"}"#, None),
        (r#"{"C":"JT","V":[]}"#, None),
        (r#"{"C":5,"K":"EventData[]","V":[]}"#, None),
        (r#"{"C":"red","K":"x","V":{"a":1}}"#, None),
    ] {
        let package = read(value);
        assert_eq!(package.problem, problem, "{value}");
        assert_eq!(package.type_name, "System.String", "{value}");
        let raw: serde_json::Value = serde_json::from_str(&package.value).unwrap();
        assert!(package.value == value || raw == *value, "{value}");
    }
}

#[test]
fn a_model_we_do_not_know_gives_the_type_in_any_envelope() {
    let json = r#"{"C":"JT","K":"My\u0020Model","V":"text","S":1,"E":2}"#;
    let package = read(json);
    assert_eq!((&*package.type_name, &*package.value), ("My Model", "\"text\""));
    assert_eq!(package.problem, Some(BadOffsets));

    let package = read_bytes(b"\x01\x02JT\x07MyModel\x01\0\0\0\0\x01\0\0\x007", []);
    assert_eq!((&*package.type_name, &*package.value), ("MyModel", "7"));
    assert_eq!(package.problem, Some(UnknownModel));

    let package = read_bytes(b"\x01\x02JT\x07MyModel\x01\0\0\0\0\x01\0\0\0x", []);
    assert_eq!((&*package.type_name, package.problem), ("System.String", Some(BadModel)));
}

#[test]
fn events_of_all_kinds_become_canonical() {
    for (body, expected) in [
        // Missing, null and duplicate members; scalars as texts; the tags of one event in order.
        ("[{}]", r#"[{"Timestamp":0,"Tags":{},"Id":null,"Value":null}]"#),
        (r#"[{"Timestamp":null,"Id":7,"Value":[1, 2]}]"#, r#"[{"Timestamp":0,"Tags":{},"Id":"7","Value":"[1, 2]"}]"#),
        (
            r#"[null,{"value":"a","VALUE":null,"tags":{"z":false,"a":1e400,"n":null},"timestamp":"1.7e18"},null]"#,
            r#"[{"Timestamp":1700000000000000000,"Tags":{"z":"false","a":"1e400","n":null},"Id":null,"Value":null}]"#,
        ),
        (r#"{"Id":"one","Timestamp":1}"#, r#"[{"Timestamp":1,"Tags":{},"Id":"one","Value":null}]"#),
        (
            r#"[{"Timestamp":-0,"Tags":{"\ud800":"\ud83d\ude80"},"Id":"\udc00","Value":"\u0041"}]"#,
            "[{\"Timestamp\":0,\"Tags\":{\"\u{FFFD}\":\"🚀\"},\"Id\":\"\u{FFFD}\",\"Value\":\"A\"}]",
        ),
        (
            r#"[{"Timestamp":9223372036854775807},{"Timestamp":-9223372036854775808}]"#,
            r#"[{"Timestamp":9223372036854775807,"Tags":{},"Id":null,"Value":null},{"Timestamp":-9223372036854775808,"Tags":{},"Id":null,"Value":null}]"#,
        ),
    ] {
        let value = envelope(body);
        let package = read(&value);
        assert_eq!((&*package.type_name, &*package.value, package.problem), (EVENTS, expected, None), "{body}");
    }
}

#[test]
fn other_models_show_every_member() {
    let body =
        r#"{"timestamps": [1], "NumericValues":{"n":[1e400],"n":["NaN"]},"StringValues":{"s":["\ud800"]},"x":[{}]}"#;
    let value = format!(r#"{{"C":"J","K":"ParameterData","V":{body}}}"#);
    let content = read(&value);
    assert_eq!(content.type_name, "QuixStreams.Telemetry.Models.TimeseriesDataRaw");
    assert_eq!(
        content.value,
        "{\"Epoch\":0,\"Timestamps\":[1],\"NumericValues\":{\"n\":[\"NaN\"]},\"StringValues\":{\"s\":[\"\u{FFFD}\"]},\"BinaryValues\":{},\"TagValues\":{}}"
    );
    assert_eq!(content.problem, None);
}

#[test]
fn the_body_is_looked_at_only_when_asked_for() {
    // Broken inside, but its ends are those of an envelope.
    let value = br#"{"C":"JT","K":"StreamEnd","V":{NaN},"S":30,"E":35}"#;
    let Reading::Package(package) = Package::read(Some(b"s"), [], Some(value)) else { panic!() };
    assert_eq!(package.model(), Some(Model::StreamEnd));
    assert!(package.data().is_none());
    assert_eq!(package.content().type_name, "System.String");
    // So the headers count after all.
    let headers = [("__Q_ModelKey", Some(&b"StreamEnd"[..])), ("__Q_CodecId", Some(&b"JT"[..]))];
    let Reading::Package(package) = Package::read(Some(b"s"), headers, Some(value)) else { panic!() };
    assert_eq!(package.content().problem, Some(BadModel));
}

#[test]
fn the_last_of_equal_headers_counts_and_null_ones_do_not() {
    let model = ("__Q_ModelKey", Some(&b"EventData[]"[..]));
    let codec = |id: Option<&'static [u8]>| ("__Q_CodecId", id);
    for (headers, type_name) in [
        (vec![codec(Some(b"XX")), model, codec(Some(b"JT"))], EVENTS),
        (vec![codec(Some(b"JT")), model, codec(None)], "System.String"),
        (vec![codec(Some(b"\xff")), model], "System.String"),
        (vec![("trace", Some(b"\xff")), model, ("nothing", None), codec(Some(b"J"))], EVENTS),
    ] {
        assert_eq!(read_bytes(ONE.as_bytes(), headers).type_name, type_name);
    }
}

#[test]
fn a_damaged_envelope_beside_headers_is_their_body() {
    let value = br#"{"C":"JT","K":"EventData[]","V":"#;
    assert_eq!(read_bytes(value, quix_headers(b"JT")).problem, Some(BadModel));
    // Not an envelope, though it has the members of one.
    let value = br#"{"C":"red","K":"x","V":1,"Id":"a","Timestamp":1}"#;
    let package = read_bytes(value, quix_headers(b"JT"));
    assert_eq!(package.value, r#"[{"Timestamp":1,"Tags":{},"Id":"a","Value":null}]"#);
}

#[test]
fn gzip_is_inflated_up_to_the_limit() {
    let headers = quix_headers(b"[GZIP]JT");
    let body = gzip(ONE.as_bytes());
    let package = read_bytes(&body, headers);
    assert_eq!((&*package.type_name, &*package.value, package.problem), (EVENTS, ONE, None));

    for (max_inflated_bytes, problem) in
        [(ONE.len(), None), (ONE.len() - 1, Some(InflatedTooLarge)), (0, Some(InflatedTooLarge)), (usize::MAX, None)]
    {
        let limits = ReadLimits { max_inflated_bytes };
        let package = Package::read_whole(limits, None, headers, Some(&body)).unwrap();
        assert_eq!(package.content().problem, problem);
    }

    let bomb = gzip(&vec![b' '; ReadLimits::default().max_inflated_bytes + 1]);
    assert!(bomb.len() < 20_000);
    let package = read_bytes(&bomb, headers);
    assert_eq!((&*package.type_name, package.problem), ("System.Byte[]", Some(InflatedTooLarge)));

    for broken in [&body[..body.len() - 1], ONE.as_bytes(), b""] {
        assert_eq!(read_bytes(broken, headers).problem, Some(BadGzip));
    }
    assert_eq!(read_bytes(&body, quix_headers(b"[GZIP]")).problem, Some(UnknownCodec));
}

#[test]
fn a_binary_envelope_fits_exactly_or_is_none() {
    let whole = b"\x01\x02JT\x0bEventData[]\x01\x01\0\0\0\x01a\x01b\x02\0\0\0[]";
    assert_eq!(read_bytes(whole, []).value, "[]");
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.to_vec();
        bytes[at] = byte;
        bytes
    };
    for (bytes, problem) in [
        (whole[..whole.len() - 1].to_vec(), Some(CutShort)),
        ([&whole[..], b"]"].concat(), None),
        (whole[..whole.len() - 3].to_vec(), None),
        (vec![1], None),
        (with(16, 2), None),                     // format of the metadata
        (with(20, 0xFF), None),                  // negative number of pairs
        (with(1, 0xFF), None),                   // length of the codec beyond the end
        ([&[1], &[0xFF; 9][..]].concat(), None), // varint without end
        (with(2, b'X'), Some(UnknownCodec)),
    ] {
        let package = read_bytes(&bytes, []);
        assert_eq!(package.problem, problem, "{bytes:?}");
        assert!(package.type_name.starts_with("System."), "{bytes:?}");
    }
}

#[test]
fn long_texts_have_lengths_of_several_bytes() {
    let key = "k".repeat(300);
    let bytes = [&b"\x01\x02JT\xac\x02"[..], key.as_bytes(), b"\x01\0\0\0\0\x02\0\0\0{}"].concat();
    assert_eq!(read_bytes(&bytes, []).type_name, key);
}

#[test]
fn labels_are_all_different() {
    let labels: std::collections::BTreeSet<_> = ReadProblem::ALL.iter().map(|problem| problem.label()).collect();
    assert_eq!(labels.len(), ReadProblem::ALL.len());
}

fn envelope(body: &str) -> String {
    format!(r#"{{"C":"JT","K":"EventData[]","V":{body},"S":32,"E":{}}}"#, 32 + body.len())
}

fn read(value: &str) -> Content<'static> {
    read_bytes(value.as_bytes(), [])
}

fn read_bytes<'a>(value: &'a [u8], headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Content<'static> {
    match Package::read(Some(b"s"), headers, Some(value)) {
        Reading::Package(package) => {
            let Content { type_name, value, problem } = package.content();
            Content { type_name: type_name.into_owned().into(), value: value.into_owned().into(), problem }
        }
        Reading::Segment(segment) => panic!("a segment: {segment:?}"),
        Reading::Skip(skip) => panic!("skipped: {skip:?}"),
    }
}

fn quix_headers(codec: &'static [u8]) -> [(&'static str, Option<&'static [u8]>); 2] {
    [("__Q_ModelKey", Some(b"EventData[]")), ("__Q_CodecId", Some(codec))]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
