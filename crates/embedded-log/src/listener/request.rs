//! `Request`: one request as read from the socket, its head understood, its body walked but not decoded.

use bytes::{Buf, Bytes};
use kafka_protocol::{
    messages::ApiKey,
    protocol::{Decodable, StrBytes},
};

use super::{
    node::MAX_ELEMENTS,
    shape::count_elements,
    versions::{self, Offer},
};

/// Who asks what.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) offer: &'static Offer,
    /// Place of `offer` in the table.
    pub(super) place: usize,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: Option<StrBytes>,
    /// Elements of all arrays in the body.
    pub(super) elements: usize,
    body: Bytes,
}

/// Why a request is not answered; its connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No such kind or version here.
    #[error("request kind {key} version {version} is not offered")]
    Unsupported { key: i16, version: i16 },
    /// The bytes are not what the head says.
    #[error("the request cannot be read")]
    Malformed,
}

impl Request {
    /// `frame` is a request without its length.
    pub(super) fn parse(mut frame: Bytes) -> Result<Self, Refusal> {
        if frame.len() < HEAD {
            return Err(Refusal::Malformed);
        }
        let (key, version, correlation_id) = (frame.get_i16(), frame.get_i16(), frame.get_i32());
        let (place, offer) = versions::find(key).ok_or(Refusal::Unsupported { key, version })?;
        let offered = (offer.min..=offer.max).contains(&version);
        if offer.kind == ApiKey::ApiVersions {
            // Any version is answered, and nothing more of it is of use.
            let (client_id, body) = (None, Bytes::new());
            return Ok(Self { offer, place, version, correlation_id, client_id, elements: 0, body });
        }
        if !offered {
            return Err(Refusal::Unsupported { key, version });
        }
        let client_id = client_id(&mut frame)?;
        let elements = count_elements(offer.shape, version, &frame, MAX_ELEMENTS).ok_or(Refusal::Malformed)?;
        Ok(Self { offer, place, version, correlation_id, client_id, elements, body: frame })
    }

    /// Decodes the body, which must be of the kind that the head says.
    pub(super) fn decode<T: Decodable>(&self) -> Result<T, Refusal> {
        T::decode(&mut self.body.clone(), self.version).map_err(|_| Refusal::Malformed)
    }
}

fn client_id(frame: &mut Bytes) -> Result<Option<StrBytes>, Refusal> {
    let length = frame.try_get_i16().map_err(|_| Refusal::Malformed)?;
    match usize::try_from(length) {
        Err(_) if length == -1 => Ok(None),
        Ok(length) if length <= frame.len() => {
            StrBytes::from_utf8(frame.split_to(length)).map(Some).map_err(|_| Refusal::Malformed)
        }
        _ => Err(Refusal::Malformed),
    }
}

/// Kind, version, correlation id.
const HEAD: usize = 8;
