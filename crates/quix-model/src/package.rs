//! `Package`: any Kafka record as Quix readers see it. Here the order in which the forms are tried.

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::codec::Budget;
use crate::data::{Data, Decoded};
use crate::envelope::{Envelope, Refusal, Subject, binary, header, legacy};
use crate::headers::QuixHeaders;
use crate::model::Model;
use crate::plain;
use crate::problem::ReadProblem;
use crate::rows::RowRule;
use crate::split::Segment;

/// A record whose form is known and whose body is decoded when asked for: as JSON by [`content`](Self::content), as a
/// typed model by [`data`](Self::data).
#[derive(Debug, Clone)]
pub struct Package<'a> {
    stream_id: Cow<'a, str>,
    form: Form<'a>,
    limits: ReadLimits,
    value: &'a [u8],
    headers: QuixHeaders<'a>,
    /// Read again without trust in the ends of an envelope, should its body prove to be none.
    reread: OnceLock<Box<Package<'a>>>,
}

#[derive(Debug, Clone)]
enum Form<'a> {
    Quix(Envelope<'a>),
    Plain(Option<ReadProblem>),
    /// By this rule of its topic, stored at this time in nanoseconds since 1970 UTC.
    Rows(&'a RowRule, i64),
}

/// What subscribers of packages get of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content<'a> {
    /// `QuixStreams.Telemetry.Models.EventDataRaw[]` and the like; `System.String` or `System.Byte[]` for records in no
    /// Quix form; the key of a model that we do not know.
    pub type_name: Cow<'a, str>,
    /// Always exactly one JSON value: of a model with all members in PascalCase, nulls and defaults too, enums as numbers.
    /// Events are always an array, even a single one. What is spelt so in the record already is not copied.
    pub value: Cow<'a, str>,
    /// What was wrong with the record, to be counted.
    pub problem: Option<ReadProblem>,
}

/// What a record is to a reader.
#[derive(Debug, Clone)]
pub enum Reading<'a> {
    /// To be delivered.
    Package(Package<'a>),
    /// A piece of a record that was too large: for [`Merger::add`](crate::Merger::add).
    Segment(Segment<'a>),
    /// Not to be delivered to anybody.
    Skip(Skip),
}

/// Why a record is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// Its key is `___KA___`: Quix's own tooling keeps connections alive with such records.
    KeepAlive,
    /// It has no value.
    Tombstone,
}

impl Skip {
    /// Value of a metric's label: stable, snake case.
    pub fn label(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::Tombstone => "tombstone",
        }
    }
}

/// Bounds on what one record may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes that a body may come to beyond those in the record: by gzip, by the compact codec's runs and indices, by
    /// columns filled with nulls. A larger one stays raw. Default 16 MiB.
    pub max_inflated_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_inflated_bytes: 16 * 1024 * 1024 }
    }
}

impl<'a> Package<'a> {
    /// Reads a record within the default limits, its body not yet. Nothing fails: a damaged record is a package too.
    ///
    /// `headers` are only looked at if the value is not a whole JSON envelope. The time of a record has no part in what it
    /// is, so it stays with the caller.
    pub fn read<H>(key: Option<&'a [u8]>, headers: H, value: Option<&'a [u8]>) -> Reading<'a>
    where
        H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        let headers = QuixHeaders::among(headers);
        match skip(key, value) {
            Err(skip) => Reading::Skip(skip),
            Ok(value) => match Segment::of(&headers, value) {
                Some(segment) => Reading::Segment(segment),
                None => Reading::Package(Self::new(ReadLimits::default(), key, headers, value)),
            },
        }
    }

    /// Reads a record that is no segment, whatever it looks like: one that was merged, or for readers that do not merge.
    pub fn read_whole<H>(
        limits: ReadLimits,
        key: Option<&'a [u8]>,
        headers: H,
        value: Option<&'a [u8]>,
    ) -> Result<Self, Skip>
    where
        H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        Ok(Self::new(limits, key, QuixHeaders::among(headers), skip(key, value)?))
    }

    fn new(limits: ReadLimits, key: Option<&'a [u8]>, headers: QuixHeaders<'a>, value: &'a [u8]) -> Self {
        let form = match legacy::scan(value) {
            Some(envelope) => Form::Quix(envelope),
            None => form(&headers, value),
        };
        let stream_id = key.map(String::from_utf8_lossy).unwrap_or_default();
        Self { stream_id, form, limits, value, headers, reread: OnceLock::new() }
    }

    /// The same with other limits.
    pub fn within(mut self, limits: ReadLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same, for a topic whose records in no Quix form are rows; what such a record [`content`](Self::content) is stays.
    ///
    /// `stored_ms`: when the record was stored, in milliseconds since 1970 UTC: the time of rows that have none. `nameless`:
    /// the stream of those whose key is none, empty or not UTF-8.
    pub fn with_rows(mut self, rule: &'a RowRule, stored_ms: Option<i64>, nameless: &'a str) -> Self {
        // What only looks like Quix at its ends is not.
        if matches!(&self.form, Form::Quix(envelope) if envelope.scanned) {
            self.form = form(&self.headers, self.value);
        }
        if matches!(self.form, Form::Plain(None)) {
            self.form = Form::Rows(rule, stored_ms.unwrap_or_default().saturating_mul(1_000_000));
            if matches!(self.stream_id, Cow::Owned(_) | Cow::Borrowed("")) {
                self.stream_id = Cow::Borrowed(nameless);
            }
        }
        self
    }

    /// The record's key; empty without one, U+FFFD for what is not UTF-8 in it.
    pub fn stream_id(&self) -> &str {
        &self.stream_id
    }

    /// What the record's envelope says that it holds, without a look at the body: so whether [`data`](Self::data) is worth
    /// asking for. `None` for models that we do not know, and for records in no Quix form unless they are to be rows.
    pub fn model(&self) -> Option<Model> {
        match &self.form {
            Form::Quix(Envelope { subject: Subject::Known(_, model), .. }) => Some(*model),
            Form::Rows(..) => Some(Model::Timeseries),
            _ => None,
        }
    }

    /// Type and JSON of the package. A body that cannot be decoded leaves the raw record, with a problem.
    pub fn content(&self) -> Content<'_> {
        let envelope = match &self.form {
            Form::Quix(envelope) => envelope,
            Form::Plain(problem) => return plain::content(self.value, *problem),
            Form::Rows(..) => return plain::content(self.value, None),
        };
        match envelope.content(self.limits.max_inflated_bytes) {
            Ok(content) => content,
            Err(_) if envelope.scanned => self.reread().content(),
            Err(problem) => plain::content(self.value, Some(problem)),
        }
    }

    /// The model, decoded. `None` where the package is the raw record, or a model that we do not know;
    /// [`content`](Self::content) has it then, and the problem.
    pub fn data(&self) -> Option<Decoded<'_>> {
        self.decoded().ok()
    }

    /// The same, or the problem why there is none; no problem where nothing is wrong with a record in no Quix form.
    pub fn decoded(&self) -> Result<Decoded<'_>, Option<ReadProblem>> {
        let max_bytes = self.limits.max_inflated_bytes;
        match &self.form {
            Form::Quix(envelope) => match envelope.decoded(max_bytes) {
                Ok(decoded) => Ok(decoded),
                Err(_) if envelope.scanned => self.reread().decoded(),
                Err(problem) => Err(Some(problem)),
            },
            Form::Rows(rule, stored) => {
                let timeseries = rule.read(self.value, *stored, &mut Budget::new(max_bytes))?;
                Ok(Decoded { data: Data::Timeseries(timeseries), problem: None })
            }
            Form::Plain(problem) => Err(*problem),
        }
    }

    fn reread(&self) -> &Package<'a> {
        self.reread.get_or_init(|| {
            Box::new(Self { form: form(&self.headers, self.value), reread: OnceLock::new(), ..self.clone() })
        })
    }
}

/// Key of the records that .NET clients pass over before looking at anything else.
const KEEP_ALIVE_KEY: &[u8] = b"___KA___";

fn skip<'a>(key: Option<&[u8]>, value: Option<&'a [u8]>) -> Result<&'a [u8], Skip> {
    if key == Some(KEEP_ALIVE_KEY) {
        return Err(Skip::KeepAlive);
    }
    value.ok_or(Skip::Tombstone)
}

/// Tries the Quix forms, a whole JSON envelope before headers: programs that read one form and write the other copy the
/// headers onto an envelope. What is none of them is plain, with what is to be counted.
fn form<'a>(headers: &QuixHeaders<'a>, value: &'a [u8]) -> Form<'a> {
    let mut damage = None;
    let tries: [&dyn Fn() -> Result<Envelope<'a>, Refusal>; 3] =
        [&|| legacy::parse(value), &|| header::read(headers, value), &|| binary::read(value)];
    for read in tries {
        match read() {
            Ok(envelope) => return Form::Quix(envelope),
            Err(Refusal::Undecodable(problem)) => return Form::Plain(Some(problem)),
            Err(Refusal::OtherForm(seen)) => damage = damage.or(seen),
        }
    }
    Form::Plain(damage)
}
