//! `Members`: connections in a row for writing to all of them, found by id for joining and leaving.

use std::collections::HashMap;

use signalr_server::{ConnectionHandle, ConnectionId};

#[derive(Debug, Default)]
pub(crate) struct Members {
    row: Vec<ConnectionHandle>,
    places: HashMap<ConnectionId, usize>,
}

impl Members {
    /// Adds a connection; twice is once.
    pub(crate) fn insert(&mut self, connection: ConnectionHandle) {
        self.places.entry(connection.id()).or_insert_with(|| {
            self.row.push(connection);
            self.row.len() - 1
        });
    }

    /// Removes a connection, if it is there.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        let Some(place) = self.places.remove(&id) else { return };
        self.row.swap_remove(place);
        if let Some(moved) = self.row.get(place) {
            self.places.insert(moved.id(), place);
        }
    }

    /// Removes all.
    pub(crate) fn take(&mut self) -> Vec<ConnectionHandle> {
        self.places.clear();
        std::mem::take(&mut self.row)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, ConnectionHandle> {
        self.row.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.row.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.row.is_empty()
    }
}
