//! `Guard`: who is let in with which token, and for how long what was granted holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use access::{Access, Grant, Refused};
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::http::{Uri, request::Parts};
use futures::FutureExt;
use futures::future::BoxFuture;
use signalr_server::auth::bearer_token_of;
use signalr_server::{Authentication, Authenticator, Clients, CloseReason, ConnectionHandle, Denied, User};
use tokio::sync::watch;

use crate::visitor::Visitor;

/// Judges tokens by keys and lists that may change at any time. Without one, everybody may do everything.
#[derive(Debug)]
pub struct Guard {
    access: watch::Sender<Access>,
    closes_on_expiry: bool,
}

/// Why a request is not let in. Its sender is told none of this but [`TwoTokens`](Self::TwoTokens).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It has no token, or an `Authorization` header that is none.
    #[error("there is no token")]
    NoToken,
    /// It has two `Authorization` headers: 400.
    #[error("there are two Authorization headers")]
    TwoTokens,
    /// Its token does not do.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Why what was granted does not hold any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapsed {
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl Guard {
    /// By these keys and lists. Connections end when their token does if `closes_on_expiry`; else they may stay, and only
    /// new requests need another.
    pub fn new(access: Access, closes_on_expiry: bool) -> Arc<Self> {
        Arc::new(Self { access: watch::Sender::new(access), closes_on_expiry })
    }

    /// What the token of a request grants: of its header, else of its query.
    ///
    /// # Errors
    /// Why it grants nothing.
    pub fn admit(&self, headers: &HeaderMap, uri: &Uri, now: SystemTime) -> Result<Arc<Grant>, NotAdmitted> {
        if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return Err(NotAdmitted::TwoTokens);
        }
        let token = bearer_token_of(headers, uri).ok_or(NotAdmitted::NoToken)?;
        Ok(Arc::new(self.check(&token, now)?))
    }

    /// What a token grants.
    ///
    /// # Errors
    /// Why it grants nothing.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Grant, Refused> {
        self.access.borrow().check(token, now)
    }

    /// Changes keys or lists. Connections that do not hold by the new ones are ended by [`end_revoked`](Self::end_revoked).
    pub fn change(&self, change: impl FnOnce(&mut Access)) {
        self.access.send_modify(change);
    }

    /// Hub options that let in whom [`admit`](Self::admit) did; others, whom nobody has asked, are refused.
    pub fn authentication(&self) -> Authentication {
        Authentication::new(ByVisitor { closes_on_expiry: self.closes_on_expiry })
    }

    /// Ends a connection whose token was revoked before others could find it.
    pub(crate) fn look_at(&self, connection: &ConnectionHandle) {
        if let Some(reason) = reason_to_end(&self.access.borrow(), connection) {
            connection.end(reason);
        }
    }

    /// Ends connections whose grant does not hold any more, whenever keys or lists change. Does not end.
    pub async fn end_revoked(self: Arc<Self>, clients: Clients) {
        let mut changes = self.access.subscribe();
        while changes.changed().await.is_ok() {
            let access = changes.borrow_and_update().clone();
            clients.end_where(|connection| reason_to_end(&access, connection));
        }
    }

    /// Waits until a grant does not hold any more.
    pub(crate) async fn lapse(&self, grant: &Grant) -> Lapsed {
        let mut changes = self.access.subscribe();
        let revoked = async {
            if changes.wait_for(|access| !access.still_holds(grant)).await.is_err() {
                std::future::pending().await
            }
        };
        let expired = async {
            match grant.expires.filter(|_| self.closes_on_expiry) {
                Some(expires) => tokio::time::sleep(left(expires)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = revoked => Lapsed::Revoked,
            () = expired => Lapsed::Expired,
        }
    }
}

impl NotAdmitted {
    /// For a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::TwoTokens => "two_tokens",
            Self::Refused(refused) => refused.label(),
        }
    }
}

impl fmt::Display for Lapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Expired => "The token has expired.",
            Self::Revoked => REVOKED,
        })
    }
}

fn reason_to_end(access: &Access, connection: &ConnectionHandle) -> Option<CloseReason> {
    let grant = connection.context::<Visitor>()?.grant()?;
    (!access.still_holds(grant)).then_some(CloseReason::Revoked)
}

/// Knows users by the visitor that stands with their request.
struct ByVisitor {
    closes_on_expiry: bool,
}

impl Authenticator for ByVisitor {
    fn authenticate<'r>(&'r self, request: &'r Parts) -> BoxFuture<'r, Result<Option<User>, Denied>> {
        let grant = request.extensions.get().and_then(Visitor::grant);
        let user = grant.map(|grant| Some(user(grant, self.closes_on_expiry)));
        std::future::ready(user.ok_or(Denied::Unauthenticated)).boxed()
    }
}

/// Who bears a token, if that matters until it ends. A time that the clock here cannot show never comes.
fn user(grant: &Grant, expires: bool) -> User {
    let mut user = User::anonymous();
    user.id.clone_from(&grant.subject);
    user.fingerprint = grant.subject.is_none().then(|| grant.digest.into());
    user.expires = grant.expires.filter(|_| expires).and_then(|expires| Instant::now().checked_add(left(expires)));
    user
}

fn left(expires: SystemTime) -> Duration {
    expires.duration_since(SystemTime::now()).unwrap_or_default()
}

const REVOKED: &str = "Access was revoked.";
