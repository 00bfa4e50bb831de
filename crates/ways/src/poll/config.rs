//! `[[sources.poll]]`: one polling source.

use serde::Serialize;

use crate::Rule;
use crate::fields::{Entry, Fields};

/// Where to fetch from, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollConfig {
    /// Its name: metric label, log field, stream of what its rule names none for. No two have the same.
    pub name: String,
    /// Name or id of the topic.
    pub topic: String,
    /// How records are made of what comes.
    #[serde(flatten)]
    pub rule: Rule,
}

impl Entry for PollConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { name: fields.required("name")?, topic: fields.required("topic")?, rule: Rule::take(fields)? })
    }
}
