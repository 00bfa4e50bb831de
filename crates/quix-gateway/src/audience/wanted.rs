//! `Wanted`: which ids of one stream a connection gets, all its subscriptions taken together.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::subscription::{Kind, Scope, Select, Subscription};

/// Everything a connection has asked for in a topic.
pub(crate) type Wishes = BTreeSet<Subscription>;

/// Ids of parameters or events. Equal ones lead to the same callbacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    All,
    /// Sorted, each once, at least one.
    These(Box<[Arc<str>]>),
}

impl Wanted {
    /// What is wanted of a stream, or without a name, of those that no subscription names; `None` if nothing is.
    pub(crate) fn of(wishes: &Wishes, kind: Kind, stream: Option<&Arc<str>>) -> Option<Self> {
        let named = stream.map(|stream| Select::One(stream.clone()));
        let mut ids = Vec::new();
        for stream in [Some(Select::All), named].into_iter().flatten() {
            for wish in of_stream(wishes, kind, stream) {
                match &wish.id {
                    Select::All => return Some(Self::All),
                    Select::One(id) => ids.push(id.clone()),
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        (!ids.is_empty()).then(|| Self::These(ids.into()))
    }

    /// Whether this id is among them; case matters.
    pub(crate) fn has(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.binary_search_by(|wanted| (**wanted).cmp(id)).is_ok(),
        }
    }
}

/// The subscriptions of one kind that name a stream so.
fn of_stream(wishes: &Wishes, kind: Kind, stream: Select) -> impl Iterator<Item = &Subscription> {
    let first = Subscription { kind, stream, id: Select::All, scope: Scope::Topic };
    let alike = first.clone();
    wishes.range(first..).take_while(move |wish| wish.kind == kind && wish.stream == alike.stream)
}
