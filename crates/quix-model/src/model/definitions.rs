//! Definitions of parameters and events: a list with locations to callers, a tree of groups on Kafka.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::definition::{Definition, EventDefinition, ParameterDefinition};
use super::properties::{lenient_text, text};
use crate::codec::Flaw;
use crate::json::{Node, Spelled};

/// All definitions of a stream, as Kafka has them; each new set replaces the one before whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Definitions<D> {
    /// The groups at the top.
    pub groups: Vec<Group<D>>,
    /// Those in no group.
    pub items: Vec<D>,
}

/// A part of the tree, named by one step of a location.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<D> {
    /// One step of a location.
    pub name: String,
    /// Of writers who define groups; we do not.
    pub description: Option<String>,
    /// Of writers who define groups; we do not.
    pub custom_properties: Option<String>,
    /// Groups in this one.
    pub child_groups: Vec<Self>,
    /// Definitions in this one.
    pub items: Vec<D>,
}

impl<D> Default for Definitions<D> {
    fn default() -> Self {
        Self { groups: Vec::new(), items: Vec::new() }
    }
}

/// A definition and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Located<D> {
    /// Path of its groups such as `/chassis/engine`; empty at the top.
    pub location: String,
    /// What is defined.
    pub definition: D,
}

/// Definitions of one call.
///
/// Deserialises from clients' JSON or MessagePack: an array of definitions with `location`, members in any case, unknown
/// ones ignored. Ids must be there, not empty, and differ. Errors name what is at fault.
/// Source: Quix Streaming Writer API, `PUT …/parameters` and `PUT …/events`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocatedDefinitions<D>(pub Vec<Located<D>>);

/// Why definitions cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionsError {
    /// Readers lose the whole set for it.
    #[error("a definition has no `id`, or an empty one")]
    NoId,
    /// Readers cannot tell them apart.
    #[error("two definitions have the id `{0}`")]
    SameId(String),
    /// .NET readers stop at 64 levels of JSON, of which each group takes two.
    #[error("the location of `{0}` is deeper than {MAX_GROUP_DEPTH} groups")]
    TooDeep(String),
}

/// Groups in groups that .NET readers still follow.
const MAX_GROUP_DEPTH: usize = 30;

/// As a body that is spelt out otherwise may come to.
const MAX_LOCATIONS_BYTES: usize = 16 << 20;

impl<D> Definitions<D> {
    /// All definitions with their locations: those at the top, then group by group. Each location is spelt out, so those that
    /// would come to more than 16 MiB together are left out.
    pub fn located(&self) -> Vec<Located<&D>> {
        let mut list = Vec::new();
        list.extend(self.items.iter().map(|definition| Located { location: String::new(), definition }));
        let mut left = MAX_LOCATIONS_BYTES;
        self.groups.iter().for_each(|group| group.list("", &mut left, &mut list));
        list
    }
}

/// The tree of a list: groups and definitions in the order of first mention; empty steps of a location do not count.
pub(crate) fn tree_of_list<D: Definition>(list: &[Located<D>]) -> Result<Definitions<D>, DefinitionsError> {
    let mut ids = HashSet::new();
    let mut tree = Nursery::new();
    for Located { location, definition } in list {
        let id = definition.id().filter(|id| !id.is_empty()).ok_or(DefinitionsError::NoId)?;
        if !ids.insert(id) {
            return Err(DefinitionsError::SameId(id.to_owned()));
        }
        let steps = location.split('/').filter(|step| !step.is_empty());
        if steps.clone().count() > MAX_GROUP_DEPTH {
            return Err(DefinitionsError::TooDeep(id.to_owned()));
        }
        let place = steps.fold(0, |place, step| tree.child(place, step));
        tree.nodes[place].items.push(definition.clone());
    }
    let top = tree.grown(0);
    Ok(Definitions { groups: top.child_groups, items: top.items })
}

/// Of a record: what is not as it should be is left out, a definition with an empty id too.
pub(crate) fn tree_of_record<D: Definition>(node: &Node<'_>) -> Option<Definitions<D>> {
    matches!(node, Node::Object(_))
        .then(|| Definitions { groups: groups(node.member(D::GROUPS)), items: items(node.member(D::ITEMS)) })
}

impl<D> Group<D> {
    fn list<'a>(&'a self, above: &str, left: &mut usize, list: &mut Vec<Located<&'a D>>) {
        let location = format!("{above}/{}", self.name);
        for definition in &self.items {
            let Some(rest) = left.checked_sub(location.len()) else { return };
            *left = rest;
            list.push(Located { location: location.clone(), definition });
        }
        self.child_groups.iter().for_each(|group| group.list(&location, left, list));
    }
}

/// A tree while it grows: groups lie side by side and are found by their parent and name. The first is the top.
struct Nursery<'a, D> {
    nodes: Vec<Sapling<'a, D>>,
    places: HashMap<(usize, &'a str), usize>,
}

struct Sapling<'a, D> {
    name: &'a str,
    children: Vec<usize>,
    items: Vec<D>,
}

impl<'a, D> Nursery<'a, D> {
    fn new() -> Self {
        Self { nodes: vec![Sapling { name: "", children: Vec::new(), items: Vec::new() }], places: HashMap::new() }
    }

    /// The group of that name in another, new if need be.
    fn child(&mut self, parent: usize, name: &'a str) -> usize {
        let next = self.nodes.len();
        let place = *self.places.entry((parent, name)).or_insert(next);
        if place == next {
            self.nodes[parent].children.push(place);
            self.nodes.push(Sapling { name, children: Vec::new(), items: Vec::new() });
        }
        place
    }

    fn grown(&mut self, place: usize) -> Group<D> {
        let node = &mut self.nodes[place];
        let (name, items, children) =
            (node.name.to_owned(), std::mem::take(&mut node.items), std::mem::take(&mut node.children));
        let child_groups = children.into_iter().map(|child| self.grown(child)).collect();
        Group { name, description: None, custom_properties: None, child_groups, items }
    }
}

fn groups<D: Definition>(node: &Node<'_>) -> Vec<Group<D>> {
    let Node::List(list) = node else { return Vec::new() };
    let group = |node: &Node<'_>| Group {
        name: lenient_text(node.member("Name")).unwrap_or_default(),
        description: lenient_text(node.member("Description")),
        custom_properties: lenient_text(node.member("CustomProperties")),
        child_groups: groups(node.member("ChildGroups")),
        items: items(node.member(D::ITEMS)),
    };
    list.iter().filter(|node| matches!(node, Node::Object(_))).map(group).collect()
}

fn items<D: Definition>(node: &Node<'_>) -> Vec<D> {
    let Node::List(list) = node else { return Vec::new() };
    list.iter()
        .filter(|node| matches!(node, Node::Object(_)))
        .map(D::of_record)
        .filter(|definition| definition.id() != Some(""))
        .collect()
}

impl<'de> Deserialize<'de> for LocatedDefinitions<ParameterDefinition> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Spelled::deserialize(deserializer)?;
        list_of_caller(json.as_str()).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for LocatedDefinitions<EventDefinition> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Spelled::deserialize(deserializer)?;
        list_of_caller(json.as_str()).map_err(D::Error::custom)
    }
}

fn list_of_caller<D: Definition>(json: &str) -> Result<LocatedDefinitions<D>, Flaw> {
    let node = Node::parse(json)?;
    let Node::List(list) = &node else {
        return Err(Flaw::kind("the definitions", "an array", node.kind()));
    };
    let located = |node: &Node<'_>| {
        if !matches!(node, Node::Object(_)) {
            return Err(Flaw::kind("each definition", "an object", node.kind()));
        }
        let location = text("location", node.member("location"))?.unwrap_or_default();
        Ok(Located { location, definition: D::of_caller(node)? })
    };
    let list = list.iter().map(located).collect::<Result<Vec<_>, _>>()?;
    tree_of_list(&list)?;
    Ok(LocatedDefinitions(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_that_are_spelt_out_come_to_16_mib_at_most() {
        let group = |name: String, items| Group {
            name,
            description: None,
            custom_properties: None,
            child_groups: Vec::new(),
            items,
        };
        let long = "g".repeat((1 << 20) - "/".len());
        let groups = vec![group(long, vec!["of many"; 20]), group("h".to_owned(), vec!["behind them"])];
        let located = Definitions { groups, items: vec!["at the top"; 3] }.located().len();
        assert_eq!(located, 3 + 16);
    }
}
