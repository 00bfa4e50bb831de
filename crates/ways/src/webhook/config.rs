//! `[[webhooks]]`: one inbound webhook.

use serde::Serialize;

use crate::Rule;
use crate::fields::{Entry, Fields};

/// Where it comes in, how it is verified, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookConfig {
    /// Path on the public listener, such as `/webhooks/segment`; metric label, log field, and stream of what its rule names
    /// none for. No two have the same.
    pub path: String,
    /// Name or id of the topic.
    pub topic: String,
    /// How records are made of what comes.
    #[serde(flatten)]
    pub rule: Rule,
}

impl Entry for WebhookConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { path: fields.required("path")?, topic: fields.required("topic")?, rule: Rule::take(fields)? })
    }
}
