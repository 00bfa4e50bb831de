//! A package as lines for people: time, position, stream, kind, and its content (`content.rs`).

use std::{
    fmt,
    io::{self, Write},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    content::{contents, kind},
    text::escape,
};

/// What the server sends per package, as far as people read it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    stream_id: String,
    r#type: String,
    /// A JSON text, by the type's model.
    value: Value,
    date_time: String,
    partition: i32,
    offset: i64,
}

/// Where packages are missing, as the server sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gap {
    partition: i32,
    next_offset: i64,
    lost: i64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, next_offset, lost } = self;
        match lost {
            0 => write!(f, "partition {partition} ends before that offset; going on at {next_offset}"),
            1 => write!(f, "1 package of partition {partition} is gone; going on at offset {next_offset}"),
            _ => write!(f, "{lost} packages of partition {partition} are gone; going on at offset {next_offset}"),
        }
    }
}

/// Prints one line; for packages of several events, rows or definitions one line each.
pub(super) fn print(package: &Package, out: &mut impl Write) -> io::Result<()> {
    let text = match &package.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for content in contents(kind(&package.r#type), &text) {
        writeln!(
            out,
            "{} {}:{} {} {} {}",
            escape(&package.date_time),
            package.partition,
            package.offset,
            if package.stream_id.is_empty() { "-".into() } else { escape(&package.stream_id) },
            escape(kind(&package.r#type)),
            escape(&content),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(r#type: &str, value: &str) -> String {
        let line = json!({
            "topicId": "local-t", "topicName": "t", "streamId": "s\u{1b}1", "type": r#type, "value": value,
            "dateTime": "2026-11-25T03:30:57.123Z", "partition": 0, "offset": 42,
        });
        let mut out = Vec::new();
        print(&serde_json::from_value(line).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_reads_well() {
        const MODELS: &str = "QuixStreams.Telemetry.Models.";
        let start = "2026-11-25T03:30:57.123Z 0:42 s\\u{1b}1";
        for (r#type, value, expected) in [
            (
                "EventDataRaw[]",
                r#"[{"Timestamp":1,"Tags":{"lap":"2"},"Id":"A","Value":"x\ny"},{"Timestamp":2,"Tags":{},"Id":"B","Value":null}]"#,
                vec!["EventData A x\\ny lap=2", "EventData B null"],
            ),
            ("EventDataRaw", r#"{"Timestamp":1,"Id":"A","Value":"v"}"#, vec!["EventData A v"]),
            ("EventDataRaw[]", "[]", vec!["EventData none"]),
            ("EventDataRaw[]", "not json", vec!["EventData not json"]),
            (
                "TimeseriesDataRaw",
                r#"{"Epoch":10,"Timestamps":[1,2],"NumericValues":{"rpm":[1.5,null]},"StringValues":{"who":["a b","c"]},"BinaryValues":{"img":["AAEC",null]},"TagValues":{"lap":[null,"2"]}}"#,
                vec![r#"TimeseriesData 11 rpm=1.5 who="a b" img=(3 bytes)"#, r#"TimeseriesData 12 who="c" lap=2"#],
            ),
            ("TimeseriesDataRaw", r#"{"Timestamps":[],"NumericValues":{}}"#, vec!["TimeseriesData none"]),
            ("TimeseriesDataRaw", r#"{"Epoch":0}"#, vec![r#"TimeseriesData {"Epoch":0}"#]),
            (
                "StreamProperties",
                r#"{"Name":"Car A","Location":"/cars","Metadata":{"track":"Sakhir Short"},"Parents":["p"],"TimeOfRecording":null}"#,
                vec![
                    r#"StreamProperties Location="/cars" Metadata={"track":"Sakhir Short"} Name="Car A" Parents=["p"]"#,
                ],
            ),
            (
                "ParameterDefinitions",
                r#"{"ParameterGroups":[{"Name":"car","ChildGroups":[{"Name":"engine","ChildGroups":[],"Parameters":[{"Id":"rpm","Name":null,"MaximumValue":20000.0}]}],"Parameters":[]}],"Parameters":[{"Id":"speed","Unit":"km/h"}]}"#,
                vec![
                    r#"ParameterDefinitions /speed Unit="km/h""#,
                    "ParameterDefinitions /car/engine/rpm MaximumValue=20000.0",
                ],
            ),
            (
                "EventDefinitions",
                r#"{"EventGroups":[],"Events":[{"Id":"win","Level":5}]}"#,
                vec!["EventDefinitions /win Level=Critical"],
            ),
            ("EventDefinitions", r#"{"EventGroups":[],"Events":[]}"#, vec!["EventDefinitions none"]),
            ("StreamEnd", r#"{"StreamEndType":0}"#, vec!["StreamEnd Closed"]),
            ("StreamEnd", r#"{"StreamEndType":2}"#, vec!["StreamEnd Terminated"]),
            ("StreamEnd", r#"{"StreamEndType":9}"#, vec![r#"StreamEnd {"StreamEndType":9}"#]),
        ] {
            let lines: String = expected.iter().map(|line| format!("{start} {line}\n")).collect();
            assert_eq!(printed(&format!("{MODELS}{type}"), value), lines);
        }
        for (r#type, value, expected) in [
            ("System.String", r#"{"speed":7}"#, r#"String {"speed":7}"#),
            ("System.String", r#""two\nlines""#, "String two\\nlines"),
            ("System.Byte[]", r#""AAEC""#, "Byte (3 bytes) AAEC"),
        ] {
            assert_eq!(printed(r#type, value), format!("{start} {expected}\n"));
        }
    }

    #[test]
    fn of_many_rows_some_are_shown_and_the_others_counted() {
        let numbers: Vec<usize> = (0..25).collect();
        let value = json!({ "Timestamps": numbers, "NumericValues": { "n": numbers } }).to_string();
        let shown = printed("QuixStreams.Telemetry.Models.TimeseriesDataRaw", &value);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 21);
        assert!(lines[19].ends_with("TimeseriesData 19 n=19"), "{shown}");
        assert!(lines[20].ends_with("TimeseriesData and 5 rows more; --json has them"), "{shown}");
    }
}
