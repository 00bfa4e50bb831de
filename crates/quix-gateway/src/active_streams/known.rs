//! `Known`: the parameters, or the events, of a stream: those defined and those seen, within bounds.

use std::collections::BTreeMap;

use quix_model::{Definitions, EventDefinition, Group, Located, ParameterDefinition};

/// Ids of one stream: what is defined for some of them, how others were seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known<D, S> {
    defined: BTreeMap<Box<str>, Located<D>>,
    seen: BTreeMap<Box<str>, S>,
    defined_bytes: usize,
    seen_bytes: usize,
}

/// Kind of a parameter's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Numeric,
    String,
    Binary,
}

impl<D, S> Default for Known<D, S> {
    fn default() -> Self {
        Self { defined: BTreeMap::new(), seen: BTreeMap::new(), defined_bytes: 0, seen_bytes: 0 }
    }
}

impl<D: Definition, S: Copy> Known<D, S> {
    /// Whether [`see`](Self::see) would change anything: the first look at an id counts.
    pub(crate) fn is_new(&self, id: &str) -> bool {
        !self.seen.contains_key(id) && self.seen.len() < MAX_IDS && self.seen_bytes + cost(id.len()) <= MAX_BYTES
    }

    /// Remembers an id for which [`is_new`](Self::is_new) holds.
    pub(crate) fn see(&mut self, id: &str, how: S) {
        self.seen_bytes += cost(id.len());
        self.seen.insert(id.into(), how);
    }

    /// The same ids seen, and what a new set of definitions says: each replaces the one before whole. Of one that is too
    /// large what comes first is taken.
    pub(crate) fn redefined(&self, definitions: &Definitions<D>) -> Self {
        let mut gathered = Gathered { defined: BTreeMap::new(), bytes: 0 };
        let is_all = gathered.add("", &definitions.items)
            && definitions.groups.iter().all(|group| gathered.add_group(String::new(), group));
        if !is_all {
            tracing::debug!("definitions of a stream are too large to be kept whole");
        }
        Self {
            defined: gathered.defined,
            defined_bytes: gathered.bytes,
            seen: self.seen.clone(),
            seen_bytes: self.seen_bytes,
        }
    }

    /// All ids: those defined, then those only seen; each part in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, Option<&Located<D>>, Option<S>)> {
        let defined = self.defined.iter().map(|(id, definition)| (&**id, Some(definition), self.seen.get(id).copied()));
        let only_seen = self.seen.iter().filter(|(id, _)| !self.defined.contains_key(*id));
        defined.chain(only_seen.map(|(id, how)| (&**id, None, Some(*how))))
    }

    /// What it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.defined_bytes + self.seen_bytes
    }
}

/// What is defined for a parameter or an event.
pub(crate) trait Definition: Clone + PartialEq {
    fn id(&self) -> Option<&str>;
    /// Of all its texts.
    fn text_bytes(&self) -> usize;
}

impl Definition for ParameterDefinition {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.id, &self.name, &self.description, &self.unit, &self.format, &self.custom_properties];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

impl Definition for EventDefinition {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.id, &self.name, &self.description, &self.custom_properties];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

struct Gathered<D> {
    defined: BTreeMap<Box<str>, Located<D>>,
    bytes: usize,
}

impl<D: Definition> Gathered<D> {
    /// `false`: there is no room for more. Of an id that is defined twice the last definition counts.
    fn add(&mut self, location: &str, items: &[D]) -> bool {
        items.iter().all(|definition| {
            let Some(id) = definition.id() else { return true };
            self.bytes += cost(id.len() + location.len() + definition.text_bytes());
            let fits = self.bytes <= MAX_BYTES && self.defined.len() < MAX_IDS;
            if fits {
                let located = Located { location: location.to_owned(), definition: definition.clone() };
                self.defined.insert(id.into(), located);
            }
            fits
        })
    }

    fn add_group(&mut self, above: String, group: &Group<D>) -> bool {
        if above.len() + group.name.len() > MAX_BYTES {
            return false;
        }
        let location = format!("{above}/{}", group.name);
        self.add(&location, &group.items)
            && group.child_groups.iter().all(|child| self.add_group(location.clone(), child))
    }
}

/// Of texts of that length and what is around them.
fn cost(text_bytes: usize) -> usize {
    text_bytes + 64
}

/// Ids of a kind remembered per stream; as many may be defined.
const MAX_IDS: usize = 1_000;

/// Of the ids seen; as much may be defined.
const MAX_BYTES: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    type Parameters = Known<ParameterDefinition, Kind>;

    #[test]
    fn ids_are_remembered_up_to_a_number_and_a_size() {
        let mut known = Parameters::default();
        let mut remembered = |id: String| {
            let is_new = known.is_new(&id);
            if is_new {
                known.see(&id, Kind::Numeric);
            }
            is_new
        };
        assert!(remembered("a".into()) && !remembered("a".into()));
        assert_eq!((0..5_000).filter(|n| remembered(n.to_string())).count(), MAX_IDS - 1);
        assert!(!remembered("b".into()) && known.bytes() <= MAX_BYTES);
        let mut long = Parameters::default();
        let ids = (0..200).map(|n| format!("{n:01000}"));
        let kept = ids.filter(|id| long.is_new(id).then(|| long.see(id, Kind::String)).is_some()).count();
        assert_eq!(kept, MAX_BYTES / 1064);
    }

    #[test]
    fn a_set_of_definitions_replaces_the_one_before_and_leaves_what_was_seen() {
        let mut known = Parameters::default();
        known.see("speed", Kind::Numeric);
        known.see("driver", Kind::String);
        let known = known.redefined(&definitions(&["gear", "speed"]));
        let ids = |known: &Parameters| -> Vec<_> {
            known.all().map(|(id, definition, kind)| (id.to_owned(), definition.is_some(), kind)).collect()
        };
        let expected =
            [("gear", true, None), ("speed", true, Some(Kind::Numeric)), ("driver", false, Some(Kind::String))];
        assert_eq!(ids(&known), expected.map(|(id, defined, kind)| (id.to_owned(), defined, kind)));
        let known = known.redefined(&Definitions::default());
        assert_eq!(ids(&known).len(), 2, "gear was only defined");
    }

    #[test]
    fn a_group_with_a_huge_name_and_many_definitions_costs_little() {
        let items = (0..100_000).map(|n| parameter(&n.to_string())).collect();
        let name = "x".repeat(1 << 20);
        let inner =
            Group { name: name.clone(), description: None, custom_properties: None, child_groups: vec![], items };
        let group =
            Group { name, description: None, custom_properties: None, child_groups: vec![inner], items: vec![] };
        let known = Parameters::default().redefined(&Definitions { groups: vec![group], items: vec![parameter("a")] });
        assert_eq!(known.all().count(), 1);
        assert!(known.bytes() < MAX_BYTES);
    }

    fn parameter(id: &str) -> ParameterDefinition {
        ParameterDefinition { id: Some(id.to_owned()), ..ParameterDefinition::default() }
    }

    fn definitions(ids: &[&str]) -> Definitions<ParameterDefinition> {
        Definitions { groups: Vec::new(), items: ids.iter().map(|id| parameter(id)).collect() }
    }
}
