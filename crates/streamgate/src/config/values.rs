//! How single settings are read where serde's own way would be too strict or too silent; errors read on from the
//! setting's name.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, Deserializer, de};

/// An address with a port. `localhost` is 127.0.0.1: a name that resolves to several addresses would be a surprise.
pub(crate) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    match local {
        Some(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().map_err(|_| {
            de::Error::custom(format!(
                "must be an address with a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\", not {text:?}"
            ))
        }),
    }
}

/// A workspace: it stands in topic ids, so it keeps to the characters of topic names.
pub(crate) fn workspace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=MAX_WORKSPACE_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(de::Error::custom(format!("must be 1 to {MAX_WORKSPACE_BYTES} letters, digits, '.', '_' or '-', not {text:?}")))
}

/// Leaves room for the name in a topic id of 249 bytes.
const MAX_WORKSPACE_BYTES: usize = 100;

/// For `Option<bool>` written as `true`, `false` or `"auto"`.
pub(crate) mod auto {
    use super::{Deserializer, de, fmt};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_bool(*value),
            None => serializer.serialize_str("auto"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
        deserializer.deserialize_any(BoolOrAuto)
    }

    struct BoolOrAuto;

    impl de::Visitor<'_> for BoolOrAuto {
        type Value = Option<bool>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true, false or \"auto\"")
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Option<bool>, E> {
            Ok(Some(value))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<bool>, E> {
            match text {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                "auto" => Ok(None),
                _ => Err(E::custom(format!("must be true, false or \"auto\", not {text:?}"))),
            }
        }
    }
}
