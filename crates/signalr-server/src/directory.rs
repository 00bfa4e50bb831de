//! `Directory`: names, and the connections that stand under each. Groups are one, users another.

use std::collections::HashMap;

use dashmap::DashMap;

use crate::connection::ConnectionHandle;
use crate::ids::ConnectionId;

/// A name is there as long as a connection stands under it.
#[derive(Debug, Default)]
pub(crate) struct Directory(DashMap<String, HashMap<ConnectionId, ConnectionHandle>>);

impl Directory {
    /// Enters a connection if `joins`, which runs while nobody else can change this name's entries: so what it notes
    /// elsewhere and what stands here cannot part.
    pub(crate) fn enter(&self, name: &str, handle: &ConnectionHandle, joins: impl FnOnce() -> bool) {
        let entry = self.0.entry(name.to_owned());
        if joins() {
            entry.or_default().insert(handle.id(), handle.clone());
        }
    }

    /// Strikes a connection out if `leaves`, which runs as in [`enter`](Self::enter).
    pub(crate) fn strike(&self, name: &str, id: ConnectionId, leaves: impl FnOnce() -> bool) {
        if let Some(mut members) = self.0.get_mut(name)
            && leaves()
        {
            members.remove(&id);
        }
        self.0.remove_if(name, |_, members| members.is_empty());
    }

    /// Copies out who stands under a name, but some.
    pub(crate) fn members(&self, name: &str, except: &[ConnectionId]) -> Vec<ConnectionHandle> {
        let Some(members) = self.0.get(name) else {
            return Vec::new();
        };
        members.values().filter(|member| !except.contains(&member.id())).cloned().collect()
    }

    /// The same of several names, each connection once.
    pub(crate) fn members_of_all(&self, names: &[&str]) -> Vec<ConnectionHandle> {
        let mut all = HashMap::new();
        for name in names {
            if let Some(members) = self.0.get(*name) {
                all.extend(members.iter().map(|(id, member)| (*id, member.clone())));
            }
        }
        all.into_values().collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
