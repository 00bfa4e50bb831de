//! `Groups`: named sets of connections. They need no making; the last to leave takes them along.

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
        server.groups.enter(group, &handle, || handle.join(group));
        Ok(())
    }

    /// Removes a connection, if it is a member. An empty name is an error.
    pub fn remove(&self, connection: ConnectionId, group: &str) -> Result<(), HubError> {
        check(group)?;
        let Some(server) = &self.server else {
            return Ok(());
        };
        if let Some(handle) = server.store.connection(connection) {
            server.groups.strike(group, connection, || handle.leave(group));
        }
        Ok(())
    }
}

/// Makes a connection that has opened known under its user's id.
pub(crate) fn enter_user(server: &Shared, handle: &ConnectionHandle) {
    if let Some(id) = handle.user_id() {
        server.users.enter(id, handle, || !handle.is_ended());
    }
}

/// Removes an ended connection from all its groups, and from its user.
pub(crate) fn leave_all(server: &Shared, handle: &ConnectionHandle) {
    for group in handle.leave_groups() {
        server.groups.strike(&group, handle.id(), || true);
    }
    if let Some(id) = handle.user_id() {
        server.users.strike(id, handle.id(), || true);
    }
}

fn check(group: &str) -> Result<(), HubError> {
    if group.is_empty() { Err(HubError::new("A group needs a name.")) } else { Ok(()) }
}
