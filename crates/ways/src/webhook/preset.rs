//! `Preset`: how well-known senders sign, and where they say what they send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use quix_model::Pointer;
use serde::{Deserialize, Deserializer, Serialize, de};
use zeroize::Zeroizing;

use super::encoding::Encoding;
use super::mac::Hash;
use super::scheme::{Layout, Part, Scheme, Template};
use crate::secret::Revealed;

/// Whose deliveries come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Twilio Segment.
    Segment,
    /// GitHub.
    Github,
    /// Stripe.
    Stripe,
    /// Slack.
    Slack,
    /// Shopify.
    Shopify,
    /// Twilio, which signs its forms together with the address they go to.
    Twilio,
    /// Any that keeps to Standard Webhooks 1.0.0.
    Standard,
    /// Any that sends `Authorization: Bearer SECRET`.
    Bearer,
    /// Any that sends user and password; the secret is `USER:PASSWORD`.
    Basic,
    /// Anybody.
    None,
}

/// Where in a delivery something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a header.
    Header(HeaderName),
    /// In the body.
    At(Pointer),
}

impl Preset {
    /// All, as they are called in settings.
    pub const ALL: [(&str, Self); 10] = [
        ("segment", Self::Segment),
        ("github", Self::Github),
        ("stripe", Self::Stripe),
        ("slack", Self::Slack),
        ("shopify", Self::Shopify),
        ("twilio", Self::Twilio),
        ("standard", Self::Standard),
        ("bearer", Self::Bearer),
        ("basic", Self::Basic),
        ("none", Self::None),
    ];

    /// As it is called in settings.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, preset)| *preset == self).map_or("", |(name, _)| name)
    }

    /// How it signs, if it does.
    pub fn scheme(self) -> Option<Scheme> {
        let plain = |header, hash, encoding, prefix: &str| Scheme {
            header: HeaderName::from_static(header),
            hash,
            encoding,
            layout: Layout::Prefix(prefix.to_owned()),
            signed: Template::body(),
            timestamp: None,
            id: None,
        };
        let signed = |text| Template::parse(text).unwrap_or_else(Template::body);
        let header = |name| Some(HeaderName::from_static(name));
        match self {
            Self::Segment => Some(plain("x-signature", Hash::Sha1, Encoding::Hex, "")),
            Self::Github => Some(plain("x-hub-signature-256", Hash::Sha256, Encoding::Hex, "sha256=")),
            Self::Shopify => Some(plain("x-shopify-hmac-sha256", Hash::Sha256, Encoding::Base64, "")),
            Self::Stripe => Some(Scheme {
                layout: Layout::Fields,
                signed: signed("{ts}.{body}"),
                ..plain("stripe-signature", Hash::Sha256, Encoding::Hex, "")
            }),
            Self::Slack => Some(Scheme {
                signed: signed("v0:{ts}:{body}"),
                timestamp: header("x-slack-request-timestamp"),
                ..plain("x-slack-signature", Hash::Sha256, Encoding::Hex, "v0=")
            }),
            Self::Standard => Some(Scheme {
                layout: Layout::Versions,
                signed: signed("{id}.{ts}.{body}"),
                timestamp: header("webhook-timestamp"),
                id: header("webhook-id"),
                ..plain("webhook-signature", Hash::Sha256, Encoding::Base64, "")
            }),
            Self::Twilio => Some(Scheme {
                signed: Template(vec![Part::Form]),
                ..plain("x-twilio-signature", Hash::Sha1, Encoding::Base64, "")
            }),
            Self::Bearer | Self::Basic | Self::None => None,
        }
    }

    /// How it signs what goes to that address.
    pub(super) fn scheme_for(self, url: &str) -> Option<Scheme> {
        let scheme = self.scheme()?;
        Some(if self == Self::Twilio { scheme.behind(url) } else { scheme })
    }

    /// The bytes of a secret as its sender hands it out.
    pub(super) fn key(self, secret: &Revealed) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let text = secret.as_str();
        if self != Self::Standard {
            return Ok(text.as_bytes().to_vec().into());
        }
        let decoded = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok();
        let decoded = decoded.filter(|key| !key.is_empty()).map(Zeroizing::new);
        decoded.ok_or("is not \"whsec_\" and base64, as secrets of Standard Webhooks are")
    }

    /// Where the delivery's id is.
    pub fn id(self) -> Option<Place> {
        Some(match self {
            Self::Segment => Place::at("/messageId"),
            Self::Github => Place::header("x-github-delivery"),
            Self::Stripe => Place::at("/id"),
            Self::Slack => Place::at("/event_id"),
            Self::Shopify => Place::header("x-shopify-webhook-id"),
            Self::Twilio => Place::header("i-twilio-idempotency-token"),
            Self::Standard => Place::header("webhook-id"),
            Self::Bearer | Self::Basic | Self::None => return None,
        })
    }

    /// Where it is said what kind of thing happened.
    pub fn event(self) -> Option<Place> {
        Some(match self {
            Self::Segment | Self::Stripe | Self::Slack | Self::Standard => Place::at("/type"),
            Self::Github => Place::header("x-github-event"),
            Self::Shopify => Place::header("x-shopify-topic"),
            Self::Twilio | Self::Bearer | Self::Basic | Self::None => return None,
        })
    }
}

impl Place {
    fn at(pointer: &str) -> Self {
        Self::At(pointer.parse().unwrap_or_default())
    }

    fn header(name: &'static str) -> Self {
        Self::Header(HeaderName::from_static(name))
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, preset)| *preset);
        known.ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            de::Error::custom(format!("must be one of {names}, not {text:?}"))
        })
    }
}
