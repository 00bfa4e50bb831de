//! `ConnectionId`, which everyone may know, and `ConnectionToken`, which is a connection's secret.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Characters of an id: 16 random bytes in base64url.
const LENGTH: usize = 22;

/// Public name of one connection: 22 characters, unique without coordination.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId([u8; LENGTH]);

/// Secret of one connection, the `id` of its requests. Never shown, never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionToken([u8; LENGTH]);

impl ConnectionId {
    pub(crate) fn random() -> Self {
        Self(random())
    }

    /// A name that a client sent; `None` if it cannot be one of a connection.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if is_name { text.as_bytes().try_into().ok().map(Self) } else { None }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        text(&self.0)
    }
}

impl ConnectionToken {
    pub(crate) fn random() -> Self {
        Self(random())
    }

    /// In version 0 of the negotiation the id is the secret as well.
    pub(crate) fn version_0(id: ConnectionId) -> Self {
        Self(id.0)
    }

    /// What a client presents as `id`; `None` if it cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    pub(crate) fn reveal(&self) -> &str {
        text(&self.0)
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("this is no connection id"))
    }
}

/// A part of it tells as much as the whole: it is random.
impl Hash for ConnectionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0[..16]);
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ConnectionId({self})")
    }
}

impl fmt::Debug for ConnectionToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConnectionToken(***)")
    }
}

fn random() -> [u8; LENGTH] {
    let bytes = DRAWN.with_borrow_mut(|(drawn, left)| {
        if *left == 0 {
            getrandom::fill(drawn.as_flattened_mut()).expect("the system has random numbers");
            *left = drawn.len();
        }
        *left -= 1;
        std::mem::take(&mut drawn[*left])
    });
    let mut text = [0; LENGTH];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(LENGTH));
    text
}

thread_local! {
    /// Random bytes for ids to come, many of one system call, and how many are left.
    static DRAWN: RefCell<([[u8; 16]; 32], usize)> = const { RefCell::new(([[0; 16]; 32], 0)) };
}

fn text(bytes: &[u8; LENGTH]) -> &str {
    // What a client presents as a token may be cut anywhere, but is only ever compared.
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_url_safe_and_tokens_do_not_show() {
        let (a, b) = (ConnectionId::random(), ConnectionId::random());
        assert_ne!(a, b);
        assert!(a.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(ConnectionId::parse(a.as_str()), Some(a));
        assert_eq!(ConnectionId::parse(&"é".repeat(11)), None);
        let token = ConnectionToken::random();
        assert_eq!(ConnectionToken::parse(token.reveal()), Some(token));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert_eq!(ConnectionToken::parse("short"), None);
    }
}
