//! `Groups`: which audiences get the same of a stream, remembered per stream that a subscription names.
//!
//! All other streams are alike, and one answer per kind serves them: what is remembered grows with subscriptions, never with
//! the streams of a topic.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::wanted::{Wanted, Wishes};
use crate::subscription::{Kind, Select};

/// An audience's number.
pub(crate) type Slot = usize;

/// Audiences that want the same of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) wanted: Wanted,
    /// In ascending order.
    pub(crate) audiences: Vec<Slot>,
}

/// The audiences of a topic by what they name.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    kinds: [OfKind; Kind::ALL.len()],
    /// Audiences in remembered answers, each counted as often as it is there.
    remembered: usize,
}

#[derive(Debug, Default)]
struct OfKind {
    /// Audiences that name `*`.
    all: BTreeSet<Slot>,
    named: HashMap<Arc<str>, Named>,
    /// For streams that nobody names.
    others: Option<Arc<[Group]>>,
    /// Counts changes of `all`, each of which makes every answer void.
    version: u64,
}

#[derive(Debug, Default)]
struct Named {
    audiences: BTreeSet<Slot>,
    /// With the version that it belongs to.
    answer: Option<(u64, Arc<[Group]>)>,
}

impl Groups {
    /// Takes in a new audience.
    pub(crate) fn add(&mut self, slot: Slot, wishes: &Wishes) {
        for wish in wishes {
            let kind = &mut self.kinds[wish.kind as usize];
            match &wish.stream {
                Select::All => {
                    if kind.all.insert(slot) {
                        kind.change_all();
                    }
                }
                Select::One(stream) => {
                    let named = kind.named.entry(stream.clone()).or_default();
                    named.audiences.insert(slot);
                    self.remembered -= named.forget();
                }
            }
        }
    }

    /// Takes out an audience that was added with these wishes.
    pub(crate) fn remove(&mut self, slot: Slot, wishes: &Wishes) {
        for wish in wishes {
            let kind = &mut self.kinds[wish.kind as usize];
            match &wish.stream {
                Select::All => {
                    if kind.all.remove(&slot) {
                        kind.change_all();
                    }
                }
                Select::One(stream) => {
                    let Some(named) = kind.named.get_mut(stream) else { continue };
                    named.audiences.remove(&slot);
                    self.remembered -= named.forget();
                    if named.audiences.is_empty() {
                        kind.named.remove(stream);
                    }
                }
            }
        }
    }

    /// Who gets what of a stream's packages; each audience is in one group at most. `wishes` tells those of an audience.
    pub(crate) fn of<'w>(
        &mut self,
        kind: Kind,
        stream: &str,
        wishes: impl Fn(Slot) -> &'w Arc<Wishes>,
    ) -> Arc<[Group]> {
        let of_kind = &mut self.kinds[kind as usize];
        let all = &of_kind.all;
        let Some((name, named)) = named(&mut of_kind.named, stream) else {
            let others = || grouped(all.iter().map(|slot| (*slot, Wanted::of(wishes(*slot), kind, None))));
            return of_kind.others.get_or_insert_with(others).clone();
        };
        if let Some((version, answer)) = &named.answer
            && *version == of_kind.version
        {
            return answer.clone();
        }
        self.remembered -= named.forget();
        let concerned = all.union(&named.audiences);
        let answer = grouped(concerned.map(|slot| (*slot, Wanted::of(wishes(*slot), kind, Some(&name)))));
        named.answer = Some((of_kind.version, answer.clone()));
        self.remembered += size(&answer);
        if self.remembered > MAX_REMEMBERED {
            self.forget_all();
        }
        answer
    }

    fn forget_all(&mut self) {
        for named in self.kinds.iter_mut().flat_map(|kind| kind.named.values_mut()) {
            named.forget();
        }
        self.remembered = 0;
    }
}

impl OfKind {
    fn change_all(&mut self) {
        self.version += 1;
        self.others = None;
    }
}

impl Named {
    /// Its size.
    fn forget(&mut self) -> usize {
        self.answer.take().map_or(0, |(_, answer)| size(&answer))
    }
}

/// The entry of a stream, with its name to share.
fn named<'n>(all: &'n mut HashMap<Arc<str>, Named>, stream: &str) -> Option<(Arc<str>, &'n mut Named)> {
    let name = all.get_key_value(stream)?.0.clone();
    Some((name, all.get_mut(stream)?))
}

fn grouped(audiences: impl Iterator<Item = (Slot, Option<Wanted>)>) -> Arc<[Group]> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::new();
    for (slot, wanted) in audiences {
        let Some(wanted) = wanted else { continue };
        let place = *places.entry(wanted).or_insert_with_key(|wanted| {
            groups.push(Group { wanted: wanted.clone(), audiences: Vec::new() });
            groups.len() - 1
        });
        groups[place].audiences.push(slot);
    }
    groups.into()
}

fn size(answer: &[Group]) -> usize {
    answer.iter().map(|group| group.audiences.len()).sum()
}

/// Past it all answers are forgotten: few topics have as many audiences for `*` and streams with names of their own at once.
const MAX_REMEMBERED: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::{Scope, Subscription};

    #[test]
    fn who_wants_the_same_of_a_stream_is_one_group_whatever_was_asked() {
        let all = [
            wishes(&[("s", "Speed")]),
            wishes(&[("*", "Speed")]),
            wishes(&[("s", "*"), ("s", "Speed")]),
            wishes(&[("s", "rpm"), ("*", "Speed")]),
            wishes(&[("other", "Speed")]),
        ];
        let mut groups = Groups::default();
        all.iter().enumerate().for_each(|(slot, wishes)| groups.add(slot, wishes));
        assert_eq!(
            shown(&mut groups, &all, "s"),
            [("Speed".to_owned(), vec![0, 1]), ("*".to_owned(), vec![2]), ("Speed rpm".to_owned(), vec![3])]
        );
        assert_eq!(shown(&mut groups, &all, "other"), [("Speed".to_owned(), vec![1, 3, 4])]);
        assert_eq!(shown(&mut groups, &all, "unnamed"), [("Speed".to_owned(), vec![1, 3])]);
        assert!(groups.of(Kind::Events, "s", |slot| &all[slot]).is_empty());
        groups.remove(3, &all[3]);
        groups.remove(0, &all[0]);
        assert_eq!(shown(&mut groups, &all, "s"), [("Speed".to_owned(), vec![1]), ("*".to_owned(), vec![2])]);
        assert_eq!(shown(&mut groups, &all, "unnamed"), [("Speed".to_owned(), vec![1])]);
    }

    #[test]
    fn answers_are_remembered_for_named_streams_until_they_change() {
        let all = [wishes(&[("s", "a")]), wishes(&[("*", "b")]), wishes(&[("t", "c")])];
        let mut groups = Groups::default();
        groups.add(0, &all[0]);
        groups.add(1, &all[1]);
        let before = groups.of(Kind::Parameters, "s", |slot| &all[slot]);
        groups.add(2, &all[2]);
        let after = groups.of(Kind::Parameters, "s", |slot| &all[slot]);
        assert!(Arc::ptr_eq(&before, &after), "another stream's audience");
        groups.remove(1, &all[1]);
        assert_eq!(groups.of(Kind::Parameters, "s", |slot| &all[slot]).len(), 1, "one for all streams");
    }

    #[test]
    fn a_million_streams_that_nobody_names_take_no_memory() {
        let all = [wishes(&[("s", "a"), ("*", "b")])];
        let mut groups = Groups::default();
        groups.add(0, &all[0]);
        for number in 0..1_000_000 {
            assert_eq!(groups.of(Kind::Parameters, &format!("stream-{number}"), |slot| &all[slot]).len(), 1);
        }
        assert_eq!((groups.kinds[Kind::Parameters as usize].named.len(), groups.remembered), (1, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_with_its_streams() {
        const STREAMS: usize = 3 * MAX_REMEMBERED / EVERYWHERE;
        const EVERYWHERE: usize = 1000;
        let streams: Vec<_> = (0..STREAMS).map(|number| number.to_string()).collect();
        let mut all: Vec<_> = (0..EVERYWHERE).map(|number| wishes(&[("*", &*number.to_string())])).collect();
        all.push(wishes(&streams.iter().map(|stream| (&**stream, "a")).collect::<Vec<_>>()));
        let mut groups = Groups::default();
        all.iter().enumerate().for_each(|(slot, wishes)| groups.add(slot, wishes));
        for stream in &streams {
            assert_eq!(groups.of(Kind::Parameters, stream, |slot| &all[slot]).len(), EVERYWHERE + 1);
            assert!(groups.remembered <= MAX_REMEMBERED);
        }
        all.iter().enumerate().for_each(|(slot, wishes)| groups.remove(slot, wishes));
        assert_eq!((groups.kinds[Kind::Parameters as usize].named.len(), groups.remembered), (0, 0));
    }

    fn shown(groups: &mut Groups, all: &[Arc<Wishes>], stream: &str) -> Vec<(String, Vec<Slot>)> {
        let groups = groups.of(Kind::Parameters, stream, |slot| &all[slot]);
        let ids = |wanted: &Wanted| match wanted {
            Wanted::All => "*".to_owned(),
            Wanted::These(ids) => ids.join(" "),
        };
        groups.iter().map(|group| (ids(&group.wanted), group.audiences.clone())).collect()
    }

    fn wishes(pairs: &[(&str, &str)]) -> Arc<Wishes> {
        let wish = |(stream, id): &(&str, &str)| Subscription {
            kind: Kind::Parameters,
            stream: Select::of(stream),
            id: Select::of(id),
            scope: Scope::Topic,
        };
        Arc::new(pairs.iter().map(wish).collect())
    }
}
