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
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::connection::Who;
    use crate::groups::{enter_user, leave_all};
    use crate::outbox::{Drain, Outbox};
    use crate::service::Shared;
    use crate::user::User;
    use crate::{Hub, HubServer, Options};

    #[test]
    fn a_user_stands_for_all_its_connections_until_they_end() {
        let server = HubServer::new("/hub", Hub::new(), Options::default());
        let shared = server.clients().server.unwrap();
        let [a, b, c, nobody] = [Some("ann"), Some("ann"), Some("Ann"), None].map(|user| connect(&shared, user));
        let of = |ids: &[&str]| {
            let mut found: Vec<_> = shared.users.members_of_all(ids).iter().map(ConnectionHandle::id).collect();
            found.sort();
            found
        };
        let sorted = |handles: &[&ConnectionHandle]| {
            let mut ids: Vec<_> = handles.iter().map(|handle| handle.id()).collect();
            ids.sort();
            ids
        };
        assert_eq!(of(&["ann"]), sorted(&[&a, &b]), "with case");
        assert_eq!(of(&["ann", "Ann", "nobody", "ann"]), sorted(&[&a, &b, &c]));
        assert_eq!((a.user_id(), nobody.user_id()), (Some("ann"), None));
        leave_all(&shared, &a);
        leave_all(&shared, &a);
        assert_eq!(of(&["ann"]), sorted(&[&b]));
        enter_user(&shared, &a);
        assert_eq!(of(&["ann"]), sorted(&[&b]), "what has ended does not come back");
        for handle in [&b, &c, &nobody] {
            leave_all(&shared, handle);
        }
        assert_eq!(shared.users.0.len(), 0, "nothing is left of users who have gone");
    }

    /// Else what a connection notes of itself and where it stands could part: a member for ever that thinks it is none.
    #[test]
    fn a_removal_that_comes_during_an_addition_waits_for_it() {
        let server = HubServer::new("/hub", Hub::new(), Options::default());
        let shared = server.clients().server.unwrap();
        let handle = connect(&shared, None);
        let started = AtomicBool::new(false);
        std::thread::scope(|scope| {
            shared.groups.enter("g", &handle, || {
                scope.spawn(|| {
                    started.store(true, Ordering::Relaxed);
                    shared.groups.strike("g", handle.id(), || handle.leave("g"));
                });
                let joins = handle.join("g");
                for _ in 0..1_000 {
                    std::thread::yield_now();
                }
                while !started.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                joins
            });
        });
        assert_eq!(shared.groups.members("g", &[]), []);
        assert!(handle.leave_groups().is_empty());
    }

    fn connect(shared: &Shared, user: Option<&str>) -> ConnectionHandle {
        let outbox = Outbox::new(None, Drain::Task, shared.bounds.clone(), shared.metrics.clone(), Instant::now());
        let who = Who { user: user.map(User::new), context: None };
        let handle = ConnectionHandle::of(ConnectionId::random(), outbox, who);
        enter_user(shared, &handle);
        handle
    }
}
