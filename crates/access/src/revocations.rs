//! Tokens that do not count any more: by their own id, by whose they are, or one by itself.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::check::Grant;
use crate::digest::{Digest, NoDigest};
use crate::unverified::unverified;

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// The token of this id (`jti`).
    TokenId(String),
    /// Every token of this user (`sub`).
    Subject(String),
    /// The token of this digest, of its content or of the whole.
    Token(Digest),
}

/// A list of what is revoked.
#[derive(Debug, Clone, Default)]
pub struct Revocations(HashSet<Revoked>);

/// Why a list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct RevocationsError {
    /// Counted from 1.
    pub line: usize,
    cause: NotRevoked,
}

/// Why a line revokes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRevoked {
    /// Neither of the three forms.
    #[error("`jti ID`, `sub USER` or `token SHA256` is wanted")]
    Form,
    /// No digest behind `token`.
    #[error(transparent)]
    Digest(#[from] NoDigest),
}

impl Revocations {
    pub(crate) fn revoke(&self, grant: &Grant) -> bool {
        let has = |revoked| self.0.contains(&revoked);
        !self.0.is_empty()
            && (has(Revoked::Token(grant.digest))
                || has(Revoked::Token(grant.whole))
                || grant.token_id.clone().is_some_and(|id| has(Revoked::TokenId(id)))
                || grant.subject.clone().is_some_and(|subject| has(Revoked::Subject(subject))))
    }

    /// Adds to the list.
    pub fn add(&mut self, revoked: Revoked) {
        self.0.insert(revoked);
    }
}

/// A line each, as [`Revoked`] is written; blank lines and such that begin with `#` are passed over.
impl FromStr for Revocations {
    type Err = RevocationsError;

    fn from_str(text: &str) -> Result<Self, RevocationsError> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines.map(|(line, text)| text.parse().map_err(|cause| RevocationsError { line, cause })).collect()
    }
}

impl FromIterator<Revoked> for Revocations {
    fn from_iter<I: IntoIterator<Item = Revoked>>(revoked: I) -> Self {
        Self(revoked.into_iter().collect())
    }
}

impl Revoked {
    /// One token: by its own id if it has one, else by the digest of its content.
    pub fn of_token(token: &str) -> Self {
        let id = unverified(token).and_then(|(_, claims)| claims["jti"].as_str().map(str::to_owned));
        let is_line = |id: &String| !id.is_empty() && id.trim() == id && !id.contains(char::is_control);
        id.filter(is_line).map_or_else(|| Self::Token(Digest::of_content(token)), Self::TokenId)
    }
}

/// `jti ID`, `sub USER` or `token SHA256`.
impl FromStr for Revoked {
    type Err = NotRevoked;

    fn from_str(line: &str) -> Result<Self, NotRevoked> {
        let (kind, value) = line.split_once(' ').ok_or(NotRevoked::Form)?;
        let value = value.trim_start();
        match kind {
            _ if value.is_empty() => Err(NotRevoked::Form),
            "jti" => Ok(Self::TokenId(value.to_owned())),
            "sub" => Ok(Self::Subject(value.to_owned())),
            "token" => Ok(Self::Token(value.parse()?)),
            _ => Err(NotRevoked::Form),
        }
    }
}

impl fmt::Display for Revoked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenId(id) => write!(formatter, "jti {id}"),
            Self::Subject(subject) => write!(formatter, "sub {subject}"),
            Self::Token(digest) => write!(formatter, "token {digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_line_for_each() {
        let digest = Digest::of("a token");
        let list = format!("# left in May\nsub ann lee\n\n  jti 4711  \ntoken {digest}\n");
        let read: Revocations = list.parse().unwrap();
        let wanted = [Revoked::Subject("ann lee".into()), Revoked::TokenId("4711".into()), Revoked::Token(digest)];
        assert_eq!(read.0, HashSet::from(wanted.clone()));
        let written: Vec<String> = wanted.iter().map(Revoked::to_string).collect();
        assert_eq!(written.join("\n").parse::<Revocations>().unwrap().0, HashSet::from(wanted));
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for (list, line) in [("jti", 1), ("jti 1\nuser ann", 2), ("# x\nsub ", 2), ("token abc", 1)] {
            assert_eq!(list.parse::<Revocations>().err().map(|error| error.line), Some(line), "{list}");
        }
        let error = "token abc".parse::<Revocations>().unwrap_err();
        assert_eq!(error.to_string(), "line 1: not a SHA-256: 64 hexadecimal digits are wanted");
    }
}
