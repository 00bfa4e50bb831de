//! `Clients`: who a message goes to. A message is encoded once per encoding and its frame shared by all.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use signalr_proto::{CloseReason, Encoding};

use crate::client_results::{InvokeError, ask};
use crate::clock;
use crate::connection::ConnectionHandle;
use crate::error::SendError;
use crate::frame::{Frame, FrameBuilder};
use crate::ids::ConnectionId;
use crate::outbox::Pushed;
use crate::service::Shared;

/// The connections of one server.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(crate) server: Option<Arc<Shared>>,
}

impl Clients {
    /// Every connection.
    pub fn all(&self) -> Target {
        self.all_except(&[])
    }

    /// Every connection but these.
    pub fn all_except(&self, except: &[ConnectionId]) -> Target {
        Target { members: self.server.as_ref().map(|server| server.store.connections(except)).unwrap_or_default() }
    }

    /// One connection, which can also be asked for a result. Sending to one that has ended does nothing.
    pub fn connection(&self, id: ConnectionId) -> Client {
        let handle = self.server.as_ref().and_then(|server| server.store.connection(id));
        Client { id, handle, server: self.server.clone() }
    }

    /// Several connections.
    pub fn connections(&self, ids: &[ConnectionId]) -> Target {
        let find = |server: &Arc<Shared>| ids.iter().filter_map(|id| server.store.connection(*id)).collect();
        Target { members: self.server.as_ref().map(find).unwrap_or_default() }
    }

    /// All members of a group.
    pub fn group(&self, group: &str) -> Target {
        self.group_except(group, &[])
    }

    /// All members of a group but these.
    pub fn group_except(&self, group: &str, except: &[ConnectionId]) -> Target {
        let members = self.server.as_ref().map(|server| server.groups.members(group, except));
        Target { members: members.unwrap_or_default() }
    }

    /// All members of several groups, each once.
    pub fn groups(&self, groups: &[&str]) -> Target {
        let members = self.server.as_ref().map(|server| server.groups.members_of_all(groups));
        Target { members: members.unwrap_or_default() }
    }

    /// Ends those connections for which there is a reason. Of those whose handshake is not over none is asked; a reason
    /// that may come up meanwhile is for [`Hub::on_connected`](crate::Hub::on_connected) to look for.
    pub fn end_where(&self, mut reason: impl FnMut(&ConnectionHandle) -> Option<CloseReason>) {
        let connections = self.server.as_ref().map(|server| server.store.connections(&[])).unwrap_or_default();
        for connection in connections {
            if let Some(reason) = reason(&connection) {
                connection.end(reason);
            }
        }
    }

    /// All connections of a user.
    pub fn user(&self, id: &str) -> Target {
        self.users(&[id])
    }

    /// All connections of several users.
    pub fn users(&self, ids: &[&str]) -> Target {
        let members = self.server.as_ref().map(|server| server.users.members_of_all(ids));
        Target { members: members.unwrap_or_default() }
    }
}

/// One connection chosen to be sent to or asked.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send` or `invoke`"]
pub struct Client {
    id: ConnectionId,
    handle: Option<ConnectionHandle>,
    server: Option<Arc<Shared>>,
}

impl Client {
    /// Calls the client's handler `target`; see [`Target::send`].
    pub async fn send<A: Serialize + ?Sized>(self, target: &str, arguments: &A) -> Result<(), SendError> {
        Target::from(self).send(target, arguments).await
    }

    /// Calls the client's handler `target` as [`send`](Self::send) does, but waits first until little waits for the client:
    /// whoever sends much to one client goes at its pace. A client that takes nothing ends the wait with its connection.
    pub async fn send_paced<A: Serialize + ?Sized>(self, target: &str, arguments: &A) -> Result<(), SendError> {
        if let Some(handle) = &self.handle {
            handle.room().await;
        }
        self.send(target, arguments).await
    }

    /// Calls the client's handler `target` and awaits its result. `arguments` is a tuple. To stop waiting, drop the
    /// future, as `tokio::time::timeout` does: there is no limit of time, but the connection's end.
    ///
    /// A hub method gives its slot back with the first such wait, since the answer may come behind other calls; from then
    /// on later calls of its connection run beside it. That is seen where the method's own future waits, not where
    /// it awaits a task it has spawned. Not possible in the connected handler. Microsoft's JavaScript client answers from
    /// version 7 on; 6 ends the connection.
    pub async fn invoke<R: DeserializeOwned + Send + 'static>(
        self,
        target: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<R, InvokeError> {
        match (&self.server, &self.handle) {
            (Some(server), Some(handle)) => ask(server, handle, target, arguments).await,
            _ => Err(InvokeError::NotFound(self.id)),
        }
    }
}

impl From<Client> for Target {
    fn from(client: Client) -> Self {
        Self { members: Vec::from_iter(client.handle) }
    }
}

/// Connections chosen to be sent to.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Target {
    members: Vec<ConnectionHandle>,
}

impl Target {
    /// Calls the clients' handler `target`. `arguments` is a tuple. Completes when every connection's socket or queue
    /// has the message; connections that have ended are passed over. Never waits for a slow one.
    ///
    /// Messages to one connection keep the order of their sends. Answers to calls are gathered to the end of a turn: what
    /// a method sends to its own caller may come before the answers to earlier calls that arrived with it.
    pub async fn send<A: Serialize + ?Sized>(self, target: &str, arguments: &A) -> Result<(), SendError> {
        let mut frames = Frames::default();
        let now = clock::now();
        for (index, member) in self.members.iter().enumerate() {
            // Writes to many sockets take long enough to hold up timers and other tasks.
            if index % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let Some(encoding) = member.encoding() else {
                continue;
            };
            let frame = frames.of(encoding, target, arguments)?;
            let _: Pushed = member.push(frame, now);
        }
        Ok(())
    }
}

/// One message, once per encoding.
#[derive(Default)]
struct Frames {
    first: Option<Frame>,
    /// Only where an audience is mixed.
    second: Option<Frame>,
}

impl Frames {
    fn of<A: Serialize + ?Sized>(
        &mut self,
        encoding: Encoding,
        target: &str,
        arguments: &A,
    ) -> Result<&Frame, SendError> {
        let is_other = |frame: &Frame| frame.encoding() != encoding;
        let place = if self.first.as_ref().is_some_and(is_other) { &mut self.second } else { &mut self.first };
        match place.take() {
            Some(frame) if !is_other(&frame) => Ok(place.insert(frame)),
            _ => {
                let mut builder = FrameBuilder::new(encoding);
                builder.invocation(target, arguments)?;
                Ok(place.insert(builder.finish()))
            }
        }
    }
}

/// Writes before others get their turn. Measured: 64 keeps a timer's delay at 3 ms and costs nothing.
const WRITES_PER_TURN: usize = 64;
