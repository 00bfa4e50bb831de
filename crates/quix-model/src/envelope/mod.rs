//! The three forms in which a record says that it is Quix: JSON envelope, headers, binary envelope.
//!
//! Each form's `read` takes it apart and leaves the body as it is; taking that out and decoding it is here, and happens
//! only when somebody asks for it.

pub(crate) mod binary;
pub(crate) mod header;
pub(crate) mod legacy;

use std::borrow::Cow;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codec::{self, Codec, Opened};
use crate::data::Decoded;
use crate::json::{self, unquote};
use crate::model::Model;
use crate::package::Content;
use crate::problem::ReadProblem;

/// Why a record is not read in a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The record is not of this form, perhaps a damaged one: the next form is tried.
    OtherForm(Option<ReadProblem>),
    /// It is of this form, but cannot be decoded: the record is plain.
    Undecodable(ReadProblem),
}

/// A record taken apart, its body still encoded.
#[derive(Debug, Clone)]
pub(crate) struct Envelope<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) problem: Option<ReadProblem>,
    /// Only the ends were looked at, so the middle may yet turn out not to be the body.
    pub(crate) scanned: bool,
    body: Body<'a>,
    /// What had to be made of the body to read it.
    opened: OnceLock<Result<Owned, ReadProblem>>,
}

/// What the envelope says that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Known(Codec, Model),
    /// JSON of a model by this key.
    Unknown(Cow<'a, str>),
}

#[derive(Debug, Clone)]
pub(crate) enum Body<'a> {
    /// A value inside a JSON envelope: the model itself, or a string of base64 around its bytes.
    Json(Cow<'a, str>),
    /// The bytes that the codec wrote.
    Bytes(&'a [u8]),
    /// The same, gzipped.
    Gzip(&'a [u8]),
}

#[derive(Debug, Clone)]
enum Owned {
    Text(String),
    Bytes(Vec<u8>),
}

impl<'a> Envelope<'a> {
    /// A name nobody knows beside a codec nobody knows is no envelope at all: plain JSON may have such members too.
    pub(crate) fn new(
        codec: &str,
        model_key: Cow<'a, str>,
        body: Body<'a>,
        problem: Option<ReadProblem>,
    ) -> Result<Self, Refusal> {
        let subject = match (Codec::of_id(codec), Model::of_key(&model_key)) {
            (Some(codec), Some(model)) if codec.carries(model) => Subject::Known(codec, model),
            (_, Some(_)) => return Err(Refusal::Undecodable(ReadProblem::UnknownCodec)),
            (Some(codec), None) if codec.is_text() => Subject::Unknown(model_key),
            (_, None) => return Err(Refusal::OtherForm(None)),
        };
        Ok(Self { subject, problem, scanned: false, body, opened: OnceLock::new() })
    }

    /// Type, JSON and problem of the package.
    pub(crate) fn content(&self, max_bytes: usize) -> Result<Content<'_>, ReadProblem> {
        match &self.subject {
            Subject::Known(codec, model) => {
                let body = self.open(*codec, max_bytes)?;
                let (value, problem) = match codec::canonical(*codec, *model, body) {
                    Some(json) => (json, None),
                    None => {
                        let decoded = codec::decode(*codec, *model, body, max_bytes)?;
                        (Cow::Owned(decoded.data.to_package_json()), decoded.problem)
                    }
                };
                let type_name = Cow::Borrowed(model.type_name());
                Ok(Content { type_name, value, problem: self.problem.or(problem) })
            }
            Subject::Unknown(key) => {
                let json = match &self.body {
                    Body::Json(json) => Opened::Text(json),
                    _ => self.open(Codec::Json, max_bytes)?,
                };
                let value = match json {
                    Opened::Text(text) if json::is_json(text) => Cow::Borrowed(text),
                    _ => return Err(ReadProblem::BadModel),
                };
                let problem = self.problem.or(Some(ReadProblem::UnknownModel));
                Ok(Content { type_name: Cow::Borrowed(key), value, problem })
            }
        }
    }

    /// The model, if we know it.
    pub(crate) fn decoded(&self, max_bytes: usize) -> Result<Decoded<'_>, ReadProblem> {
        let Subject::Known(codec, model) = self.subject else { return Err(ReadProblem::UnknownModel) };
        let mut decoded = codec::decode(codec, model, self.open(codec, max_bytes)?, max_bytes)?;
        decoded.problem = self.problem.or(decoded.problem);
        Ok(decoded)
    }

    /// The codec's own bytes, made once if they are not in the record as such.
    fn open(&self, codec: Codec, max_bytes: usize) -> Result<Opened<'_>, ReadProblem> {
        match &self.body {
            Body::Json(json) if !json.starts_with('"') => return Ok(Opened::Text(json)),
            Body::Bytes(bytes) if !codec.is_text() => return Ok(Opened::Bytes(bytes)),
            Body::Bytes(bytes) => {
                if let Ok(text) = str::from_utf8(bytes) {
                    return Ok(Opened::Text(text));
                }
            }
            Body::Json(_) | Body::Gzip(_) => {}
        }
        match self.opened.get_or_init(|| self.body.unpack(codec, max_bytes)) {
            Ok(Owned::Text(text)) => Ok(Opened::Text(text)),
            Ok(Owned::Bytes(bytes)) => Ok(Opened::Bytes(bytes)),
            Err(problem) => Err(*problem),
        }
    }
}

impl Body<'_> {
    /// Text with U+FFFD for what is not UTF-8, as .NET decodes it.
    fn unpack(&self, codec: Codec, max_bytes: usize) -> Result<Owned, ReadProblem> {
        let bytes = match self {
            Self::Json(text) => {
                let base64 = unquote(text).ok_or(ReadProblem::BadModel)?;
                STANDARD.decode(&*base64).map_err(|_| ReadProblem::BadModel)?
            }
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Gzip(bytes) => codec::inflate(bytes, max_bytes)?,
        };
        if !codec.is_text() {
            return Ok(Owned::Bytes(bytes));
        }
        let lossy = |error: std::string::FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
        Ok(Owned::Text(String::from_utf8(bytes).unwrap_or_else(lossy)))
    }
}
