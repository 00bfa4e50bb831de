//! `ParameterDefinitions` and `EventDefinitions`: trees of groups, all lists always written.

use super::Spelling;
use super::object::Object;
use crate::model::{Definition, Definitions, EventDefinition, Group, ParameterDefinition};

pub(crate) fn append_definitions<D: Spelt>(out: &mut Vec<u8>, tree: &Definitions<D>, spelling: Spelling) {
    let mut object = Object::begin(out, spelling);
    object.list(D::GROUPS, &tree.groups, |out, group| append_group(out, group, spelling));
    object.list(D::ITEMS, &tree.items, |out, definition| definition.append(out, spelling));
    object.end();
}

fn append_group<D: Spelt>(out: &mut Vec<u8>, group: &Group<D>, spelling: Spelling) {
    let mut object = Object::begin(out, spelling);
    object.member("Name", &group.name);
    object.text("Description", group.description.as_deref());
    object.text("CustomProperties", group.custom_properties.as_deref());
    object.list("ChildGroups", &group.child_groups, |out, group| append_group(out, group, spelling));
    object.list(D::ITEMS, &group.items, |out, definition| definition.append(out, spelling));
    object.end();
}

/// A definition with its members in the order of Quix Streams.
pub(crate) trait Spelt: Definition {
    fn append(&self, out: &mut Vec<u8>, spelling: Spelling);
}

impl Spelt for ParameterDefinition {
    fn append(&self, out: &mut Vec<u8>, spelling: Spelling) {
        let mut object = Object::begin(out, spelling);
        object.text("Id", self.id.as_deref());
        object.text("Name", self.name.as_deref());
        object.text("Description", self.description.as_deref());
        object.double("MinimumValue", self.minimum_value);
        object.double("MaximumValue", self.maximum_value);
        object.text("Unit", self.unit.as_deref());
        object.text("Format", self.format.as_deref());
        object.text("CustomProperties", self.custom_properties.as_deref());
        object.end();
    }
}

impl Spelt for EventDefinition {
    /// The level is always written, though .NET leaves `Trace` out and takes it for `Information`.
    fn append(&self, out: &mut Vec<u8>, spelling: Spelling) {
        let mut object = Object::begin(out, spelling);
        object.text("Id", self.id.as_deref());
        object.text("Name", self.name.as_deref());
        object.text("Description", self.description.as_deref());
        object.text("CustomProperties", self.custom_properties.as_deref());
        object.choice("Level", self.level.name(), self.level as u8);
        object.end();
    }
}
