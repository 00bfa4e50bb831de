//! Tokens without content, known by their digests.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::{Digest, NoDigest};
use crate::scopes::Scopes;

/// What is known of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    /// Of the token, which itself is kept nowhere.
    pub digest: Digest,
    /// Whose it is.
    pub subject: Option<String>,
    /// What it allows.
    pub scopes: Scopes,
    /// When it ends; `None`: never.
    pub expires: Option<SystemTime>,
}

/// The list of them. Of two with the same digest the later one counts.
#[derive(Debug, Clone, Default)]
pub struct OpaqueTokens(HashMap<Digest, OpaqueToken>);

impl OpaqueTokens {
    pub(crate) fn get(&self, digest: Digest) -> Option<&OpaqueToken> {
        self.0.get(&digest)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<OpaqueToken> for OpaqueTokens {
    fn from_iter<I: IntoIterator<Item = OpaqueToken>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(|token| (token.digest, token)).collect())
    }
}

/// Why a list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct OpaqueTokensError {
    /// Counted from 1.
    pub line: usize,
    cause: NotAToken,
}

/// Why a line is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    /// It does not begin with a digest.
    #[error(transparent)]
    Digest(#[from] NoDigest),
    /// `exp=` is not followed by seconds since 1970.
    #[error("`exp=` is followed by whole seconds since 1970")]
    Expiry,
    /// A word that grants nothing is a mistake in a list, if not in a signed token.
    #[error(
        "`{0}` is no scope: `read:PATTERN`, `write:PATTERN`, `admin`, `kafka`, `create_topics`, `sub=USER` and `exp=SECONDS` are"
    )]
    Word(String),
}

/// A line each, as [`OpaqueToken`] is written; blank lines and such that begin with `#` are passed over.
impl FromStr for OpaqueTokens {
    type Err = OpaqueTokensError;

    fn from_str(text: &str) -> Result<Self, OpaqueTokensError> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|(line, text)| text.parse::<OpaqueToken>().map_err(|cause| OpaqueTokensError { line, cause }))
            .collect()
    }
}

/// `SHA256 sub=USER exp=SECONDS SCOPE…`: the digest of the token, whose it is (without blanks), when it ends in seconds since
/// 1970, and what it allows; all but the digest may be missing.
impl FromStr for OpaqueToken {
    type Err = NotAToken;

    fn from_str(line: &str) -> Result<Self, NotAToken> {
        let mut words = line.split_ascii_whitespace();
        let digest = words.next().unwrap_or_default().parse()?;
        let (mut subject, mut expires, mut scopes) = (None, None, Vec::new());
        for word in words {
            match word.split_once('=') {
                Some(("sub", user)) if !user.is_empty() => subject = Some(user.to_owned()),
                Some(("exp", seconds)) => expires = Some(time(seconds).ok_or(NotAToken::Expiry)?),
                _ if Scopes::parse(word) == Scopes::default() => return Err(NotAToken::Word(word.to_owned())),
                _ => scopes.push(word),
            }
        }
        Ok(Self { digest, subject, scopes: Scopes::of_words(scopes), expires })
    }
}

impl fmt::Display for OpaqueToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.digest)?;
        if let Some(subject) = &self.subject {
            write!(formatter, " sub={subject}")?;
        }
        if let Some(expires) = self.expires {
            write!(formatter, " exp={}", expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())?;
        }
        let scopes = self.scopes.to_string();
        if scopes.is_empty() { Ok(()) } else { write!(formatter, " {scopes}") }
    }
}

fn time(seconds: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scopes::Right;

    #[test]
    fn a_list_has_a_line_for_each() {
        let (ann, bob) = (Digest::of("ann's"), Digest::of("bob's"));
        let list = format!("# devices\n{ann} sub=ann exp=1798761600 read:f1-* write:f1-data\n\n  {bob}  admin \n");
        let read: OpaqueTokens = list.parse().unwrap();
        let token = read.get(ann).unwrap();
        assert_eq!(token.subject.as_deref(), Some("ann"));
        assert_eq!(token.expires, Some(UNIX_EPOCH + Duration::from_secs(1_798_761_600)));
        assert!(token.scopes.allow(Right::Read, "f1-x") && !token.scopes.allow(Right::Write, "f1-x"));
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        let other = read.get(bob).unwrap();
        assert_eq!((other.expires, other.subject.as_deref(), other.scopes.admin), (None, None, true));
        assert_eq!(other.to_string().parse(), Ok(other.clone()));
    }

    #[test]
    fn a_line_that_is_no_token_is_named() {
        let digest = Digest::of("x");
        for (line, cause) in [
            ("abc read:*".to_owned(), NotAToken::Digest(NoDigest)),
            (format!("{digest} exp=soon"), NotAToken::Expiry),
            (format!("{digest} exp=-1"), NotAToken::Expiry),
            (format!("{digest} raed:*"), NotAToken::Word("raed:*".into())),
            (format!("{digest} sub="), NotAToken::Word("sub=".into())),
            (format!("{digest} read:"), NotAToken::Word("read:".into())),
        ] {
            let error = format!("\n# x\n{line}").parse::<OpaqueTokens>().unwrap_err();
            assert_eq!(error, OpaqueTokensError { line: 3, cause }, "{line}");
        }
    }
}
