//! What the OpenAPI document says of bodies, paths and answers. The types of the models are `quix-model`'s; these say how they
//! look.
#![allow(dead_code, reason = "they are read by their derives only")]

use std::collections::{BTreeMap, HashMap};

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// Where a request goes.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TopicPath {
    /// Name or id of the topic.
    topic: String,
}

/// Where a request goes.
#[derive(IntoParams)]
#[into_params(parameter_in = Path, rename_all = "camelCase")]
pub(super) struct StreamPath {
    /// Name or id of the topic.
    topic: String,
    /// Id of the stream: any text but `___KA___`, percent-encoded.
    stream_id: String,
}

/// What is known of a stream. Members may be spelt in any case, here and everywhere below.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "name": "Car A", "location": "/cars/ai", "metadata": { "track": "Sakhir Short" }, "parents": [],
    "timeOfRecording": "2022-04-08T09:00:39.3971666Z",
}))]
pub(super) struct StreamProperties {
    name: Option<String>,
    /// A path.
    location: Option<String>,
    /// Texts by name.
    metadata: Option<HashMap<String, Option<String>>>,
    /// Ids of the streams from which this one was made.
    parents: Option<Vec<String>>,
    /// ISO 8601; without a zone it is UTC.
    time_of_recording: Option<String>,
}

/// A stream that was made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "streamId": "020aee7e-9f0b-4f3a-8a51-6f5d5f8e0f4e" }))]
pub(super) struct CreatedStream {
    /// A UUID.
    stream_id: String,
}

/// Values of parameters: item `i` of every array belongs to `timestamps[i]`, so all arrays are equally long.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "epoch": 0, "timestamps": [1_697_025_689_418_406_000_i64, 1_697_025_689_487_857_000_i64],
    "numericValues": { "EngineRPM": [11444, 11463] }, "stringValues": { "driver": ["Ann", null] },
    "binaryValues": { "frame": ["AAEC", null] }, "tagValues": { "LapNumber": ["2", "2"] },
}))]
pub(super) struct ParameterData {
    /// Added to each timestamp. Default 0.
    epoch: Option<i64>,
    /// Nanoseconds since `epoch`.
    timestamps: Vec<i64>,
    /// Numbers by parameter id.
    numeric_values: Option<HashMap<String, Vec<Option<f64>>>>,
    /// Texts by parameter id.
    string_values: Option<HashMap<String, Vec<Option<String>>>>,
    /// Bytes in base64 by parameter id.
    binary_values: Option<HashMap<String, Vec<Option<String>>>>,
    /// Texts that qualify the rows, by name.
    tag_values: Option<HashMap<String, Vec<Option<String>>>>,
}

/// Something that happened.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "EventA", "timestamp": 1_591_733_990_000_000_000_i64, "value": "val-a", "tags": { "tag1": "val1" },
}))]
pub(super) struct EventData {
    /// What kind of event it is.
    id: String,
    /// Nanoseconds since 1970 UTC.
    timestamp: i64,
    /// Often JSON itself.
    value: Option<String>,
    /// Texts by name.
    tags: Option<HashMap<String, Option<String>>>,
}

/// An event with its stream: a line of NDJSON.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct EventLine {
    stream_id: String,
    #[serde(flatten)]
    event: EventData,
}

/// What is known of a parameter.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "EngineRPM", "name": "Engine speed", "unit": "rpm", "minimumValue": 0, "maximumValue": 20000,
    "location": "/chassis/engine",
}))]
pub(super) struct ParameterDefinition {
    /// As in the data; each once, and not empty.
    #[schema(min_length = 1)]
    id: String,
    name: Option<String>,
    description: Option<String>,
    /// Path of groups.
    location: Option<String>,
    minimum_value: Option<f64>,
    maximum_value: Option<f64>,
    unit: Option<String>,
    format: Option<String>,
    custom_properties: Option<String>,
}

/// What is known of an event.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "id": "RaceWinner", "name": "Race winner", "level": "Critical", "location": "/race",
}))]
pub(super) struct EventDefinition {
    /// As in the data; each once, and not empty.
    #[schema(min_length = 1)]
    id: String,
    name: Option<String>,
    description: Option<String>,
    /// Path of groups.
    location: Option<String>,
    /// Default `Information`.
    level: Option<EventLevel>,
    custom_properties: Option<String>,
}

/// How serious an event is.
#[derive(ToSchema)]
pub(super) enum EventLevel {
    Trace,
    Debug,
    Information,
    Warning,
    Error,
    Critical,
}

/// Why a request was refused (RFC 9457).
#[derive(ToSchema)]
pub(super) struct Problem {
    /// Of the status.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this very request.
    detail: String,
    /// Of writes: whether nothing was stored, or nobody can say.
    #[schema(inline)]
    kind: Option<ProblemKind>,
    /// Of writes of several lines: how many are stored, from the first on.
    written: Option<u64>,
}

#[derive(ToSchema)]
pub(super) enum ProblemKind {
    NotWritten,
    OutcomeUnknown,
}

/// Of all routes.
pub(super) struct ListingProblems;

/// Of routes that read a topic.
pub(super) struct ReadingProblems;

/// Of the route that makes a topic.
pub(super) struct MakingProblems;

/// What the OpenAPI document says of errors of routes that write.
#[derive(Debug)]
pub struct WritingProblems;

impl IntoResponses for ListingProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([OF_ALL])
    }
}

impl IntoResponses for ReadingProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([OF_ALL, OF_TOPICS])
    }
}

impl IntoResponses for MakingProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([OF_ALL, OF_TOPICS, OF_BODIES, &[(409, "The topic exists with another number of partitions.")]])
    }
}

impl IntoResponses for WritingProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([
            OF_ALL,
            OF_TOPICS,
            OF_BODIES,
            &[(504, "The write was not confirmed in time: it may be stored or not.")],
        ])
    }
}

/// Statuses, and when they come.
type Statuses = &'static [(u16, &'static str)];

const OF_ALL: Statuses = &[
    (401, "There is no token, or it is not valid."),
    (403, "This is not allowed: by the token, to pages of this origin, or because no more topics are made."),
    (421, "The server does not answer by this host name."),
    (429, "There are too many connections, calls, or reads of what was there before; try again later."),
    (503, "The server is stopping or full, or the broker cannot be reached; nothing was written."),
];

const OF_TOPICS: Statuses = &[
    (400, "A name, a parameter or the body is not as it should be; nothing was written."),
    (404, "There is no such topic."),
];

const OF_BODIES: Statuses = &[
    (408, "The body came too slowly."),
    (413, "The body, or the record that would be made of it, is too large."),
    (415, "The body is not of a type that this route takes, or compressed."),
];

fn problems<const N: usize>(statuses: [Statuses; N]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |(status, description): &(u16, &str)| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new().description(*description).content("application/problem+json", content);
        (status.to_string(), response.build().into())
    };
    statuses.into_iter().flatten().map(problem).collect()
}
