//! `Secret`: a text of the settings that is never shown, and that may name where it really is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// As it stands in the settings: `file:PATH` is what that file holds, without the end of its last line; `${NAME}`, also
/// within a longer text, is what the environment variable holds; anything else is itself. `Debug` and `Display` give `***`;
/// serialised it is shown only if it says no more than where the secret is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The text itself, wiped when dropped. `Debug` gives `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(Zeroizing<String>);

/// Why a secret cannot be had. Never shows one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not set, or empty, or not UTF-8.
    #[error("the environment variable {0} is not set")]
    Variable(String),
    /// The file cannot be read.
    #[error("the file {} cannot be read: {source}", path.display())]
    File {
        /// As it was named.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is empty.
    #[error("the file {} is empty", .0.display())]
    Empty(PathBuf),
}

impl Secret {
    /// The text itself, for the one place that needs it. Reads the environment and files at once: at the start, not in between.
    pub fn reveal(&self) -> Result<Revealed, SecretError> {
        self.reveal_from(|name| std::env::var(name).ok(), |path| std::fs::read_to_string(path))
    }

    /// Whether it stands in the settings in full or in part, rather than only where it is.
    pub fn is_written_out(&self) -> bool {
        match self.0.strip_prefix(FILE) {
            Some(_) => false,
            None => !matches!(&pieces(&self.0)[..], [Piece::Variable(_)]),
        }
    }

    /// Whether all of it stands in the settings.
    pub fn is_plain(&self) -> bool {
        !self.0.starts_with(FILE) && !pieces(&self.0).iter().any(|piece| matches!(piece, Piece::Variable(_)))
    }

    fn reveal_from(
        &self,
        variable: impl Fn(&str) -> Option<String>,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Revealed, SecretError> {
        if let Some(path) = self.0.strip_prefix(FILE) {
            let path = PathBuf::from(path);
            let text = read(&path).map_err(|source| SecretError::File { path: path.clone(), source })?;
            let text = Zeroizing::new(text);
            let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
            return if text.is_empty() { Err(SecretError::Empty(path)) } else { Ok(Revealed::from(text)) };
        }
        let text = pieces(&self.0).into_iter().map(|piece| match piece {
            Piece::Plain(text) => Ok(text.to_owned()),
            Piece::Variable(name) => {
                variable(name).filter(|text| !text.is_empty()).ok_or_else(|| SecretError::Variable(name.to_owned()))
            }
        });
        text.collect::<Result<String, _>>().map(Revealed::from)
    }
}

impl Revealed {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&str> for Revealed {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Revealed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_written_out() { HIDDEN } else { &self.0 })
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// What stands there is in no error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) if !text.is_empty() && text != FILE => Ok(Self(text)),
            _ => Err(de::Error::custom("must be a text: the secret, \"${VARIABLE}\" or \"file:PATH\"")),
        }
    }
}

enum Piece<'a> {
    Plain(&'a str),
    Variable(&'a str),
}

/// What looks like a variable and is none stays as it is.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(start) = rest[from..].find("${").map(|at| from + at) {
        let name = rest[start + 2..].split_once('}').map(|(name, _)| name).filter(|name| is_name(name));
        let Some(name) = name else {
            from = start + 2;
            continue;
        };
        if start > 0 {
            pieces.push(Piece::Plain(&rest[..start]));
        }
        pieces.push(Piece::Variable(name));
        (rest, from) = (&rest[start + name.len() + 3..], 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

fn is_name(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain && !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit())
}

const FILE: &str = "file:";
const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    fn revealed(text: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "KEY" => Some("abc".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let read = |path: &Path| match path.to_str() {
            Some("/run/key") => Ok("from file\r\n".to_owned()),
            Some("/run/empty") => Ok("\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let revealed = Secret::from(text).reveal_from(variable, read);
        revealed.map(|text| text.as_str().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn references_are_followed_and_all_else_is_itself() {
        for (text, secret) in [
            ("plain", "plain"),
            ("${KEY}", "abc"),
            ("Bearer ${KEY}!", "Bearer abc!"),
            ("${KEY}${KEY}", "abcabc"),
            ("$KEY ${} ${1} ${a b} ${", "$KEY ${} ${1} ${a b} ${"),
            ("${x${KEY}", "${xabc"),
            ("file:/run/key", "from file"),
        ] {
            assert_eq!(revealed(text).as_deref(), Ok(secret), "{text}");
        }
        for (text, error) in [
            ("${NONE}", "the environment variable NONE is not set"),
            ("a${EMPTY}", "the environment variable EMPTY is not set"),
            ("file:/run/empty", "the file /run/empty is empty"),
            ("file:/none", "the file /none cannot be read: entity not found"),
        ] {
            assert_eq!(revealed(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn nothing_shows_a_secret_but_where_it_is() {
        for (text, shown) in
            [("top secret", "***"), ("Bearer ${KEY}", "***"), ("${KEY}", "${KEY}"), ("file:/run/key", "file:/run/key")]
        {
            let secret = Secret::from(text);
            assert_eq!(toml::Value::try_from(&secret).unwrap().as_str(), Some(shown));
            assert_eq!(format!("{secret} {secret:?} {:?}", Revealed::from(text)), "*** *** ***");
        }
        let error = toml::Value::try_from(vec!["hidden"]).unwrap().try_into::<Secret>().unwrap_err().to_string();
        assert!(error.starts_with("must be a text: the secret") && !error.contains("hidden"), "{error}");
    }
}
