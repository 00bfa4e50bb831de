//! `POST {hub}/negotiate`: a client asks how to connect, and is given an id, a token and the transports there are.

use std::time::Instant;

use signalr_proto::negotiate::{NegotiateResponse, agree_version};

use crate::address::{ClientAddress, Full};
use crate::connection_store::Waiting;
use crate::ids::{ConnectionId, ConnectionToken};
use crate::service::Shared;
use crate::transport::Transport;

/// What the query of a negotiation asks for.
pub(crate) struct Asked<'q> {
    pub(crate) version: Option<&'q str>,
    pub(crate) stateful_reconnect: bool,
    /// Of whoever asks, if it is known.
    pub(crate) address: Option<&'q ClientAddress>,
}

/// The document for a client that asked for this version, unless too many connections wait to be used.
pub(crate) fn negotiate(server: &Shared, asked: Asked<'_>, now: Instant) -> Result<NegotiateResponse, Full> {
    let options = &server.options;
    let version = match agree_version(asked.version) {
        Ok(version) => version,
        Err(error) => return Ok(NegotiateResponse::Refused { error }),
    };
    if version < options.minimum_negotiate_version {
        let error = format!("The client requested version '{version}', but the server does not support this version.");
        return Ok(NegotiateResponse::Refused { error });
    }
    let id = ConnectionId::random();
    let token = if version == 0 { ConnectionToken::version_0(id) } else { ConnectionToken::random() };
    let is_stateful = asked.stateful_reconnect
        && options.stateful_reconnect
        && options.transports.contains(&Transport::WebSockets)
        && server.raw.is_none();
    let waiting = Waiting { id, is_stateful, since: now };
    let (timeout, most) = (options.disconnect_timeout, options.max_negotiated);
    let kept = server.store.negotiate(token, waiting, asked.address, timeout, most);
    server.metrics.negotiated.set(server.store.waiting() as i64);
    kept.map(|()| NegotiateResponse::Accepted {
        negotiate_version: version,
        connection_id: id.to_string(),
        connection_token: (version > 0).then(|| token.reveal().to_owned()),
        use_stateful_reconnect: is_stateful,
        available_transports: options.transports.iter().map(|transport| transport.offer()).collect(),
    })
}
