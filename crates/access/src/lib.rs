//! Who may do what: bearer tokens, their scopes, expiry and revocation, as pure decisions.
//!
//! Nothing here reads a file, a clock or a network: keys, lists and the time come in as arguments. [`Access`] is the whole
//! of it: a token goes in, a [`Grant`] or a [`Refused`] comes out. What a grant allows is asked of its [`Scopes`].
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use access::{Access, Algorithm, Key, Right, Signer, TokenRequest};
//!
//! let secret = b"at least thirty-two bytes of secret";
//! let access = Access { keys: vec![Key::new(Algorithm::Hs256, secret)?], ..Access::default() };
//!
//! let now = SystemTime::now();
//! let request = TokenRequest { subject: Some("ann".into()), scope: "read:f1-*".into(), ..TokenRequest::lasting(Duration::from_secs(60)) };
//! let token = Signer::new(Algorithm::Hs256, secret)?.sign(&request, now)?;
//!
//! let grant = access.check(&token, now)?;
//! assert_eq!(grant.subject.as_deref(), Some("ann"));
//! assert!(grant.scopes.allow(Right::Read, "f1-data"));
//! assert!(!grant.scopes.allow(Right::Write, "f1-data"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod check;
mod claims;
mod digest;
mod issue;
mod key;
mod key_set;
mod opaque;
mod revocations;
mod scopes;
mod unverified;

pub use address::is_public;
pub use check::{Access, Grant, LEEWAY, MAX_TOKEN_BYTES, Refused};
pub use digest::{Digest, NoDigest};
pub use issue::{IssueError, OPAQUE_PREFIX, Signer, TokenRequest, opaque_token};
pub use key::{Algorithm, Key, KeyError, MAX_KEYS};
pub use key_set::{KeySetError, keys_of_set};
pub use opaque::{NotAToken, OpaqueToken, OpaqueTokens, OpaqueTokensError};
pub use revocations::{NotRevoked, Revocations, RevocationsError, Revoked};
pub use scopes::{Pattern, Right, Scopes};
pub use unverified::unverified;
