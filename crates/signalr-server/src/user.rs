//! `User`: who is behind a connection.

use std::time::Instant;

/// Who a connection belongs to. One user may have several connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name that [`Clients::user`](crate::Clients::user) sends to, compared with case. Default: none.
    pub id: Option<String>,
    /// When the credentials end, and with them the connection, whose client may come back with new ones. Default: never.
    pub expires: Option<Instant>,
}

impl User {
    /// Somebody without a name, of whom only the credentials are known.
    pub fn anonymous() -> Self {
        Self { id: None, expires: None }
    }

    /// A user of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), expires: None }
    }
}
