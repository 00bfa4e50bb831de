//! `Members`: connections in a row for writing to all of them, found by id for joining and leaving.

use std::collections::HashMap;

use signalr_server::{ConnectionHandle, ConnectionId, Encoding};

#[derive(Debug, Default)]
pub(crate) struct Members {
    row: Vec<ConnectionHandle>,
    places: HashMap<ConnectionId, usize>,
    /// How many speak each encoding, where any do.
    speakers: Vec<(Encoding, usize)>,
}

impl Members {
    /// Adds a connection; twice is once.
    pub(crate) fn insert(&mut self, connection: ConnectionHandle) {
        if self.places.contains_key(&connection.id()) {
            return;
        }
        let encoding = encoding_of(&connection);
        match self.speakers.iter_mut().find(|(spoken, _)| *spoken == encoding) {
            Some((_, count)) => *count += 1,
            None => self.speakers.push((encoding, 1)),
        }
        self.places.insert(connection.id(), self.row.len());
        self.row.push(connection);
    }

    /// Removes a connection, if it is there.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        let Some(place) = self.places.remove(&id) else { return };
        let encoding = encoding_of(&self.row.swap_remove(place));
        self.speakers.iter_mut().filter(|(spoken, _)| *spoken == encoding).for_each(|(_, count)| *count -= 1);
        self.speakers.retain(|(_, count)| *count > 0);
        if let Some(moved) = self.row.get(place) {
            self.places.insert(moved.id(), place);
        }
    }

    /// Removes all.
    pub(crate) fn take(&mut self) -> Vec<ConnectionHandle> {
        self.places.clear();
        self.speakers.clear();
        std::mem::take(&mut self.row)
    }

    /// The encodings its members speak.
    pub(crate) fn encodings(&self) -> Vec<Encoding> {
        self.speakers.iter().map(|(encoding, _)| *encoding).collect()
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

/// Members have shaken hands: they have called to become such.
fn encoding_of(connection: &ConnectionHandle) -> Encoding {
    connection.encoding().unwrap_or(Encoding::Json)
}
