//! Websockets: granted to a new connection, or to one that has lost its own.

use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode};

use super::{is_of, query};
use crate::auth::Denied;
use crate::body::Body;
use crate::clock;
use crate::connection::{self, ConnectionHandle, MayReattach, Reattach, Registration, Who};
use crate::connection_store::{Claim, Found, Used};
use crate::ids::{ConnectionId, ConnectionToken};
use crate::outbox::Drain;
use crate::refusal::Refusal;
use crate::service::Shared;
use crate::transport::websocket::{self, Grant};
use crate::transport::{Io, Transport};
use crate::user::User;

impl Shared {
    /// Grants a websocket: with a negotiated token, or without negotiation.
    pub(super) fn connect_websocket(
        self: Arc<Self>,
        head: Parts,
        user: Option<User>,
        grant: Grant,
    ) -> Result<Response<Body>, Refusal> {
        self.check(Transport::WebSockets)?;
        let presented = query(&head, "id");
        let token =
            presented.map(|presented| ConnectionToken::parse(presented).ok_or_else(Refusal::unknown_connection));
        let token = token.transpose()?;
        if let Some(token) = token
            && let Found::Used(used) = self.find(token, user.as_ref())?
        {
            return self.take_over(&used, head, user.as_ref(), grant);
        }
        let seat = self.check_room(&head)?;
        let who = Who { user, context: self.hub.context_of(&head) };
        let (handle, reattach) = match token {
            None => (Handle::Plain(ConnectionId::random(), who), None),
            Some(token) => self.claim_websocket(token, who)?,
        };
        self.connection_began(Transport::WebSockets);
        let upgrade = hyper::upgrade::on(Request::from_parts(head, ()));
        // Nothing of the request may live on in this task: a single kept header would pin the whole head's buffer.
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let (io, early) = websocket::into_io(upgraded);
                    let (handle, io) = handle.over(io, &self);
                    tokio::spawn(connection::run(
                        self,
                        handle,
                        io,
                        early,
                        Registration { token, reattach, _seat: seat },
                    ));
                }
                Err(_) => {
                    self.connection_ended(Transport::WebSockets);
                    token.inspect(|token| self.store.forget_token(*token));
                }
            }
        });
        Ok(grant.response())
    }

    fn claim_websocket(&self, token: ConnectionToken, who: Who) -> Result<(Handle, Option<Arc<Reattach>>), Refusal> {
        let mut handle = None;
        let claim = self.claim(token, |negotiated, early| {
            early.input.end(); // what came by POST is not a websocket's
            if !negotiated.is_stateful {
                handle = Some(Handle::Plain(negotiated.id, who));
                return Used::WebSocket;
            }
            let stateful = ConnectionHandle::of(negotiated.id, self.outbox(None, Drain::Task), who);
            handle = Some(Handle::Stateful(stateful.clone()));
            Used::Stateful(Arc::new(Reattach::new(stateful, clock::now())))
        });
        match (claim, handle) {
            (Claim::Granted(Used::Stateful(reattach)), Some(handle)) => Ok((handle, Some(reattach))),
            (Claim::Granted(_), Some(handle)) => Ok((handle, None)),
            (Claim::InUse(_), _) => Err(Refusal::status(StatusCode::CONFLICT)),
            _ => Err(Refusal::unknown_connection()),
        }
    }

    /// Gives another websocket to a connection that has lost its own, or is about to notice that.
    fn take_over(
        &self,
        used: &Used,
        head: Parts,
        user: Option<&User>,
        grant: Grant,
    ) -> Result<Response<Body>, Refusal> {
        let reattach = match used {
            Used::Http(_) => return Err(Refusal::other_transport()),
            Used::WebSocket => return Err(Refusal::status(StatusCode::CONFLICT)),
            Used::Stateful(reattach) => reattach.clone(),
        };
        match reattach.may() {
            MayReattach::No => return Err(Refusal::status(StatusCode::CONFLICT)),
            MayReattach::Ended => return Err(Refusal::unknown_connection()),
            MayReattach::Yes if !is_of(user, &reattach.handle) => return Err(Denied::Forbidden.into()),
            MayReattach::Yes => {}
        }
        if !reattach.attempt(clock::now(), self.options.max_reattaches_per_second) {
            self.metrics.limit_hit("reattach");
            return Err(Refusal::too_many_attempts());
        }
        let upgrade = hyper::upgrade::on(Request::from_parts(head, ()));
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                let (io, early) = websocket::into_io(upgraded);
                reattach.offer(io.by_task(), early);
            }
        });
        Ok(grant.response())
    }
}

/// A websocket's connection before there is a websocket.
enum Handle {
    /// Whose outbox gets the socket itself.
    Plain(ConnectionId, Who),
    Stateful(ConnectionHandle),
}

impl Handle {
    fn over(self, mut io: Io, server: &Shared) -> (ConnectionHandle, Io) {
        match self {
            Self::Stateful(handle) => (handle, io.by_task()),
            Self::Plain(id, who) => {
                let socket = if let Io::Socket(socket) = &mut io { socket.take() } else { None };
                (ConnectionHandle::of(id, server.outbox(socket, Drain::Task), who), io)
            }
        }
    }
}
