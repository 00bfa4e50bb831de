//! The table: what each captured record is to us.

use quix_model::ReadProblem::{self, *};
use quix_model::Skip;

use Want::*;

/// Expectations for one case, message by message.
pub(crate) struct Row {
    pub(crate) file: &'static str,
    pub(crate) case: &'static str,
    pub(crate) expects: Vec<Expect>,
}

#[derive(Clone, Copy)]
pub(crate) struct Expect {
    pub(crate) want: Want,
    pub(crate) problem: Option<ReadProblem>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// Events with exactly this value.
    Events(&'static str),
    /// Events whose value is the body as it was written.
    EventsAsWritten,
    /// Another model: at least what was written, and no other values but defaults.
    Model(&'static str),
    /// Parameter data in a codec other than JSON: another test compares it with what the .NET library read.
    Encoded,
    /// The event of `v05-large-json`.
    LargeEvent,
    /// Any type, and its value.
    Typed(&'static str, &'static str),
    /// The whole record as JSON, text or bytes.
    Raw,
    /// A segment of a record that is not complete yet.
    Held,
    Skip(Skip),
}

pub(crate) fn table() -> Vec<Row> {
    [
        written_by_05(),
        written_by_3(),
        legacy_events(),
        legacy_timeseries(),
        legacy_other(),
        legacy_other_models(),
        binary(),
        header(),
        plain(),
        other(),
        split(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The event of most cases made by hand.
const EV: Expect = fine(Events(r#"[{"Timestamp":1700000000000000000,"Tags":{"t":"1"},"Id":"ev","Value":"čau"}]"#));
const AS_WRITTEN: Expect = fine(EventsAsWritten);
const RAW: Expect = fine(Raw);
const PROPERTIES: Expect = fine(Model("StreamProperties"));
const PARAMETER_DEFINITIONS: Expect = fine(Model("ParameterDefinitions"));
const EVENT_DEFINITIONS: Expect = fine(Model("EventDefinitions"));
const TIMESERIES: Expect = fine(Model("TimeseriesDataRaw"));
const END: Expect = fine(Model("StreamEnd"));
const ENCODED: Expect = fine(Encoded);
const HELD: Expect = fine(Held);

const fn fine(want: Want) -> Expect {
    Expect { want, problem: None }
}

const fn counted(want: Want, problem: ReadProblem) -> Expect {
    Expect { want, problem: Some(problem) }
}

const fn events(json: &'static str) -> Expect {
    fine(Events(json))
}

const fn properties(json: &'static str) -> Expect {
    fine(Typed("QuixStreams.Telemetry.Models.StreamProperties", json))
}

const fn timeseries(json: &'static str) -> Expect {
    fine(Typed("QuixStreams.Telemetry.Models.TimeseriesDataRaw", json))
}

fn written_by_05() -> Vec<Row> {
    let file = |file, expects: &[Expect]| Row { file, case: "", expects: expects.to_vec() };
    let bursts = [vec![PROPERTIES], vec![AS_WRITTEN; 40], vec![END]].concat();
    vec![
        file("v05-events-json", &[PROPERTIES, AS_WRITTEN, AS_WRITTEN, AS_WRITTEN, END]),
        file("v05-event_bursts-json", &bursts),
        file("v05-generated_id-json", &[PROPERTIES, AS_WRITTEN, END]),
        file(
            "v05-event_edges-json",
            &[
                PROPERTIES,
                AS_WRITTEN,
                AS_WRITTEN,
                AS_WRITTEN,
                // .NET leaves a timestamp of 0 out.
                events(r#"[{"Timestamp":0,"Tags":{},"Id":"at epoch","Value":"0"}]"#),
                AS_WRITTEN,
                AS_WRITTEN,
                END,
            ],
        ),
        file("v05-mixed-json", &[PROPERTIES, PARAMETER_DEFINITIONS, TIMESERIES, AS_WRITTEN, EVENT_DEFINITIONS, END]),
        file("v05-mixed-compact", &[PROPERTIES, ENCODED, AS_WRITTEN, PARAMETER_DEFINITIONS, EVENT_DEFINITIONS, END]),
        file(
            "v05-mixed-protobuf",
            &[
                PROPERTIES,
                ENCODED,
                events(r#"[{"Timestamp":1700000000123456700,"Tags":{},"Id":"alarm","Value":"on"}]"#),
                PARAMETER_DEFINITIONS,
                EVENT_DEFINITIONS,
                END,
            ],
        ),
        // Three segments of 2.5 MB in all.
        file("v05-large-json", &[PROPERTIES, HELD, HELD, fine(LargeEvent), AS_WRITTEN, END]),
        file("v05-definitions-json", &[PROPERTIES, PARAMETER_DEFINITIONS, EVENT_DEFINITIONS, END]),
        file("v05-properties-json", &[PROPERTIES, PROPERTIES, END]),
        file("v05-timeseries-json", &[PROPERTIES, TIMESERIES, END]),
        file("v05-timeseries-compact", &[PROPERTIES, ENCODED, END]),
        file("v05-timeseries-protobuf", &[PROPERTIES, ENCODED, END]),
        file("v05-timeseries_buffer-json", &[PROPERTIES, TIMESERIES, TIMESERIES, AS_WRITTEN, TIMESERIES, END]),
        file(
            "v05-timeseries_edges-json",
            &[PROPERTIES, TIMESERIES, TIMESERIES, TIMESERIES, TIMESERIES, TIMESERIES, END],
        ),
        file("v05-timeseries_edges-compact", &[PROPERTIES, ENCODED, ENCODED, ENCODED, ENCODED, ENCODED, END]),
        file("v05-timeseries_edges-protobuf", &[PROPERTIES, ENCODED, ENCODED, ENCODED, ENCODED, ENCODED, END]),
        file("v05-timeseries_frame-json", &[PROPERTIES, TIMESERIES, END]),
        file("v05-timeseries_frame-compact", &[PROPERTIES, ENCODED, END]),
        file("v05-timeseries_frame-protobuf", &[PROPERTIES, ENCODED, END]),
        file("v05-timeseries_raw-json", &[PROPERTIES, TIMESERIES, END]),
        file("v05-timeseries_raw-compact", &[PROPERTIES, ENCODED, END]),
        file("v05-timeseries_raw-protobuf", &[PROPERTIES, ENCODED, END]),
    ]
}

fn written_by_3() -> Vec<Row> {
    let file = |file, expects: &[Expect]| Row { file, case: "", expects: expects.to_vec() };
    // The last has a tag and no timestamp at all.
    let tags_only = timeseries(
        r#"{"Epoch":0,"Timestamps":[],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{"a":[]}}"#,
    );
    let rows = [TIMESERIES, TIMESERIES, TIMESERIES, counted(tags_only.want, ColumnLength)];
    let single = [
        events(
            r#"[{"Timestamp":1700000000123456700,"Tags":{"mousestatus":"tracking"},"Id":"mouse position","Value":"{\"x\":12,\"y\":34}"}]"#,
        ),
        events(
            "[{\"Timestamp\":1700000000123456701,\"Tags\":{},\"Id\":\"čau 🚀\",\"Value\":\"žluť \\\" \\\\ \\n \u{2028} \u{7f}\"}]",
        ),
        events(r#"[{"Timestamp":0,"Tags":{},"Id":"","Value":""}]"#),
        events(r#"[{"Timestamp":-5,"Tags":{},"Id":"","Value":""}]"#),
    ];
    vec![
        file("v3-events", &single),
        file("v3-dataframe-events", &single),
        file("v3-dataframe-events-headers", &single),
        // Its Producer forgets the headers, so nothing tells these from plain JSON.
        file("v3-events-headers", &[RAW; 4]),
        file("v3-timeseries-headers", &[RAW; 4]),
        file("v3-timeseries", &rows),
        file("v3-dataframe-timeseries", &rows),
        file("v3-dataframe-timeseries-headers", &rows),
        file("v3-json", &[RAW; 5]),
        file("v3-dataframe-json", &[RAW; 5]),
        file("v3-text", &[fine(Typed("System.String", "\"plain text\"")), RAW]),
        file("v3-bytes", &[fine(Typed("System.Byte[]", "\"AAH/\"")), fine(Typed("System.String", "\"\""))]),
    ]
}

fn legacy_events() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-legacy-events", case, expects: vec![expect] };
    vec![
        one("legacy-events-empty", events("[]")),
        one("legacy-events-two", AS_WRITTEN),
        one("legacy-events-no-tags", events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"v"}]"#)),
        one(
            "legacy-events-null-tags",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"v"}]"#),
        ),
        one("legacy-events-null-value", AS_WRITTEN),
        one("legacy-events-no-timestamp", events(r#"[{"Timestamp":0,"Tags":{},"Id":"ev","Value":"v"}]"#)),
        one(
            "legacy-events-object-value",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"{\"x\":1}"}]"#),
        ),
        one(
            "legacy-events-number-value",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"12.5"}]"#),
        ),
        one(
            "legacy-events-camel-case",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{"t":"1"},"Id":"ev","Value":"v"}]"#),
        ),
        one(
            "legacy-events-text-timestamp",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"v"}]"#),
        ),
        one("legacy-events-unknown-field", EV),
        one("legacy-events-tag-number", EV),
        one("legacy-events-tag-null", AS_WRITTEN),
        one(
            "legacy-events-tag-object",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{"t":"{\"a\":1}"},"Id":"ev","Value":"čau"}]"#),
        ),
        one(
            "legacy-events-bool-value",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{"t":"1"},"Id":"ev","Value":"true"}]"#),
        ),
        one("legacy-events-no-id", events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":null,"Value":"v"}]"#)),
        one("legacy-events-null-id", AS_WRITTEN),
        one(
            "legacy-events-no-value",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":null}]"#),
        ),
        one("legacy-events-null-item", events("[]")),
        one("legacy-events-null", counted(Raw, BadModel)),
        one("legacy-events-iso-value", AS_WRITTEN),
        one(
            "legacy-events-float-timestamp",
            events(r#"[{"Timestamp":1700000000000000000,"Tags":{},"Id":"ev","Value":"v"}]"#),
        ),
        one("legacy-events-huge-timestamp", counted(Raw, BadTimestamp)),
        one("legacy-events-iso-timestamp", counted(Raw, BadTimestamp)),
        one(
            "legacy-events-lone-surrogate",
            events("[{\"Timestamp\":1700000000000000000,\"Tags\":{\"t\":\"1\"},\"Id\":\"ev\",\"Value\":\"\u{FFFD}\"}]"),
        ),
        one(
            "legacy-events-bad-utf8",
            events("[{\"Timestamp\":1700000000000000000,\"Tags\":{\"t\":\"1\"},\"Id\":\"ev\",\"Value\":\"\u{FFFD}\"}]"),
        ),
        one("legacy-events-twice-named", EV),
        one("legacy-events-spaces-inside", EV),
    ]
}

fn legacy_timeseries() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-legacy-timeseries", case, expects: vec![expect] };
    vec![
        one("legacy-timeseries-ParameterData", TIMESERIES),
        one("legacy-timeseries-TimeseriesData", TIMESERIES),
        one("legacy-timeseries-integers", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-epoch", timeseries(r#"{"Epoch":1700000000000000000,"Timestamps":[5],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-short-column", counted(timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000,1700000000000000001],"NumericValues":{"n":[7.0,null]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#).want, ColumnLength)),
        one("legacy-timeseries-empty", timeseries(r#"{"Epoch":0,"Timestamps":[],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-camel-case", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-null-maps", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-null-tags", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-no-timestamps", counted(Raw, NoTimestamps)),
        one("legacy-timeseries-null-column", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-long-column", counted(timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#).want, ColumnLength)),
        one("legacy-timeseries-short-tags", counted(timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000,1700000000000000001],"NumericValues":{"n":[7.0,8.0]},"StringValues":{},"BinaryValues":{},"TagValues":{"t":["1",null]}}"#).want, ColumnLength)),
        one("legacy-timeseries-text-number", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.5]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-NaN-text", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":["NaN"],"i":["Infinity"],"m":["-Infinity"]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-NaN-bare", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":["NaN"],"i":["-Infinity"]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-number-in-string", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{"s":["12"]},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-bool-number", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[1.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-bad-base64", counted(timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{"b":[null]},"TagValues":{}}"#).want, BadBase64)),
        one("legacy-timeseries-big-integer", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[9007199254740992.0],"h":[1.2345678901234568E+29]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-1e400", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":["Infinity"]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-column-Timestamp", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"Timestamp":[1.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-same-name-two-kinds", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{"n":["x"]},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-slash-id", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"a/b":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-empty-id", timeseries(r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#)),
        one("legacy-timeseries-array", counted(Raw, BadModel)),
    ]
}

/// Forms of the envelope itself.
fn legacy_other() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-legacy-other", case, expects: vec![expect] };
    vec![
        one("legacy-events", EV),
        one("legacy-event-single", EV),
        one("legacy-event-array-under-single-key", EV),
        one("legacy-event-object-under-array-key", EV),
        one("legacy-codec-J", EV),
        one("legacy-codec-unknown", counted(Raw, UnknownCodec)),
        one("legacy-codec-empty", counted(Raw, UnknownCodec)),
        one("legacy-model-unknown", counted(Typed("Something", r#"{"a":1}"#), UnknownModel)),
        one("legacy-key-order", EV),
        one("legacy-spaces", EV),
        one("legacy-offsets-missing", EV),
        one("legacy-offsets-wrong", counted(EV.want, BadOffsets)),
        one("legacy-offsets-in-characters", counted(EV.want, BadOffsets)),
        one("legacy-offsets-first", EV),
        one("legacy-offsets-beyond", counted(EV.want, BadOffsets)),
        one("legacy-offsets-text", EV),
        one("legacy-metadata", EV),
        one("legacy-base64", EV),
        one("legacy-trailing-newline", EV),
        one("legacy-trailing-text", counted(Raw, BrokenEnvelope)),
        one("legacy-bom", EV),
        one("legacy-cut-short", counted(Raw, CutShort)),
        one("legacy-unknown-member", EV),
        one("legacy-and-binary-header", EV),
        one("legacy-compact", ENCODED),
        one(
            "legacy-compact-integer-value",
            timeseries(
                r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#,
            ),
        ),
        one("legacy-compact-integers-in-list", ENCODED),
        one(
            "legacy-compact-NaN-value",
            timeseries(
                r#"{"Epoch":0,"Timestamps":[1700000000000000000],"NumericValues":{"n":["NaN"]},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#,
            ),
        ),
        one("legacy-protobuf-in-json", ENCODED),
    ]
}

fn legacy_other_models() -> Vec<Row> {
    let row = |case, expects: &[Expect]| Row { file: "handmade-legacy-other", case, expects: expects.to_vec() };
    vec![
        row("legacy-properties", &[PROPERTIES]),
        row(
            "legacy-properties-empty",
            &[properties(r#"{"Name":null,"Location":null,"Metadata":{},"Parents":[],"TimeOfRecording":null}"#)],
        ),
        row(
            "legacy-properties-bad-time",
            &[properties(r#"{"Name":null,"Location":null,"Metadata":{},"Parents":[],"TimeOfRecording":null}"#)],
        ),
        row(
            "legacy-properties-offset-time",
            &[properties(
                r#"{"Name":null,"Location":null,"Metadata":{},"Parents":[],"TimeOfRecording":"2024-02-29T10:30:15Z"}"#,
            )],
        ),
        row(
            "legacy-properties-metadata-number",
            &[properties(r#"{"Name":null,"Location":null,"Metadata":{"a":"1"},"Parents":[],"TimeOfRecording":null}"#)],
        ),
        row("legacy-parameter-definitions", &[PARAMETER_DEFINITIONS]),
        row("legacy-event-definitions", &[EVENT_DEFINITIONS]),
        row(
            "legacy-definitions-trace",
            &[fine(Typed(
                "QuixStreams.Telemetry.Models.EventDefinitions",
                r#"{"EventGroups":[],"Events":[{"Id":"a","Name":null,"Description":null,"CustomProperties":null,"Level":0},{"Id":"b","Name":null,"Description":null,"CustomProperties":null,"Level":0},{"Id":"c","Name":null,"Description":null,"CustomProperties":null,"Level":2}]}"#,
            ))],
        ),
        row(
            "legacy-definitions-bad-level",
            &[fine(Typed(
                "QuixStreams.Telemetry.Models.EventDefinitions",
                r#"{"EventGroups":[],"Events":[{"Id":"e","Name":null,"Description":null,"CustomProperties":null,"Level":2}]}"#,
            ))],
        ),
        row(
            "legacy-definitions-no-id",
            &[fine(Typed(
                "QuixStreams.Telemetry.Models.ParameterDefinitions",
                r#"{"ParameterGroups":[],"Parameters":[{"Id":null,"Name":"x","Description":null,"MinimumValue":null,"MaximumValue":null,"Unit":null,"Format":null,"CustomProperties":null}]}"#,
            ))],
        ),
        row(
            "legacy-definitions-empty-id",
            &[fine(Typed(
                "QuixStreams.Telemetry.Models.ParameterDefinitions",
                r#"{"ParameterGroups":[],"Parameters":[]}"#,
            ))],
        ),
        row("legacy-definitions-slash-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-slash-event", &[EVENT_DEFINITIONS]),
        row("legacy-definitions-slash-group", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-backslash-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-same-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-empty", &[PARAMETER_DEFINITIONS]),
        row(
            "legacy-end-closed",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":0}"#))],
        ),
        row(
            "legacy-end-default",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":0}"#))],
        ),
        row(
            "legacy-end-number",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":2}"#))],
        ),
        row(
            "legacy-end-aborted",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":1}"#))],
        ),
        row(
            "legacy-end-unknown",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":0}"#))],
        ),
        row(
            "legacy-end-lower-case",
            &[EV, fine(Typed("QuixStreams.Telemetry.Models.StreamEnd", r#"{"StreamEndType":1}"#))],
        ),
        row("legacy-end-then-more", &[EV, END, EV]),
    ]
}

fn binary() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-binary", case, expects: vec![expect] };
    vec![
        one("binary-events", EV),
        one("binary-metadata", EV),
        one("binary-cut-short", counted(Raw, CutShort)),
        one("binary-protobuf", ENCODED),
        one("binary-protobuf-TimeseriesData", ENCODED),
    ]
}

fn header() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-header", case, expects: vec![expect] };
    vec![
        one("header-events", EV),
        one("header-event-single", EV),
        one("header-timeseries", TIMESERIES),
        one("header-parameterdata", TIMESERIES),
        one("header-codec-J", EV),
        one("header-gzip", EV),
        one("header-properties", PROPERTIES),
        one("header-end", END),
        one("header-protobuf", ENCODED),
        one("header-compact", ENCODED),
        Row { file: "handmade-header", case: "header-split", expects: vec![HELD, EV] },
        one("header-beside-legacy", EV),
        one("header-right-beside-legacy", EV),
        one("header-only-codec", RAW),
        one("header-only-model", RAW),
        one("header-names-lower-case", RAW),
        one("header-unknown-model", counted(Raw, UnknownModel)),
        one("header-empty-codec", counted(Raw, UnknownCodec)),
        one("header-broken-json", counted(Raw, BadModel)),
        one("header-and-other-binary-header", EV),
        one("header-and-null-header", EV),
    ]
}

fn plain() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-plain", case, expects: vec![expect] };
    vec![
        one("plain-object", RAW),
        one("plain-array", RAW),
        one("plain-object-with-C-and-K", RAW),
        one("plain-text", fine(Typed("System.String", "\"žluť\""))),
        one("plain-number", fine(Typed("System.String", "12.5"))),
        one("plain-bytes", fine(Typed("System.Byte[]", "\"AP/+\""))),
        one("plain-starts-with-1", fine(Typed("System.String", r#""\u0001\u0005PB-Pd""#))),
        one("plain-empty", fine(Typed("System.String", "\"\""))),
        one("plain-broken-json", RAW),
        one("plain-brace-text", fine(Typed("System.String", "\"{hello}\""))),
        one("plain-less-than", RAW),
        // A segment to the .NET library and to us; the others never come.
        one("plain-less-than-like-split", HELD),
        one("plain-null", fine(Typed("System.String", "null"))),
        one("plain-members-CKV", RAW),
    ]
}

fn other() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-other", case, expects: vec![expect] };
    vec![
        one("tombstone", fine(Skip(Skip::Tombstone))),
        one("no-key", EV),
        one("no-key-plain", RAW),
        one("empty-key", EV),
        one("slash-key", EV),
        one("bad-utf8-key", EV),
        one("keep-alive", fine(Skip(Skip::KeepAlive))),
        one("keep-alive-plain", fine(Skip(Skip::KeepAlive))),
        one("other-headers", RAW),
        one("empty-value-array", RAW),
        Row {
            file: "handmade-other",
            case: "writer-form",
            expects: vec![PROPERTIES, PARAMETER_DEFINITIONS, EVENT_DEFINITIONS, TIMESERIES, AS_WRITTEN, END],
        },
    ]
}

fn split() -> Vec<Row> {
    let row = |case, expects: &[Expect]| Row { file: "handmade-split", case, expects: expects.to_vec() };
    let other = events(r#"[{"Timestamp":1700000000000000000,"Tags":{"t":"1"},"Id":"other","Value":"čau"}]"#);
    vec![
        row("split-three", &[HELD, HELD, EV]),
        row("split-one-segment", &[EV]),
        row("split-lost-last", &[HELD, HELD]),
        row("split-lost-first", &[HELD, HELD]),
        row("split-out-of-order", &[HELD, HELD, EV]),
        row("split-last-not-last", &[HELD, HELD, EV]),
        row("split-twice-sent", &[HELD, HELD, HELD, HELD, EV]),
        row("split-interleaved", &[HELD, HELD, HELD, HELD, EV, other]),
        // Whole records do not wait.
        row("split-with-whole-between", &[HELD, AS_WRITTEN, HELD, EV]),
    ]
}
