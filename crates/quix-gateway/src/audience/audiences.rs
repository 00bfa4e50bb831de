//! `Audiences`: connections with equal subscriptions and encoding in a row, for handing all of them the same frame.

use std::collections::HashMap;
use std::sync::Arc;

use signalr_server::{ConnectionHandle, ConnectionId, Encoding};

use super::groups::{Group, Groups, Slot};
use super::wanted::Wishes;
use crate::subscription::Kind;

/// Who is in an audience.
pub(crate) trait Member: Clone {
    fn id(&self) -> ConnectionId;
    /// The same at all times.
    fn encoding(&self) -> Encoding;
}

impl Member for ConnectionHandle {
    fn id(&self) -> ConnectionId {
        self.id()
    }

    /// Members have shaken hands: they have called to become such.
    fn encoding(&self) -> Encoding {
        self.encoding().unwrap_or(Encoding::Json)
    }
}

/// All audiences of a topic; a connection is in one.
#[derive(Debug)]
pub(crate) struct Audiences<M> {
    /// By slot; without members those that are free.
    rows: Vec<Audience<M>>,
    free: Vec<Slot>,
    slots: HashMap<(Encoding, Arc<Wishes>), Slot>,
    places: HashMap<ConnectionId, Place>,
    groups: Groups,
}

#[derive(Debug)]
struct Audience<M> {
    encoding: Encoding,
    wishes: Arc<Wishes>,
    members: Vec<M>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    slot: Slot,
    index: usize,
}

impl<M> Default for Audiences<M> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            places: HashMap::new(),
            groups: Groups::default(),
        }
    }
}

impl<M: Member> Audiences<M> {
    /// Puts a connection where its subscriptions belong; all who are there share them.
    pub(crate) fn put(&mut self, member: &M, wishes: &Arc<Wishes>) -> &Arc<Wishes> {
        self.remove(member.id());
        let slot = self.slot(member.encoding(), wishes);
        let audience = &mut self.rows[slot];
        self.places.insert(member.id(), Place { slot, index: audience.members.len() });
        audience.members.push(member.clone());
        &audience.wishes
    }

    /// Takes a connection out, if it is in; an audience goes with its last member.
    pub(crate) fn remove(&mut self, id: ConnectionId) {
        let Some(Place { slot, index }) = self.places.remove(&id) else { return };
        let audience = &mut self.rows[slot];
        audience.members.swap_remove(index);
        if let Some(moved) = audience.members.get(index) {
            self.places.insert(moved.id(), Place { slot, index });
        } else if audience.members.is_empty() {
            let wishes = std::mem::take(&mut audience.wishes);
            self.groups.remove(slot, &wishes);
            self.slots.remove(&(audience.encoding, wishes));
            self.free.push(slot);
        }
    }

    /// Who gets what of a stream's packages.
    pub(crate) fn groups(&mut self, kind: Kind, stream: &str) -> Arc<[Group]> {
        self.groups.of(kind, stream, |slot| &self.rows[slot].wishes)
    }

    /// What all members of an audience speak.
    pub(crate) fn encoding(&self, slot: Slot) -> Encoding {
        self.rows[slot].encoding
    }

    pub(crate) fn members(&self, slot: Slot) -> &[M] {
        &self.rows[slot].members
    }

    fn slot(&mut self, encoding: Encoding, wishes: &Arc<Wishes>) -> Slot {
        let key = (encoding, wishes.clone());
        if let Some(slot) = self.slots.get(&key) {
            return *slot;
        }
        let audience = Audience { encoding, wishes: wishes.clone(), members: Vec::new() };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.rows[slot] = audience;
                slot
            }
            None => {
                self.rows.push(audience);
                self.rows.len() - 1
            }
        };
        self.groups.add(slot, wishes);
        self.slots.insert(key, slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::{Scope, Select, Subscription};

    #[derive(Debug, Clone, PartialEq)]
    struct Page(char, Encoding);

    impl Member for Page {
        fn id(&self) -> ConnectionId {
            ConnectionId::parse(&self.0.to_string().repeat(22)).unwrap()
        }

        fn encoding(&self) -> Encoding {
            self.1
        }
    }

    #[test]
    fn equal_subscriptions_are_one_audience_per_encoding() {
        let mut audiences = Audiences::default();
        let (a, b) = (Page('a', Encoding::Json), Page('b', Encoding::Json));
        let c = Page('c', Encoding::MessagePack);
        for page in [&a, &b, &c] {
            audiences.put(page, &events("x"));
        }
        assert_eq!(rows(&mut audiences), [vec![a.clone(), b.clone()], vec![c.clone()]]);
        audiences.put(&a, &events("y"));
        let groups = audiences.groups(Kind::Events, "s");
        assert_eq!(groups.len(), 2);
        assert_eq!(rows(&mut audiences), [vec![b.clone()], vec![c], vec![a.clone()]]);
        let shared = audiences.put(&a, &events("x")).clone();
        assert!(Arc::ptr_eq(&shared, audiences.put(&b, &events("x"))));
        assert_eq!(rows(&mut audiences)[0], [a, b]);
    }

    #[test]
    fn an_audience_goes_with_its_last_member_and_its_place_is_used_again() {
        let mut audiences = Audiences::default();
        let pages: Vec<_> = ('a'..='e').map(|letter| Page(letter, Encoding::Json)).collect();
        for page in &pages {
            audiences.put(page, &events("x"));
        }
        audiences.remove(pages[1].id());
        audiences.remove(pages[1].id());
        assert_eq!(rows(&mut audiences), [["a", "e", "c", "d"].map(|text| pages[place(text)].clone())]);
        pages.iter().for_each(|page| audiences.remove(page.id()));
        assert!(rows(&mut audiences).is_empty());
        audiences.put(&pages[0], &events("y"));
        assert_eq!((audiences.rows.len(), audiences.slots.len(), audiences.places.len()), (1, 1, 1));
    }

    fn rows(audiences: &mut Audiences<Page>) -> Vec<Vec<Page>> {
        let groups = audiences.groups(Kind::Events, "s");
        let mut slots: Vec<_> = groups.iter().flat_map(|group| group.audiences.clone()).collect();
        slots.sort_unstable();
        slots.into_iter().map(|slot| audiences.members(slot).to_vec()).collect()
    }

    fn place(letter: &str) -> usize {
        usize::from(letter.as_bytes()[0] - b'a')
    }

    fn events(id: &str) -> Arc<Wishes> {
        let (stream, id) = (Select::All, Select::of(id));
        Arc::new([Subscription { kind: Kind::Events, stream, id, scope: Scope::Topic }].into())
    }
}
