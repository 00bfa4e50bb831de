//! `Clients`: who a message goes to. A message is encoded once per encoding and its frame shared by all.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

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

    /// One connection. Sending to one that has ended does nothing.
    pub fn connection(&self, id: ConnectionId) -> Target {
        self.connections(&[id])
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
        let members = self.server.as_ref().and_then(|server| {
            let members = server.groups.get(group)?;
            Some(members.values().filter(|member| !except.contains(&member.id())).cloned().collect())
        });
        Target { members: members.unwrap_or_default() }
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
        // One for each encoding in use.
        let mut frames: Vec<Frame> = Vec::new();
        let now = Instant::now();
        for (index, member) in self.members.iter().enumerate() {
            // Writes to many sockets take long enough to hold up timers and other tasks.
            if index % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let Some(encoding) = member.encoding() else {
                continue;
            };
            let known = frames.iter().position(|frame| frame.encoding() == encoding);
            let known = known.unwrap_or(frames.len());
            if known == frames.len() {
                let mut builder = FrameBuilder::new(encoding);
                builder.invocation(target, arguments)?;
                frames.push(builder.finish());
            }
            let _: Pushed = member.push(&frames[known], now);
        }
        Ok(())
    }
}

/// Writes before others get their turn. Measured: 64 keeps a timer's delay at 3 ms and costs nothing.
const WRITES_PER_TURN: usize = 64;
