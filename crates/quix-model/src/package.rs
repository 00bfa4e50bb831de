//! `Package`: any Kafka record as Quix readers see it. Here the order in which the forms are tried.

use std::borrow::Cow;

use crate::envelope::{Refusal, binary, header, legacy};
use crate::plain;
use crate::problem::ReadProblem;

/// A record read: whose stream, what type, and the JSON text that subscribers get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package<'a> {
    /// The record's key; empty without one, U+FFFD for what is not UTF-8 in it.
    pub stream_id: Cow<'a, str>,
    /// `QuixStreams.Telemetry.Models.EventDataRaw[]` and the like; `System.String` or `System.Byte[]` for records in no
    /// Quix form; the key of a model that we do not know.
    pub type_name: Cow<'a, str>,
    /// Always exactly one JSON value. Events are an array of `{"Timestamp":…,"Tags":{…},"Id":…,"Value":…}`, all four
    /// members present, even a single one. Other models stand as written.
    pub value: Cow<'a, str>,
    /// What was wrong with the record, to be counted.
    pub problem: Option<ReadProblem>,
}

/// What a record is to a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<'a> {
    /// To be delivered.
    Package(Package<'a>),
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
    /// Size to which a gzipped body may inflate; a larger one stays raw. Default 16 MiB.
    pub max_inflated_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_inflated_bytes: 16 * 1024 * 1024 }
    }
}

impl<'a> Package<'a> {
    /// Reads a record within the default limits. Nothing fails: a damaged record is a package with its raw value and a
    /// [`problem`](Self::problem).
    ///
    /// `headers` are only looked at if the value is not a whole JSON envelope.
    pub fn read<H>(key: Option<&'a [u8]>, headers: H, value: Option<&'a [u8]>) -> Reading<'a>
    where
        H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        Self::read_within(ReadLimits::default(), key, headers, value)
    }

    /// As [`read`](Self::read), within given limits.
    pub fn read_within<H>(limits: ReadLimits, key: Option<&'a [u8]>, headers: H, value: Option<&'a [u8]>) -> Reading<'a>
    where
        H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
    {
        if key == Some(KEEP_ALIVE_KEY) {
            return Reading::Skip(Skip::KeepAlive);
        }
        let Some(value) = value else {
            return Reading::Skip(Skip::Tombstone);
        };
        let content = quix_content(limits, headers, value).unwrap_or_else(|problem| plain::content(value, problem));
        Reading::Package(Package {
            stream_id: key.map(String::from_utf8_lossy).unwrap_or_default(),
            type_name: content.type_name,
            value: content.value,
            problem: content.problem,
        })
    }
}

/// Key of the records that .NET clients pass over before looking at anything else.
const KEEP_ALIVE_KEY: &[u8] = b"___KA___";

/// What a record's value and headers say, without its key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    pub(crate) type_name: Cow<'a, str>,
    pub(crate) value: Cow<'a, str>,
    pub(crate) problem: Option<ReadProblem>,
}

impl Content<'_> {
    pub(crate) fn into_owned(self) -> Content<'static> {
        Content {
            type_name: Cow::Owned(self.type_name.into_owned()),
            value: Cow::Owned(self.value.into_owned()),
            problem: self.problem,
        }
    }
}

/// Tries the Quix forms, a whole JSON envelope before headers: programs that read one form and write the other copy the
/// headers onto an envelope. An error means plain, with what is to be counted.
fn quix_content<'a, H>(limits: ReadLimits, headers: H, value: &'a [u8]) -> Result<Content<'a>, Option<ReadProblem>>
where
    H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
{
    let mut damage = None;
    if let Some(decided) = decided(legacy::read(value), &mut damage) {
        return decided;
    }
    if let Some(decided) = decided(header::read(limits, headers, value), &mut damage) {
        return decided;
    }
    if let Some(decided) = decided(binary::read(value), &mut damage) {
        return decided;
    }
    Err(damage)
}

/// `None` if another form may still fit.
fn decided<'a>(
    outcome: Result<Content<'a>, Refusal>,
    damage: &mut Option<ReadProblem>,
) -> Option<Result<Content<'a>, Option<ReadProblem>>> {
    match outcome {
        Ok(content) => Some(Ok(content)),
        Err(Refusal::Undecodable(problem)) => Some(Err(Some(problem))),
        Err(Refusal::OtherForm(seen)) => {
            *damage = damage.or(seen);
            None
        }
    }
}
