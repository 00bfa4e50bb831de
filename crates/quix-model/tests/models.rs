//! What holds for any model in any codec and form, and for any bytes that claim to be one.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quix_model::{
    Blob, Codec, Column, Data, Definitions, Group, Package, ParameterDefinition, ReadLimits, StreamProperties,
    Timeseries,
};
use serde_json::Value;

const CODECS: [Codec; 3] = [Codec::Json, Codec::Compact, Codec::Protobuf];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parameter_data_is_read_as_it_was_written(data in timeseries(any::<f64>().boxed()), form in 0..4_usize) {
        for codec in [Codec::Json, Codec::Protobuf] {
            comes_back(&data, codec, form)?;
        }
    }

    /// Differences lose digits, but not of numbers like these.
    #[test]
    fn compact_parameter_data_too(data in timeseries((-1000..1000).prop_map(|n| f64::from(n) / 4.0).boxed()), form in 0..4_usize) {
        comes_back(&data, Codec::Compact, form)?;
    }

    #[test]
    fn what_a_package_shows_is_the_same_in_every_codec(data in timeseries((-9..9).prop_map(f64::from).boxed())) {
        let shown: Vec<String> = CODECS
            .iter()
            .map(|codec| Record::of(*codec, 0, &data).package().content().value.into_owned())
            .collect();
        prop_assert!(shown.iter().all(|value| *value == shown[0]));
        prop_assert_eq!(&shown[0], &Data::Timeseries(data).to_package_json());
        let value: Value = serde_json::from_str(&shown[0]).unwrap();
        let members = ["Epoch", "Timestamps", "NumericValues", "StringValues", "BinaryValues", "TagValues"];
        prop_assert!(members.iter().all(|name| value.get(name).is_some()));
    }

    #[test]
    fn definitions_and_properties_are_read_as_they_were_shown(tree in tree(), properties in properties()) {
        for data in [Data::ParameterDefinitions(tree), Data::StreamProperties(properties)] {
            let key = match data {
                Data::StreamProperties(_) => "StreamProperties",
                _ => "ParameterDefinitions",
            };
            let value = format!(r#"{{"C":"JT","K":"{key}","V":{}}}"#, data.to_package_json());
            let package = package(&[], value.as_bytes());
            prop_assert_eq!(package.content().problem, None);
            prop_assert_eq!(package.data().unwrap().data, data);
        }
    }

    #[test]
    fn damaged_parameter_data_is_a_package_of_json(
        data in timeseries(any::<f64>().boxed()),
        codec in prop::sample::select(CODECS.to_vec()),
        form in 0..4_usize,
        hits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut record = Record::of(codec, form, &data);
        for (place, byte) in hits {
            let place = place.index(record.value.len());
            record.value[place] = byte;
        }
        if let Some(cut) = cut {
            record.value.truncate(cut.index(record.value.len()));
        }
        is_sound(&record.package())?;
    }

    #[test]
    fn any_bytes_in_any_codec_are_a_package_of_json(bytes in vec(any::<u8>(), 0..120), model in 0..6_usize) {
        let key = ["EventData[]", "ParameterData", "StreamProperties", "ParameterDefinitions", "EventDefinitions", "StreamEnd"][model];
        for codec in ["JT", "JT-PaDa-1", "PB-Pd", "[GZIP]JT", "[GZIP]PB-Pd"] {
            is_sound(&package(&[("__Q_ModelKey", key), ("__Q_CodecId", codec)], &bytes))?;
        }
    }
}

#[test]
fn compact_runs_and_protobuf_lists_are_read_as_their_writers_meant_them() {
    for (codec, body, expected) in [
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Numerics":{"n":[]}}"#, Some(r#""NumericValues":{"n":[null]}"#)),
        (
            "JT-PaDa-1",
            r#"{"Timestamps":[1,1],"Strings":{"s":{"V":[1,0],"K":["x"]}}}"#,
            Some(r#""StringValues":{"s":[null,"x"]}"#),
        ),
        (
            "JT-PaDa-1",
            r#"{"epoch":5,"timestamps":["1",1.0],"tags":{"t":null}}"#,
            Some(r#"{"Epoch":5,"Timestamps":[1,2]"#),
        ),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Numerics":{"n":[0,["NaN"]]}}"#, Some(r#"["NaN"]"#)),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Strings":{"s":{"K":["x"],"V":[0,1]}}}"#, None),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Strings":{"s":{"K":["x"],"V":[0,-1]}}}"#, None),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Strings":{"s":{"K":["x"]}}}"#, None),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Numerics":{"n":[-1,2.0]}}"#, None),
        ("JT-PaDa-1", r#"{"Timestamps":[1],"Numerics":{"n":[9000000000000000000,2.0]}}"#, None),
        ("JT-PaDa-1", r#"{"Timestamps":[9223372036854775807,1]}"#, None),
        ("JT-PaDa-1", r#"{"Numerics":{}}"#, None),
        // Unpacked, a field of the future, fewer marks than values.
        (
            "PB-Pd",
            "\x10\x05\x10\x06\x7d\x01\x02\x03\x04\x22\x0a\x0a\x01s\x10\x01\x1a\0\x1a\x01x",
            Some(r#""StringValues":{"s":[null,"x"]}"#),
        ),
        ("PB-Pd", "\x10\x05\x22\x09\x0a\x01s\x10\x01\x10\x01\x1a\0", None),
        ("PB-Pd", "\x10", None),
        ("PB-Pd", "\x12\x7f", None),
        ("PB-Pd", "\x03", None),
        ("PB-Pd", "", Some(r#""Timestamps":[]"#)),
    ] {
        let package = package(&[("__Q_ModelKey", "ParameterData"), ("__Q_CodecId", codec)], body.as_bytes());
        let content = package.content();
        match expected {
            Some(part) => assert!(content.problem.is_none() && content.value.contains(part), "{body:?}: {content:?}"),
            None => assert!(content.problem.is_some() && package.data().is_none(), "{body:?}: {content:?}"),
        }
    }
}

fn comes_back(data: &Timeseries<'static>, codec: Codec, form: usize) -> Result<(), TestCaseError> {
    let record = Record::of(codec, form, data);
    let package = record.package();
    let decoded = package.data();
    let Some(Data::Timeseries(read)) = decoded.map(|decoded| decoded.data) else {
        return Err(TestCaseError::fail(format!("{:?}", package.content())));
    };
    prop_assert_eq!(package.content().problem, None);
    // NaN is not itself, and its bits do not all survive.
    prop_assert_eq!(format!("{:?}", read.numeric), format!("{:?}", data.numeric));
    let without_numbers = |data: &Timeseries<'static>| Timeseries { numeric: Vec::new(), ..data.clone() };
    prop_assert_eq!(without_numbers(&read.into_owned()), without_numbers(data));
    Ok(())
}

fn is_sound(package: &Package<'_>) -> Result<(), TestCaseError> {
    let content = package.content();
    prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&content.value).is_ok(), "{}", content.value);
    let Some(decoded) = package.data() else { return Ok(()) };
    prop_assert_eq!(decoded.data.model().type_name(), &content.type_name);
    if let Data::Timeseries(data) = decoded.data {
        let rows = data.rows();
        prop_assert!(data.numeric.iter().all(|column| column.values.len() == rows));
        prop_assert!(data.strings.iter().chain(&data.tags).all(|column| column.values.len() == rows));
        prop_assert!(data.binary.iter().all(|column| column.values.len() == rows));
    }
    Ok(())
}

struct Record {
    headers: Vec<(&'static str, &'static str)>,
    value: Vec<u8>,
}

impl Record {
    /// In the JSON envelope, beside headers, beside headers gzipped, in the binary envelope.
    fn of(codec: Codec, form: usize, data: &Timeseries<'_>) -> Self {
        let mut body = Vec::new();
        codec.encode_timeseries(&mut body, data);
        let gzip_id = match codec {
            Codec::Json => "[GZIP]JT",
            Codec::Compact => "[GZIP]JT-PaDa-1",
            Codec::Protobuf => "[GZIP]PB-Pd",
        };
        let headers = |id| vec![("__Q_ModelKey", "TimeseriesData"), ("__Q_CodecId", id)];
        match form {
            0 => {
                let v = match codec {
                    Codec::Protobuf => format!("\"{}\"", Blob::from_bytes(body).base64()),
                    _ => String::from_utf8(body).unwrap(),
                };
                let head = format!(r#"{{"C":"{}","K":"ParameterData","V":"#, codec.id());
                let value = format!("{head}{v},\"S\":{},\"E\":{}}}", head.len(), head.len() + v.len());
                Self { headers: Vec::new(), value: value.into_bytes() }
            }
            1 => Self { headers: headers(codec.id()), value: body },
            2 => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&body).unwrap();
                Self { headers: headers(gzip_id), value: encoder.finish().unwrap() }
            }
            _ => {
                let length = i32::try_from(body.len()).unwrap().to_le_bytes();
                let id = codec.id();
                let head = [&[1, id.len() as u8][..], id.as_bytes(), b"\x0dParameterData\x01\0\0\0\0"].concat();
                Self { headers: Vec::new(), value: [&head[..], &length, &body].concat() }
            }
        }
    }

    fn package(&self) -> Package<'_> {
        package(&self.headers, &self.value)
    }
}

fn package<'a>(headers: &[(&'a str, &'a str)], value: &'a [u8]) -> Package<'a> {
    let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
    Package::read_whole(ReadLimits::default(), Some(b"s"), headers, Some(value)).unwrap()
}

fn timeseries(numbers: BoxedStrategy<f64>) -> impl Strategy<Value = Timeseries<'static>> {
    (any::<i32>(), vec(any::<i64>(), 0..6)).prop_flat_map(move |(epoch, timestamps)| {
        let rows = timestamps.len();
        let text = || name().prop_map(Cow::Owned);
        (
            Just((epoch, timestamps)),
            columns(numbers.clone(), rows),
            columns(text(), rows),
            columns(vec(any::<u8>(), 0..5).prop_map(Blob::from_bytes), rows),
            columns(text(), rows),
        )
            .prop_map(|((epoch, timestamps), numeric, strings, binary, tags)| Timeseries {
                epoch: i64::from(epoch),
                timestamps: timestamps.into_iter().map(|time| time / 2).collect(),
                numeric,
                strings,
                binary,
                tags,
            })
    })
}

fn columns<T: Clone + std::fmt::Debug + 'static>(
    values: impl Strategy<Value = T> + Clone + 'static,
    rows: usize,
) -> impl Strategy<Value = Vec<Column<'static, T>>> {
    prop::collection::btree_map(name(), vec(option::of(values), rows), 0..4)
        .prop_map(|columns| columns.into_iter().map(|(id, values)| Column { id: Cow::Owned(id), values }).collect())
}

fn name() -> impl Strategy<Value = String> + Clone {
    let letters = prop::sample::select(vec!['a', 'b', '"', '\\', '\n', '\u{1}', '/', 'č', '🚀', '\u{2028}']);
    vec(letters, 0..5).prop_map(String::from_iter)
}

fn properties() -> impl Strategy<Value = StreamProperties> {
    (option::of(name()), option::of(name()), vec((name(), option::of(name())), 0..4), vec(name(), 0..3)).prop_map(
        |(name, location, metadata, parents)| StreamProperties {
            name,
            location,
            metadata: metadata.into_iter().collect(),
            parents,
            time_of_recording: Some("2024-02-29T12:30:15.5Z".to_owned()),
        },
    )
}

fn tree() -> impl Strategy<Value = Definitions<ParameterDefinition>> {
    let definition = || {
        (name(), option::of(name()), option::of(-9e9..9e9_f64)).prop_map(|(id, unit, minimum_value)| {
            ParameterDefinition { id: Some(format!("{id}.")), unit, minimum_value, ..ParameterDefinition::default() }
        })
    };
    let leaf = (name(), vec(definition(), 0..3)).prop_map(|(name, items)| group(name, Vec::new(), items));
    let groups = leaf.prop_recursive(4, 12, 3, move |inner| {
        (name(), vec(inner, 0..3), vec(definition(), 0..2))
            .prop_map(|(name, children, items)| group(name, children, items))
    });
    (vec(groups, 0..3), vec(definition(), 0..3)).prop_map(|(groups, items)| Definitions { groups, items })
}

fn group(
    name: String,
    child_groups: Vec<Group<ParameterDefinition>>,
    items: Vec<ParameterDefinition>,
) -> Group<ParameterDefinition> {
    Group { name, description: None, custom_properties: Some("x".to_owned()), child_groups, items }
}
