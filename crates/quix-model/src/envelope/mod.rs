//! The three forms in which a record says that it is Quix: JSON envelope, headers, binary envelope.
//!
//! Each form's `read` takes it apart; what is common, from codec, model key and body to a package's content, is here.

pub(crate) mod binary;
pub(crate) mod header;
pub(crate) mod legacy;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codec::Codec;
use crate::json;
use crate::model::Model;
use crate::package::Content;
use crate::problem::ReadProblem;
use crate::text::unquote;

/// Why a form has no content for a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The record is not of this form, perhaps a damaged one: the next form is tried.
    OtherForm(Option<ReadProblem>),
    /// It is of this form, but cannot be decoded: the record is plain.
    Undecodable(ReadProblem),
}

/// A record taken apart, its body still encoded.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    codec: Cow<'a, str>,
    model_key: Cow<'a, str>,
    body: Body<'a>,
    problem: Option<ReadProblem>,
}

#[derive(Debug)]
enum Body<'a> {
    /// A value inside a JSON envelope: the model itself, or a string of base64 around its bytes.
    Json(&'a str),
    /// The bytes that the codec wrote.
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Envelope<'a> {
    /// A name nobody knows beside a codec nobody knows is no envelope at all: plain JSON may have such members too.
    fn content(self) -> Result<Content<'a>, Refusal> {
        match (Codec::of_id(&self.codec), Model::of_key(&self.model_key)) {
            (Some(codec), Some(model)) => {
                let text = self.body.into_text().map_err(Refusal::Undecodable)?;
                Ok(Content {
                    type_name: Cow::Borrowed(model.type_name()),
                    value: codec.decode(model, text).map_err(Refusal::Undecodable)?,
                    problem: self.problem,
                })
            }
            (Some(_), None) => self.content_of_unknown_model(),
            (None, Some(_)) => Err(Refusal::Undecodable(ReadProblem::UnknownCodec)),
            (None, None) => Err(Refusal::OtherForm(None)),
        }
    }

    /// The model's key is the type, its JSON is the value as it stands.
    fn content_of_unknown_model(self) -> Result<Content<'a>, Refusal> {
        let text = match self.body {
            Body::Json(text) => Cow::Borrowed(text),
            Body::Bytes(bytes) => lossy_text(bytes),
        };
        if !json::is_json(&text) {
            return Err(Refusal::Undecodable(ReadProblem::BadModel));
        }
        Ok(Content {
            type_name: self.model_key,
            value: text,
            problem: self.problem.or(Some(ReadProblem::UnknownModel)),
        })
    }
}

impl<'a> Body<'a> {
    fn into_text(self) -> Result<Cow<'a, str>, ReadProblem> {
        match self {
            Self::Json(text) if text.starts_with('"') => {
                let base64 = unquote(text).ok_or(ReadProblem::BadModel)?;
                let bytes = STANDARD.decode(&*base64).map_err(|_| ReadProblem::BadModel)?;
                Ok(lossy_text(Cow::Owned(bytes)))
            }
            Self::Json(text) => Ok(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Ok(lossy_text(bytes)),
        }
    }
}

/// Text with U+FFFD for what is not UTF-8, as .NET decodes it.
fn lossy_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
    }
}
