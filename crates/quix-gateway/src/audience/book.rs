//! `Book`: who has asked for what in a topic. Its changes wait here until somebody takes them.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexSet;
use signalr_server::ConnectionId;

use super::wanted::Wishes;
use crate::subscription::{Kind, Scope, Select, Subscription};

/// The subscriptions of connections, each known by its handle `M`.
#[derive(Debug)]
pub(crate) struct Book<M> {
    entries: HashMap<ConnectionId, Entry<M>>,
    /// In the order in which they came. Members of an audience stand in that order, so neighbours in it are often
    /// neighbours in the system's memory too: out of order, a push to one of a thousand takes 7 % more CPU.
    changed: IndexSet<ConnectionId>,
}

/// One connection's subscriptions, at least one.
#[derive(Debug)]
pub(crate) struct Entry<M> {
    pub(crate) member: M,
    /// Shared with whoever has taken them since they changed last.
    pub(crate) wishes: Arc<Wishes>,
}

/// Which subscriptions end.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// Exactly this one.
    One(Subscription),
    /// All that name this stream, `*` being a name here.
    Stream(Select, Scope),
    All,
}

impl Ending {
    /// Whether it ends this one. Those of packages are to a topic as a whole, so no stream's ending ends them.
    pub(crate) fn ends(&self, subscription: &Subscription) -> bool {
        match self {
            Self::One(one) => subscription == one,
            Self::Stream(stream, scope) => {
                subscription.kind != Kind::Packages && subscription.stream == *stream && subscription.scope == *scope
            }
            Self::All => true,
        }
    }
}

impl<M> Default for Book<M> {
    fn default() -> Self {
        Self { entries: HashMap::new(), changed: IndexSet::new() }
    }
}

impl<M: Clone> Book<M> {
    /// Whether a connection has this subscription.
    pub(crate) fn has(&self, id: ConnectionId, subscription: &Subscription) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.wishes.contains(subscription))
    }

    /// Adds a subscription; `false` if it was there.
    pub(crate) fn add(&mut self, id: ConnectionId, member: &M, subscription: Subscription) -> bool {
        if self.has(id, &subscription) {
            return false;
        }
        let new = || Entry { member: member.clone(), wishes: Arc::default() };
        let entry = self.entries.entry(id).or_insert_with(new);
        self.changed.insert(id);
        Arc::make_mut(&mut entry.wishes).insert(subscription)
    }

    /// Ends subscriptions, as far as they are there; the number of them.
    pub(crate) fn end(&mut self, id: ConnectionId, ending: &Ending) -> usize {
        let Some(entry) = self.entries.get_mut(&id) else { return 0 };
        let before = entry.wishes.len();
        match ending {
            Ending::One(one) if !entry.wishes.contains(one) => return 0,
            Ending::One(one) => drop(Arc::make_mut(&mut entry.wishes).remove(one)),
            _ if !entry.wishes.iter().any(|subscription| ending.ends(subscription)) => return 0,
            _ => Arc::make_mut(&mut entry.wishes).retain(|subscription| !ending.ends(subscription)),
        }
        let left = entry.wishes.len();
        if left == 0 {
            self.entries.remove(&id);
        }
        self.changed.insert(id);
        before - left
    }

    /// Tells, in the order of the changes, of each connection whose subscriptions have changed since this was asked last what it has now, if anything.
    pub(crate) fn settle(&mut self, mut tell: impl FnMut(ConnectionId, Option<&mut Entry<M>>)) {
        for id in self.changed.drain(..) {
            tell(id, self.entries.get_mut(&id));
        }
    }

    /// Ends everything; the connections that had something.
    pub(crate) fn take(&mut self) -> Vec<Entry<M>> {
        self.changed.extend(self.entries.keys());
        self.entries.drain().map(|(_, entry)| entry).collect()
    }

    /// Number of connections.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_once_and_what_is_not_there_ends_silently() {
        let mut book = Book::default();
        let a = id('a');
        assert!(book.add(a, &(), speed(Scope::Topic)));
        assert!(!book.add(a, &(), speed(Scope::Topic)));
        assert_eq!(book.end(a, &Ending::One(parameter("s", "speed", Scope::Topic))), 0, "case matters");
        assert_eq!(book.end(id('b'), &Ending::One(speed(Scope::Topic))), 0);
        assert_eq!(book.end(a, &Ending::One(speed(Scope::Topic))), 1);
        assert_eq!(book.end(a, &Ending::One(speed(Scope::Topic))), 0);
        assert!(book.is_empty());
    }

    #[test]
    fn only_the_named_triple_ends() {
        let mut book = Book::default();
        let a = id('a');
        let named = ["Speed", "*"].map(|id| parameter("s", id, Scope::Topic));
        let others = [parameter("*", "Speed", Scope::Topic), parameter("s", "Speed", Scope::AllTopics)];
        for subscription in named.iter().chain(&others) {
            assert!(book.add(a, &(), subscription.clone()));
        }
        assert_eq!(book.end(a, &Ending::One(named[1].clone())), 1, "`*` is a name here");
        assert!(book.has(a, &named[0]) && book.has(a, &others[0]) && book.has(a, &others[1]));
        assert_eq!(book.end(a, &Ending::Stream(Select::of("s"), Scope::Topic)), 1);
        assert!(book.has(a, &others[0]) && book.has(a, &others[1]));
        assert_eq!(book.end(a, &Ending::Stream(Select::All, Scope::Topic)), 1);
        assert_eq!(book.end(a, &Ending::All), 1);
        assert!(book.is_empty());
    }

    #[test]
    fn ending_a_stream_leaves_the_packages_of_the_topic() {
        let mut book = Book::default();
        let packages = Subscription { kind: Kind::Packages, stream: Select::All, id: Select::All, scope: Scope::Topic };
        book.add(id('a'), &(), packages.clone());
        book.add(id('a'), &(), parameter("*", "*", Scope::Topic));
        assert_eq!(book.end(id('a'), &Ending::Stream(Select::All, Scope::Topic)), 1);
        assert!(book.has(id('a'), &packages));
    }

    #[test]
    fn changes_are_told_once_in_their_order_and_what_was_taken_stays_as_it_was() {
        let mut book = Book::default();
        let letters = ['c', 'a', 'b', 'e', 'd'];
        letters.iter().for_each(|letter| assert!(book.add(id(*letter), &(), speed(Scope::Topic))));
        book.add(id('c'), &(), speed(Scope::AllTopics));
        assert_eq!(changed(&mut book), letters.map(id));
        let taken = book.entries[&id('a')].wishes.clone();
        book.add(id('a'), &(), speed(Scope::Topic));
        assert!(changed(&mut book).is_empty());
        book.end(id('a'), &Ending::All);
        assert_eq!(taken.len(), 1);
        assert_eq!(changed(&mut book), [id('a')]);
        assert!(!book.entries.contains_key(&id('a')));
        assert_eq!(book.take().len(), 4);
        assert_eq!((book.len(), changed(&mut book).len()), (0, 4));
    }

    fn changed(book: &mut Book<()>) -> Vec<ConnectionId> {
        let mut changed = Vec::new();
        book.settle(|id, _| changed.push(id));
        changed
    }

    fn speed(scope: Scope) -> Subscription {
        parameter("s", "Speed", scope)
    }

    fn parameter(stream: &str, id: &str, scope: Scope) -> Subscription {
        Subscription { kind: Kind::Parameters, stream: Select::of(stream), id: Select::of(id), scope }
    }

    fn id(letter: char) -> ConnectionId {
        ConnectionId::parse(&letter.to_string().repeat(22)).unwrap()
    }
}
