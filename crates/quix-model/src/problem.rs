//! `ReadProblem`: the closed list of what can be wrong with a record that is read.

/// What was wrong with a record. It is a package all the same; this is for a metric and a debug log.
///
/// With [`BadOffsets`](Self::BadOffsets), [`ColumnLength`](Self::ColumnLength), [`BadBase64`](Self::BadBase64) and, in an
/// envelope, [`UnknownModel`](Self::UnknownModel) the model was read; with all others the package holds the raw record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadProblem {
    /// The envelope's offsets `S` and `E` do not enclose `V`. `V` was read.
    BadOffsets,
    /// The record ends inside its envelope.
    CutShort,
    /// It begins like a JSON envelope, but its JSON is broken or followed by more.
    BrokenEnvelope,
    /// The codec is empty, unknown, or not read for this model.
    UnknownCodec,
    /// The model key is unknown. In an envelope it became the package's type; beside headers the record stays raw.
    UnknownModel,
    /// A timestamp is not a 64-bit integer; of rows, not what their rule says.
    BadTimestamp,
    /// Parameter data has no timestamps at all.
    NoTimestamps,
    /// A column is longer or shorter than the timestamps: it was cut, or filled with nulls.
    ColumnLength,
    /// A binary value is not base64: it became null.
    BadBase64,
    /// The body is not what its model and codec say: broken JSON, wrong kind of value, bad base64.
    BadModel,
    /// The body is said to be gzip and is not.
    BadGzip,
    /// A record that is to be rows is not JSON.
    NotJson,
    /// It is JSON, but neither an object nor an array of objects, or it is nested more than 64 levels deep.
    NotRows,
    /// The body inflates, or stands for, more than [`ReadLimits::max_inflated_bytes`](crate::ReadLimits::max_inflated_bytes).
    InflatedTooLarge,
}

impl ReadProblem {
    /// All of them, to declare metrics.
    pub const ALL: [Self; 14] = [
        Self::BadOffsets,
        Self::CutShort,
        Self::BrokenEnvelope,
        Self::UnknownCodec,
        Self::UnknownModel,
        Self::BadTimestamp,
        Self::NoTimestamps,
        Self::ColumnLength,
        Self::BadBase64,
        Self::BadModel,
        Self::BadGzip,
        Self::NotJson,
        Self::NotRows,
        Self::InflatedTooLarge,
    ];

    /// Value of a metric's label: stable, snake case.
    pub fn label(self) -> &'static str {
        match self {
            Self::BadOffsets => "bad_offsets",
            Self::CutShort => "cut_short",
            Self::BrokenEnvelope => "broken_envelope",
            Self::UnknownCodec => "unknown_codec",
            Self::UnknownModel => "unknown_model",
            Self::BadTimestamp => "bad_timestamp",
            Self::NoTimestamps => "no_timestamps",
            Self::ColumnLength => "column_length",
            Self::BadBase64 => "bad_base64",
            Self::BadModel => "bad_model",
            Self::BadGzip => "bad_gzip",
            Self::NotJson => "not_json",
            Self::NotRows => "not_rows",
            Self::InflatedTooLarge => "inflated_too_large",
        }
    }
}
