//! `[[sources.poll]]`: one polling source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::timetable::Interval;
use crate::fields::{Entry, Fields};
use crate::units::Span;
use crate::{Pointer, Rule, Secret};

/// Where to fetch from, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollConfig {
    /// Its name: metric label, log field, stream of what its rule names none for. No two have the same.
    pub name: String,
    /// Name or id of the topic.
    pub topic: String,
    /// What is fetched, https unless `allow_http`. May hold a secret.
    pub url: Secret,
    /// When: `every = "4s"`, at least a second, or `cron = "0 */5 * * * *"` in UTC.
    #[serde(flatten)]
    pub interval: Interval,
    /// Sent with each request, to the host of `url` only. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Where the items are; an array there is one record per element. Default: the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Pointer>,
    /// Where the address of the next page is, of the same host. Default: there is one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Pointer>,
    /// Whether what has not changed is written once only. Default no: all is written at each poll.
    pub only_changed: bool,
    /// Whether `url` may be http. Default no.
    pub allow_http: bool,
    /// Whether its host may be an address of this machine or network. Default no.
    pub allow_private: bool,
    /// How records are made of what comes.
    #[serde(flatten)]
    pub rule: Rule,
}

impl Entry for PollConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self {
            name: fields.required("name")?,
            topic: fields.required("topic")?,
            url: fields.required("url")?,
            interval: interval(fields)?,
            headers: fields.take("headers")?.unwrap_or_default(),
            items: fields.take("items")?,
            next: fields.take("next")?,
            only_changed: fields.take("only_changed")?.unwrap_or(false),
            allow_http: fields.take("allow_http")?.unwrap_or(false),
            allow_private: fields.take("allow_private")?.unwrap_or(false),
            rule: Rule::take(fields)?,
        })
    }
}

impl PollConfig {
    /// Whether a secret stands here, rather than only where it is.
    pub fn holds_secrets(&self) -> bool {
        self.headers.values().any(Secret::is_plain)
    }
}

fn interval(fields: &mut Fields) -> Result<Interval, String> {
    match (fields.take::<Span>("every")?, fields.take("cron")?) {
        (Some(Span(every)), None) if every >= Duration::from_secs(1) => Ok(Interval::Every(Span(every))),
        (Some(_), None) => {
            Err("has an `every` of less than a second: a source is asked once a second at most".to_owned())
        }
        (None, Some(cron)) => Ok(Interval::Cron(cron)),
        _ => Err("needs one of `every` and `cron`".to_owned()),
    }
}
