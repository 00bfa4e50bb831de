//! The header form: the body alone as value, codec and model named by the headers `__Q_CodecId` and `__Q_ModelKey`.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::GzDecoder;

use super::{Body, Envelope, Refusal};
use crate::codec::Codec;
use crate::model::Model;
use crate::package::{Content, ReadLimits};
use crate::problem::ReadProblem;

/// Reads a record that has both headers, names in exact case. Foreign headers, binary or null, do not matter.
///
/// Unlike in an envelope, an unknown model stays raw: without a frame around it nothing shows that the body is JSON.
pub(crate) fn read<'a, H>(limits: ReadLimits, headers: H, value: &'a [u8]) -> Result<Content<'a>, Refusal>
where
    H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
{
    let (codec, model_key) = names(headers).ok_or(Refusal::OtherForm(None))?;
    let (codec, gzipped) = match codec.strip_prefix("[GZIP]") {
        Some(inner) => (inner, true),
        None => (codec, false),
    };
    if Codec::of_id(codec).is_none() {
        return Err(Refusal::Undecodable(ReadProblem::UnknownCodec));
    }
    if Model::of_key(model_key).is_none() {
        return Err(Refusal::Undecodable(ReadProblem::UnknownModel));
    }
    let bytes = if gzipped {
        Cow::Owned(inflate(value, limits.max_inflated_bytes).map_err(Refusal::Undecodable)?)
    } else {
        Cow::Borrowed(value)
    };
    Envelope {
        codec: Cow::Borrowed(codec),
        model_key: Cow::Borrowed(model_key),
        body: Body::Bytes(bytes),
        problem: None,
    }
    .content()
}

/// Codec and model key, if both are there as texts; the last of equal names counts.
fn names<'a, H>(headers: H) -> Option<(&'a str, &'a str)>
where
    H: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
{
    let (mut codec, mut model_key) = (None, None);
    for (name, value) in headers {
        match name {
            "__Q_CodecId" => codec = value,
            "__Q_ModelKey" => model_key = value,
            _ => {}
        }
    }
    Some((str::from_utf8(codec?).ok()?, str::from_utf8(model_key?).ok()?))
}

/// Inflates one gzip member, never holding more than a byte over the limit.
fn inflate(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, ReadProblem> {
    let mut inflated = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take((max_bytes as u64).saturating_add(1));
    decoder.read_to_end(&mut inflated).map_err(|_| ReadProblem::BadGzip)?;
    if inflated.len() > max_bytes {
        return Err(ReadProblem::InflatedTooLarge);
    }
    Ok(inflated)
}
