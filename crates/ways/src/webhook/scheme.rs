//! `Scheme`: how a sender signs: which header says what, and what is under the signature.

use std::fmt;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Table;

use super::encoding::Encoding;
use super::mac::Hash;
use crate::fields::Fields;

/// A signature by HMAC. In the settings: `verify = { header = "X-Signature", hash = "sha256" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scheme {
    /// Where the signature is.
    #[serde(serialize_with = "name")]
    pub header: HeaderName,
    /// Of what is signed.
    pub hash: Hash,
    /// Of the signature. Default hex.
    pub encoding: Encoding,
    /// In what the signature is wrapped; a text in the settings: what stands before it. Default nothing.
    #[serde(rename = "prefix")]
    pub layout: Layout,
    /// What is signed. Default `{body}`.
    pub signed: Template,
    /// Header of the time of sending, `{ts}` in `signed`: seconds since 1970 UTC. Default none.
    #[serde(serialize_with = "optional_name", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<HeaderName>,
    /// Header of the delivery's id, `{id}` in `signed`. Default none.
    #[serde(serialize_with = "optional_name", skip_serializing_if = "Option::is_none")]
    pub id: Option<HeaderName>,
}

/// In what a signature is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One signature behind this text.
    Prefix(String),
    /// `t=TIME,v1=SIGNATURE`, with as many of `v1` as there are secrets. Source: Stripe.
    Fields,
    /// `v1,SIGNATURE v1,SIGNATURE`. Source: Standard Webhooks 1.0.0.
    Versions,
}

/// What is signed: pieces one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub(super) Vec<Part>);

/// A piece of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// This very text.
    Text(String),
    /// `{ts}`, as it was sent.
    Timestamp,
    /// `{id}`
    Id,
    /// `{body}`, byte for byte.
    Body,
    /// The body's fields, it being a form: names and values, sorted, each pair once. Source: Twilio, "Security".
    Form,
}

impl Scheme {
    /// Whether the time of sending is known, and under the signature.
    pub fn has_timestamp(&self) -> bool {
        self.signed.0.contains(&Part::Timestamp)
    }

    /// Where this stands in front of what is signed.
    pub(super) fn behind(mut self, text: &str) -> Self {
        self.signed.0.insert(0, Part::Text(text.to_owned()));
        self
    }

    fn take(fields: &mut Fields) -> Result<Self, String> {
        let header_name = |text: Option<String>| text.map(|text| header(&text)).transpose();
        let scheme = Self {
            header: header(&fields.required::<String>("header")?)?,
            hash: fields.required("hash")?,
            encoding: fields.take("encoding")?.unwrap_or(Encoding::Hex),
            layout: Layout::Prefix(fields.take("prefix")?.unwrap_or_default()),
            signed: fields.take("signed")?.unwrap_or_else(Template::body),
            timestamp: header_name(fields.take("timestamp")?)?,
            id: header_name(fields.take("id")?)?,
        };
        scheme.check().map(|()| scheme)
    }

    /// What is not under the signature proves nothing.
    fn check(&self) -> Result<(), String> {
        if !self.signed.0.contains(&Part::Body) {
            return Err("has a setting `signed` without \"{body}\": anybody could send another one".to_owned());
        }
        for (setting, placeholder, header, part) in
            [("timestamp", "{ts}", &self.timestamp, Part::Timestamp), ("id", "{id}", &self.id, Part::Id)]
        {
            match (header, self.signed.0.contains(&part)) {
                (Some(_), false) => {
                    return Err(format!("has a `{setting}`, which \"{placeholder}\" in `signed` is not"));
                }
                (None, true) => {
                    return Err(format!("has \"{placeholder}\" in `signed`, and `{setting}` names no header for it"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A header's name, in any case.
pub(super) fn header(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| format!("names a header {text:?}, which no header can be called"))
}

impl Template {
    pub(super) fn body() -> Self {
        Self(vec![Part::Body])
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                "ts" => Part::Timestamp,
                "id" => Part::Id,
                "body" => Part::Body,
                _ => return None,
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Some(Self(parts))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| {
            f.write_str(match part {
                Part::Text(text) => text,
                Part::Timestamp => "{ts}",
                Part::Id => "{id}",
                Part::Body => "{body}",
                Part::Form => "{form}", // of presets alone
            })
        })
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("must be like \"{{id}}.{{ts}}.{{body}}\", not {text:?}")))
    }
}

impl Serialize for Layout {
    /// Only the first can be in settings.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Prefix(prefix) = self else { return serializer.serialize_str("") };
        serializer.serialize_str(prefix)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(de::Error::custom(format!("must be \"sha1\", \"sha256\" or \"sha512\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            other => Err(de::Error::custom(format!("must be \"hex\" or \"base64\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(deserializer)
            .map_err(|_| de::Error::custom("must be like { header = \"X-Signature\", hash = \"sha256\" }"))?;
        let mut fields = Fields::new(table);
        let scheme = Self::take(&mut fields).and_then(|scheme| fields.finish().map(|()| scheme));
        scheme.map_err(|problem| de::Error::custom(format!("must say how deliveries are signed, but it {problem}")))
    }
}

fn name<S: Serializer>(header: &HeaderName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(header.as_str())
}

fn optional_name<S: Serializer>(header: &Option<HeaderName>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(header.as_ref().map(HeaderName::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_schemes_read_back_as_they_are_shown() {
        for text in [
            "header = 'X-Signature'\nhash = 'sha1'",
            "header = 'X-Sig'\nhash = 'sha512'\nencoding = 'base64'\nprefix = 'v2='\nsigned = 'v2:{id}:{ts}:{body}!'\n\
             timestamp = 'X-Time'\nid = 'X-Id'",
        ] {
            let scheme: Scheme = toml::from_str(text).unwrap();
            let shown = toml::to_string(&scheme).unwrap();
            assert_eq!(toml::from_str::<Scheme>(&shown).unwrap(), scheme, "{shown}");
        }
    }

    #[test]
    fn what_proves_nothing_or_cannot_be_is_told() {
        const BASE: &str = "header = 'X-S'\nhash = 'sha1'\n";
        for (text, problem) in [
            ("hash = 'sha1'", "has no `header`"),
            ("header = 'a b'\nhash = 'sha1'", "names a header \"a b\", which no header can be called"),
            (
                "header = 'X'\nhash = 'md5'",
                "has a setting `hash` that must be \"sha1\", \"sha256\" or \"sha512\", not \"md5\"",
            ),
            (
                &format!("{BASE}signed = '{{ts}}'"),
                "has a setting `signed` without \"{body}\": anybody could send another one",
            ),
            (
                &format!("{BASE}signed = '{{ts}}.{{body}}'"),
                "has \"{ts}\" in `signed`, and `timestamp` names no header for it",
            ),
            (&format!("{BASE}timestamp = 'X-T'"), "has a `timestamp`, which \"{ts}\" in `signed` is not"),
            (&format!("{BASE}id = 'X-T'"), "has a `id`, which \"{id}\" in `signed` is not"),
            (
                &format!("{BASE}signed = '{{x}}{{body}}'"),
                "has a setting `signed` that must be like \"{id}.{ts}.{body}\", not \"{x}{body}\"",
            ),
            (
                &format!("{BASE}colour = 'x'"),
                "has `colour`, which is none of header, hash, encoding, prefix, signed, timestamp, id",
            ),
        ] {
            let error = toml::from_str::<Scheme>(text).unwrap_err();
            assert_eq!(error.message(), format!("must say how deliveries are signed, but it {problem}"), "{text}");
        }
    }
}
