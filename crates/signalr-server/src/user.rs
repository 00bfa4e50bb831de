//! `User`: who is behind a connection.

use std::time::Instant;

/// Who a connection belongs to. One user may have several connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name that [`Clients::user`](crate::Clients::user) sends to, compared with case. Default: none.
    pub id: Option<String>,
    /// What tells users without id apart, such as a digest of their credentials: requests for a connection of such a user
    /// must bring the same. Default: none, and then all of them are one.
    pub fingerprint: Option<[u8; 32]>,
    /// When the credentials end, and with them the connection, whose client may come back with new ones. Default: never.
    pub expires: Option<Instant>,
}

impl User {
    /// Somebody without a name, of whom only the credentials are known.
    pub fn anonymous() -> Self {
        Self { id: None, fingerprint: None, expires: None }
    }

    /// A user of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::anonymous() }
    }

    /// Whether both are the same, or the same nobody.
    pub(crate) fn is_same(one: Option<&Self>, other: Option<&Self>) -> bool {
        let fingerprint = |user: Option<&Self>| user.and_then(|user| user.fingerprint);
        match (one.and_then(|user| user.id.as_ref()), other.and_then(|user| user.id.as_ref())) {
            (None, None) => fingerprint(one) == fingerprint(other),
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_told_apart_by_id_else_by_fingerprint() {
        let bearer = |id: Option<&str>, byte| {
            let user = id.map_or(User::anonymous(), User::new);
            Some(User { fingerprint: Some([byte; 32]), ..user })
        };
        let rows = [
            (bearer(Some("ann"), 1), bearer(Some("ann"), 2), true),
            (bearer(Some("ann"), 1), bearer(Some("bob"), 1), false),
            (bearer(None, 1), bearer(None, 1), true),
            (bearer(None, 1), bearer(None, 2), false),
            (bearer(None, 1), bearer(Some("ann"), 1), false),
            (bearer(None, 1), None, false),
            (Some(User::anonymous()), None, true),
            (None, None, true),
        ];
        for (one, other, same) in rows {
            assert_eq!(User::is_same(one.as_ref(), other.as_ref()), same, "{one:?} {other:?}");
            assert_eq!(User::is_same(other.as_ref(), one.as_ref()), same, "{one:?} {other:?}");
        }
    }
}
