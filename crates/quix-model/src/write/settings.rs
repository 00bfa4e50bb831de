//! `WriteSettings`: how records of a topic are written. The default is what every Quix Streams client reads.

/// Settings of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSettings {
    /// Default: [`WriteForm::Legacy`].
    pub form: WriteForm,
    /// What is done with a value over `max_value_bytes`. Default: [`Splitting::Refuse`].
    pub splitting: Splitting,
    /// Largest value of a record in bytes. Default 1,000,000; better the topic's `max.message.bytes`.
    pub max_value_bytes: usize,
    /// Whether parameters may be called `Timestamp`, at which Python readers stop, or `Tags`, which they overwrite.
    /// Default: no.
    pub allow_reserved_parameters: bool,
    /// Whether `/` and `\` in ids of streams and definitions are refused: .NET readers before 0.6.3 rename such a stream
    /// and lose its definitions. Default: no.
    pub refuse_slashes: bool,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            form: WriteForm::default(),
            splitting: Splitting::default(),
            max_value_bytes: 1_000_000,
            allow_reserved_parameters: false,
            refuse_slashes: false,
        }
    }
}

/// Around the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteForm {
    /// The JSON envelope, no headers: the one form that all Quix Streams clients read.
    #[default]
    Legacy,
    /// The bare model, its key and codec in headers: for back ends on the new Python library or C# from 0.6 only.
    Headers,
    /// Events and parameter data as plain JSON, one record per event: for back ends that know no Quix. Properties,
    /// definitions and ends are not written, since nothing would tell them from data.
    Json,
}

/// What is done with a value that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Splitting {
    /// It is an error of the caller.
    #[default]
    Refuse,
    /// It is cut into at most 255 segments, which only .NET readers put together: Python readers stop at each, and one
    /// that is lost can block a .NET reader.
    Legacy,
}
