//! `Groups`: named sets of connections. They need no making; the last to leave takes them along.

use std::collections::HashMap;
use std::sync::Arc;

use crate::connection::ConnectionHandle;
use crate::error::HubError;
use crate::ids::ConnectionId;
use crate::service::Shared;

/// Membership of connections in groups. Names are compared with case.
#[derive(Debug, Clone)]
pub struct Groups {
    pub(crate) server: Option<Arc<Shared>>,
}

pub(crate) type Members = HashMap<ConnectionId, ConnectionHandle>;

impl Groups {
    /// Adds a connection; twice is once. A connection that has ended is not added. An empty name is an error.
    pub fn add(&self, connection: ConnectionId, group: &str) -> Result<(), HubError> {
        check(group)?;
        let Some(server) = &self.server else {
            return Ok(());
        };
        let Some(handle) = server.store.connection(connection) else {
            return Ok(());
        };
        if handle.join(group) {
            server.groups.entry(group.to_owned()).or_default().insert(connection, handle.clone());
            if handle.is_ended() {
                leave(server, &handle, group);
            }
        }
        Ok(())
    }

    /// Removes a connection, if it is a member. An empty name is an error.
    pub fn remove(&self, connection: ConnectionId, group: &str) -> Result<(), HubError> {
        check(group)?;
        let Some(server) = &self.server else {
            return Ok(());
        };
        if let Some(handle) = server.store.connection(connection)
            && handle.leave(group)
        {
            leave(server, &handle, group);
        }
        Ok(())
    }
}

/// Removes an ended connection from all its groups.
pub(crate) fn leave_all(server: &Shared, handle: &ConnectionHandle) {
    for group in handle.leave_groups() {
        leave(server, handle, &group);
    }
}

fn leave(server: &Shared, handle: &ConnectionHandle, group: &str) {
    if let Some(mut members) = server.groups.get_mut(group) {
        members.remove(&handle.id());
    }
    server.groups.remove_if(group, |_, members| members.is_empty());
}

fn check(group: &str) -> Result<(), HubError> {
    if group.is_empty() { Err(HubError::new("A group needs a name.")) } else { Ok(()) }
}
