//! How single settings are read where serde's own way would be too strict or too silent; errors read on from the
//! setting's name.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, de};

/// An address with a port. `localhost` is 127.0.0.1: a name that resolves to several addresses would be a surprise.
pub(crate) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_address(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "must be an address with a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\", not {text:?}"
        ))
    })
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        Some(port) => Some((Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().ok(),
    }
}

/// The name of a folder: any but the empty one, which would be the working directory by accident.
pub(crate) fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Err(de::Error::custom("must be a folder, not \"\"")) } else { Ok(text.into()) }
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

/// For an address that may be `"off"`.
pub(crate) mod address_or_off {
    use super::{Deserialize, Deserializer, SocketAddr, de, parse_address};

    pub(crate) fn serialize<S: serde::Serializer>(
        value: &Option<SocketAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str("off"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(None);
        }
        parse_address(&text).map(Some).ok_or_else(|| {
            de::Error::custom(format!(
                "must be an address with a port, such as \"127.0.0.1:9092\", or \"off\", not {text:?}"
            ))
        })
    }
}

/// For a file that may be `"off"`.
pub(crate) mod file_or_off {
    use super::{Deserialize, Deserializer, PathBuf, de};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(path) => serializer.collect_str(&path.display()),
            None => serializer.serialize_str("off"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Err(de::Error::custom("must be a file, or \"off\", not \"\"")),
            "off" => Ok(None),
            path => Ok(Some(path.into())),
        }
    }
}

/// For a text that may be `"off"`.
pub(crate) mod text_or_off {
    use super::{Deserialize, Deserializer, de};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_deref().unwrap_or("off"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Err(de::Error::custom("must be a text, or \"off\", not \"\"")),
            "off" => Ok(None),
            text => Ok(Some(text.to_owned())),
        }
    }
}

/// For a secret that may be `"off"`. What stands there is not shown, whatever it is.
pub(crate) mod secret_or_off {
    use super::{super::Secret, Deserialize, Deserializer, de};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if value.is_some() { "***" } else { "off" })
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| de::Error::custom("must be a text, or \"off\""))?;
        Ok(Some(text).filter(|text| text != "off").map(Secret::from))
    }
}

/// For a number that may be `"auto"`.
pub(crate) mod auto_number {
    use super::{Deserializer, de, fmt};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => serializer.serialize_u32(*number),
            None => serializer.serialize_str("auto"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
        deserializer.deserialize_any(NumberOrAuto)
    }

    struct NumberOrAuto;

    impl de::Visitor<'_> for NumberOrAuto {
        type Value = Option<u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number or \"auto\"")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Option<u32>, E> {
            u32::try_from(number).map(Some).map_err(|_| wrong(&number))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<u32>, E> {
            match text {
                "auto" => Ok(None),
                _ => text.parse().map(Some).map_err(|_| wrong(&format_args!("{text:?}"))),
            }
        }
    }

    fn wrong<E: de::Error>(value: &dyn fmt::Display) -> E {
        E::custom(format!("must be a whole number from 0 to {} or \"auto\", not {value}", u32::MAX))
    }
}

/// For a text that may be `"auto"`.
pub(crate) mod auto_text {
    use super::{Deserialize, Deserializer};

    pub(crate) fn serialize<S: serde::Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.as_deref().unwrap_or("auto"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(deserializer)?).filter(|text| text != "auto"))
    }
}

/// For a size that may be `"auto"`.
pub(crate) mod auto_size {
    use serde::Serializer;

    use super::{super::units, Deserialize, Deserializer, de};

    pub(crate) fn serialize<S: Serializer>(value: &Option<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => units::size::serialize(bytes, serializer),
            None => serializer.serialize_str("auto"),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if text == "auto" => Ok(None),
            value => units::size::deserialize(value).map(Some).map_err(|error| de::Error::custom(error.message())),
        }
    }
}
