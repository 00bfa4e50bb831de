//! `[[destinations.webhook]]`: one outgoing webhook.

use serde::Serialize;

use crate::fields::{Entry, Fields};

/// What is sent where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DestinationConfig {
    /// Its name: metric label, log field, part of its consumer group. No two have the same.
    pub name: String,
    /// Name or id of the topic whose records are sent.
    pub topic: String,
}

impl Entry for DestinationConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { name: fields.required("name")?, topic: fields.required("topic")? })
    }
}
