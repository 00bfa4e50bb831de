//! `POST {hub}/negotiate`: a client asks how to connect, and is given an id, a token and the transports there are.

use std::time::Instant;

use signalr_proto::negotiate::{NegotiateResponse, agree_version};

use crate::ids::{ConnectionId, ConnectionToken};
use crate::service::Shared;

/// The document for a client that asked for this version, or `None` when too many connections wait to be used.
pub(crate) fn negotiate(server: &Shared, asked: Option<&str>, now: Instant) -> Option<NegotiateResponse> {
    let options = &server.options;
    let version = match agree_version(asked) {
        Ok(version) => version,
        Err(error) => return Some(NegotiateResponse::Refused { error }),
    };
    if version < options.minimum_negotiate_version {
        let error = format!("The client requested version '{version}', but the server does not support this version.");
        return Some(NegotiateResponse::Refused { error });
    }
    let id = ConnectionId::random();
    let token = if version == 0 { ConnectionToken::version_0(id) } else { ConnectionToken::random() };
    let kept = server.store.negotiate(token, id, now, options.disconnect_timeout, options.max_negotiated);
    server.metrics.negotiated.set(server.store.waiting() as i64);
    kept.then(|| NegotiateResponse::Accepted {
        negotiate_version: version,
        connection_id: id.to_string(),
        connection_token: (version > 0).then(|| token.reveal().to_owned()),
        available_transports: options.transports.iter().map(|transport| transport.offer()).collect(),
    })
}
