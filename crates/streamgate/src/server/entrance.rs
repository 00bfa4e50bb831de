//! `Entrance`: who is let in at the listeners: anybody, or whoever brings a token that does.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use access::Refused;
use axum::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use kafka_bridge::metrics::LimitHits;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use quix_gateway::{Guard, NotAdmitted, Visitor};

use super::failures::Failures;
use super::host::refuse;
use super::throttle::Throttle;
use crate::config::Limits;

/// What stands between a request and all that is not for anybody.
#[derive(Debug)]
pub(super) struct Entrance {
    guard: Option<Arc<Guard>>,
    failures: Failures,
    refused: Family<Cause, Counter>,
    limit_hits: LimitHits,
    remarks: Throttle,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

impl Entrance {
    pub(super) fn new(
        guard: Option<Arc<Guard>>,
        limits: &Limits,
        limit_hits: LimitHits,
        registry: &mut Registry,
    ) -> Arc<Self> {
        let refused = Family::default();
        registry.register("auth_failures", "Requests whose token was refused, by cause", refused.clone());
        Arc::new(Self { guard, failures: Failures::new(limits), refused, limit_hits, remarks: Throttle::default() })
    }

    /// Whether nobody is asked for a token.
    pub(super) fn is_for_anybody(&self) -> bool {
        self.guard.is_none()
    }

    /// Who asks; `None`: anybody, as nobody is asked for a token.
    ///
    /// # Errors
    /// The answer to a request that is not let in.
    pub(super) fn admit<B>(
        &self,
        request: &Request<B>,
        client: IpAddr,
    ) -> Result<Option<Visitor>, Box<Response<Body>>> {
        let Some(guard) = &self.guard else { return Ok(None) };
        if let Some(silenced) = self.silenced(request.method(), client) {
            return Err(silenced.into());
        }
        match guard.admit(request.headers(), request.uri(), SystemTime::now()) {
            Ok(grant) => Ok(Some(Visitor::granted(grant))),
            Err(why) => {
                if is_guess(why) {
                    self.note_guess(client);
                }
                self.note(why, client);
                Err(answer(why, request.method()).into())
            }
        }
    }

    /// The answer to an address that has guessed so often that it is not listened to.
    pub(super) fn silenced(&self, method: &Method, client: IpAddr) -> Option<Response<Body>> {
        let left = self.failures.silence(client, Instant::now())?;
        self.limit_hits.get_or_create(&[("limit", "auth_failures_per_address")]).inc();
        let detail = "Too many tokens or signatures of this address were refused; try again later.";
        let mut response = refuse(method, StatusCode::TOO_MANY_REQUESTS, detail);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(left.as_secs() + 1));
        Some(response)
    }

    /// Counts a wrong token or signature, which may be somebody who tries until one does.
    pub(super) fn note_guess(&self, client: IpAddr) {
        self.failures.add(client, Instant::now());
    }

    fn note(&self, why: NotAdmitted, client: IpAddr) {
        self.refused.get_or_create(&Cause { cause: why.label() }).inc();
        if let Some(unsaid) = self.remarks.may_speak() {
            tracing::info!(%client, unsaid, "a request was not let in: {why}");
        }
    }
}

/// Whether this may be somebody who tries tokens until one does. Tokens that were good once, or are none, are not: pages and
/// clients come with such by mistake, and others of their address are not to suffer for it.
fn is_guess(why: NotAdmitted) -> bool {
    match why {
        NotAdmitted::NoToken => false,
        NotAdmitted::TwoTokens => true,
        NotAdmitted::Refused(why) => {
            !matches!(why, Refused::Expired | Refused::NotYet | Refused::Revoked | Refused::KeysAwaited)
        }
    }
}

/// All who fail are told the same, but for those who speak with two tongues. Who comes before the keys has not failed.
fn answer(why: NotAdmitted, method: &Method) -> Response<Body> {
    if why == NotAdmitted::TwoTokens {
        return refuse(method, StatusCode::BAD_REQUEST, "There are two Authorization headers; send one.");
    }
    if why == NotAdmitted::Refused(Refused::KeysAwaited) {
        let detail = "The keys that tokens are judged by are not here yet; try again.";
        return refuse(method, StatusCode::SERVICE_UNAVAILABLE, detail);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
