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

#[derive(Clone, Copy)]
pub(crate) enum Want {
    /// Events with exactly this value.
    Events(&'static str),
    /// Events whose value is the body as it was written.
    EventsAsWritten,
    /// Another model, its body as it was written.
    Model(&'static str),
    /// Any type, and its value.
    Typed(&'static str, &'static str),
    /// The whole record as JSON, text or bytes.
    Raw,
    /// Raw: segments and the codecs of timeseries are not read yet.
    Later,
    Skip(Skip),
}

pub(crate) fn table() -> Vec<Row> {
    [
        written_by_05(),
        written_by_3(),
        legacy_events(),
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

const fn fine(want: Want) -> Expect {
    Expect { want, problem: None }
}

const fn counted(want: Want, problem: ReadProblem) -> Expect {
    Expect { want, problem: Some(problem) }
}

const fn events(json: &'static str) -> Expect {
    fine(Events(json))
}

fn written_by_05() -> Vec<Row> {
    let file = |file, expects: &[Expect]| Row { file, case: "", expects: expects.to_vec() };
    let bursts = [vec![PROPERTIES], vec![AS_WRITTEN; 40], vec![END]].concat();
    let later_codec = counted(Later, UnknownCodec);
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
        file(
            "v05-mixed-compact",
            &[PROPERTIES, later_codec, AS_WRITTEN, PARAMETER_DEFINITIONS, EVENT_DEFINITIONS, END],
        ),
        file(
            "v05-mixed-protobuf",
            &[
                PROPERTIES,
                later_codec,
                events(r#"[{"Timestamp":1700000000123456700,"Tags":{},"Id":"alarm","Value":"on"}]"#),
                PARAMETER_DEFINITIONS,
                EVENT_DEFINITIONS,
                END,
            ],
        ),
        // Three segments.
        file("v05-large-json", &[PROPERTIES, fine(Later), fine(Later), fine(Later), AS_WRITTEN, END]),
    ]
}

fn written_by_3() -> Vec<Row> {
    let file = |file, expects: &[Expect]| Row { file, case: "", expects: expects.to_vec() };
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
        one("legacy-compact", counted(Later, UnknownCodec)),
        one("legacy-compact-integer-value", counted(Later, UnknownCodec)),
        one("legacy-compact-integers-in-list", counted(Later, UnknownCodec)),
        one("legacy-compact-NaN-value", counted(Later, UnknownCodec)),
        one("legacy-protobuf-in-json", counted(Later, UnknownCodec)),
    ]
}

fn legacy_other_models() -> Vec<Row> {
    let row = |case, expects: &[Expect]| Row { file: "handmade-legacy-other", case, expects: expects.to_vec() };
    vec![
        row("legacy-properties", &[PROPERTIES]),
        row("legacy-properties-empty", &[PROPERTIES]),
        row("legacy-properties-bad-time", &[PROPERTIES]),
        row("legacy-properties-offset-time", &[PROPERTIES]),
        row("legacy-properties-metadata-number", &[PROPERTIES]),
        row("legacy-parameter-definitions", &[PARAMETER_DEFINITIONS]),
        row("legacy-event-definitions", &[EVENT_DEFINITIONS]),
        row("legacy-definitions-trace", &[EVENT_DEFINITIONS]),
        row("legacy-definitions-bad-level", &[EVENT_DEFINITIONS]),
        row("legacy-definitions-no-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-empty-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-slash-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-slash-event", &[EVENT_DEFINITIONS]),
        row("legacy-definitions-slash-group", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-backslash-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-same-id", &[PARAMETER_DEFINITIONS]),
        row("legacy-definitions-empty", &[PARAMETER_DEFINITIONS]),
        row("legacy-end-closed", &[EV, END]),
        row("legacy-end-default", &[EV, END]),
        row("legacy-end-number", &[EV, END]),
        row("legacy-end-aborted", &[EV, END]),
        row("legacy-end-unknown", &[EV, END]),
        row("legacy-end-lower-case", &[EV, END]),
        row("legacy-end-then-more", &[EV, END, EV]),
    ]
}

fn binary() -> Vec<Row> {
    let one = |case, expect| Row { file: "handmade-binary", case, expects: vec![expect] };
    vec![
        one("binary-events", EV),
        one("binary-metadata", EV),
        one("binary-cut-short", counted(Raw, CutShort)),
        one("binary-protobuf", counted(Later, UnknownCodec)),
        one("binary-protobuf-TimeseriesData", counted(Later, UnknownCodec)),
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
        one("header-protobuf", counted(Later, UnknownCodec)),
        one("header-compact", counted(Later, UnknownCodec)),
        Row { file: "handmade-header", case: "header-split", expects: vec![counted(Later, BadModel); 2] },
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
        // A segment to the .NET library; to us as well, once segments are merged.
        one("plain-less-than-like-split", fine(Later)),
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

/// Segments are merged by a later issue.
fn split() -> Vec<Row> {
    let later = |case, messages| Row { file: "handmade-split", case, expects: vec![fine(Later); messages] };
    let mut rows = vec![
        later("split-three", 3),
        later("split-one-segment", 1),
        later("split-lost-last", 2),
        later("split-lost-first", 2),
        later("split-out-of-order", 3),
        later("split-last-not-last", 3),
        later("split-twice-sent", 5),
        later("split-interleaved", 6),
        later("split-with-whole-between", 4),
    ];
    rows[8].expects[1] = AS_WRITTEN;
    rows
}
