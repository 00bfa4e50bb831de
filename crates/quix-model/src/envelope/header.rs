//! The header form: the body alone as value, codec and model named by the headers `__Q_CodecId` and `__Q_ModelKey`.

use std::borrow::Cow;

use super::{Body, Envelope, Refusal, Subject};
use crate::codec::Codec;
use crate::headers::QuixHeaders;
use crate::problem::ReadProblem;

/// Takes apart a record that has both headers as texts.
///
/// Unlike in an envelope, an unknown model stays raw: without a frame around it nothing shows that the body is JSON.
pub(crate) fn read<'a>(headers: &QuixHeaders<'a>, value: &'a [u8]) -> Result<Envelope<'a>, Refusal> {
    let text = |header: Option<&'a [u8]>| header.and_then(|bytes| str::from_utf8(bytes).ok());
    let (Some(codec), Some(model_key)) = (text(headers.codec), text(headers.model_key)) else {
        return Err(Refusal::OtherForm(None));
    };
    let (codec, body) = match codec.strip_prefix(GZIP) {
        Some(inner) => (inner, Body::Gzip(value)),
        None => (codec, Body::Bytes(value)),
    };
    if Codec::of_id(codec).is_none() {
        return Err(Refusal::Undecodable(ReadProblem::UnknownCodec));
    }
    match Envelope::new(codec, Cow::Borrowed(model_key), body, None)? {
        Envelope { subject: Subject::Unknown(_), .. } => Err(Refusal::Undecodable(ReadProblem::UnknownModel)),
        known => Ok(known),
    }
}

/// Before the codec's id, when the body is one gzip member.
const GZIP: &str = "[GZIP]";
