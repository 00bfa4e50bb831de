//! `Source`: one polling source and what is known of it. A poll fetches, makes records, and writes them.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{StatusCode, Url};

use super::PollConfig;
use super::changes::{Changes, Seen};
use crate::append::{Append, AppendError, Durable};
use crate::fetch::{Answer, FetchError, Fetcher, Permits, retry_after};
use crate::json::JsonError;
use crate::secret::SecretError;
use crate::{Circumstances, Json, Made, Pointer};

/// Fetches when it is told to, one request at a time.
#[derive(Debug)]
pub struct Source {
    config: PollConfig,
    url: Url,
    headers: HeaderMap,
    fetcher: Fetcher,
    changes: Changes,
    /// How the document was told when it was last written as a whole: `If-None-Match`, `If-Modified-Since`.
    validators: HeaderMap,
}

/// Why a source cannot be had. Shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Of the URL or a header.
    #[error("`{setting}`: {error}")]
    Secret {
        /// Where it stands.
        setting: String,
        /// Why it cannot be had.
        error: SecretError,
    },
    /// The URL is none.
    #[error("`url` is no address such as https://api.example/v2/users")]
    Url,
    /// The name or value of a header cannot be one.
    #[error("`headers` has {0:?}, which cannot be the name of a header, or whose value cannot be one")]
    Header(String),
}

/// What a poll brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Polled {
    /// Records that are durable now.
    pub written: usize,
    /// Items that are as they were.
    pub unchanged: usize,
    /// Items of which no record could be made, or whose record was refused.
    pub refused: usize,
    /// Whether the source itself said that nothing has changed.
    pub not_modified: bool,
}

/// Why a poll brought nothing, or not everything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PollError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It answered with something else than success.
    #[error("it answers with HTTP status {status}")]
    Status {
        /// As it came.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// What came cannot be read.
    #[error("its answer is not what was expected: {0}")]
    Json(#[from] JsonError),
    /// There are no items where they should be.
    #[error("its answer has nothing at {0}, where the setting `items` points")]
    NoItems(Pointer),
    /// The next page is not to be asked.
    #[error("the address of its next page {0}")]
    Next(&'static str),
    /// Records were not taken. Those before them are durable.
    #[error("not everything could be written: {0}")]
    Append(#[from] AppendError),
}

impl PollError {
    /// Value of a metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "unreachable",
            Self::Status { .. } => "status",
            Self::Json(_) | Self::NoItems(_) | Self::Next(_) => "unexpected",
            Self::Append(_) => "not_written",
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}

impl Source {
    /// Reads the secrets of its settings.
    pub fn new(config: PollConfig, fetcher: Fetcher) -> Result<Self, SourceError> {
        let secret = |setting: &str, error| SourceError::Secret { setting: setting.to_owned(), error };
        let url = config.url.reveal().map_err(|error| secret("url", error))?;
        let url: Url = url.as_str().parse().map_err(|_| SourceError::Url)?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        for (name, value) in &config.headers {
            let wrong = || SourceError::Header(name.clone());
            let value = value.reveal().map_err(|error| secret(&format!("headers.{name}"), error))?;
            let mut value = HeaderValue::from_str(value.as_str()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, value);
        }
        Ok(Self { config, url, headers, fetcher, changes: Changes::default(), validators: HeaderMap::new() })
    }

    /// Its settings.
    pub fn config(&self) -> &PollConfig {
        &self.config
    }

    /// Fetches all pages, one after the other, and writes what they hold.
    pub async fn poll(&mut self, append: &dyn Append) -> Result<Polled, PollError> {
        let (mut polled, mut url) = (Polled::default(), self.url.clone());
        for page in 0..MAX_PAGES {
            let answer = self.fetch(&url).await?;
            if answer.status == StatusCode::NOT_MODIFIED {
                polled.not_modified = true;
                return Ok(polled);
            }
            self.validators.clear(); // until all of this is written
            let document = Json::parse(&answer.body)?;
            self.write(document, append, &mut polled).await?;
            let Some(next) = self.next_page(document, &answer.url)? else {
                self.remember(page, &answer, polled);
                return Ok(polled);
            };
            url = next;
        }
        Err(PollError::Next("comes for the hundredth time"))
    }

    async fn fetch(&self, url: &Url) -> Result<Answer, PollError> {
        let mut headers = self.headers.clone();
        if *url == self.url {
            headers.extend(self.validators.clone());
        }
        let permits = Permits { http: self.config.allow_http, private: self.config.allow_private };
        let answer = self.fetcher.get(url, &headers, permits).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED && !self.validators.is_empty() {
            return Ok(answer);
        }
        Err(PollError::Status { status: answer.status.as_u16(), retry_after: retry_after(&answer.headers) })
    }

    /// Hands all items over in their order, so many before the oldest is durable, then waits until all are.
    async fn write(&mut self, document: Json<'_>, append: &dyn Append, polled: &mut Polled) -> Result<(), PollError> {
        let mut under_way = VecDeque::new();
        let mut failure = None;
        for (item, key) in self.items(document)? {
            let seen = self.config.only_changed.then(|| self.changes.of(key.as_deref(), item.text()));
            if seen == Some(None) {
                polled.unchanged += 1;
                continue;
            }
            let Some(made) = self.made(item, append.max_name_bytes(), polled) else { continue };
            if under_way.len() >= MAX_UNDER_WAY
                && let Some((durable, seen)) = under_way.pop_front()
            {
                failure = self.written(durable, seen, polled).await;
                if failure.is_some() {
                    break;
                }
            }
            match append.hand_over(&self.config.topic, &made.stream_id, made.record.outgoing()).await {
                Ok(durable) => under_way.push_back((durable, seen.flatten())),
                Err(error) => {
                    failure = self.refused(error, polled);
                    if failure.is_some() {
                        break;
                    }
                }
            }
        }
        for (durable, seen) in under_way {
            failure = failure.or(self.written(durable, seen, polled).await);
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What ends the poll, if this does.
    async fn written(&mut self, durable: Durable, seen: Option<Seen>, polled: &mut Polled) -> Option<AppendError> {
        match durable.await {
            Ok(()) => {
                polled.written += 1;
                seen.into_iter().for_each(|seen| self.changes.remember(seen));
                None
            }
            Err(error) => {
                if matches!(error, AppendError::OutcomeUnknown(_)) {
                    seen.into_iter().for_each(|seen| self.changes.forget(seen));
                }
                self.refused(error, polled)
            }
        }
    }

    /// Each item, and what tells it from others, if anything but its content does.
    fn items<'a>(&self, document: Json<'a>) -> Result<Vec<(Json<'a>, Option<String>)>, PollError> {
        let found = match &self.config.items {
            Some(pointer) => document.at(pointer).ok_or_else(|| PollError::NoItems(pointer.clone()))?,
            None => document,
        };
        let key = |item: Json<'a>| Some(item.at(self.config.rule.key.as_ref()?)?.into_text());
        Ok(match found.elements() {
            Some(elements) => elements.into_iter().map(|item| (item, key(item))).collect(),
            None => vec![(found, key(found).or(Some(String::new())))],
        })
    }

    fn made(&self, item: Json<'_>, max_name_bytes: usize, polled: &mut Polled) -> Option<Made> {
        let received = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let (stream_id, received) = (&*self.config.name, received as i64);
        let circumstances = Circumstances { stream_id, event: None, received, max_name_bytes };
        let made = self.config.rule.make(item, &circumstances);
        let refused = |error| {
            polled.refused += 1;
            if polled.refused == 1 {
                tracing::warn!(source = self.config.name, "no record can be made of an item: {error}");
            }
        };
        made.map_err(refused).ok()
    }

    /// What ends the poll, if this does: a record that will never be taken does not keep others back.
    fn refused(&self, error: AppendError, polled: &mut Polled) -> Option<AppendError> {
        if !matches!(error, AppendError::TooLarge(_) | AppendError::Refused(_)) {
            return Some(error);
        }
        polled.refused += 1;
        if polled.refused == 1 {
            tracing::warn!(source = self.config.name, "a record was refused: {error}");
        }
        None
    }

    fn next_page(&self, document: Json<'_>, at: &Url) -> Result<Option<Url>, PollError> {
        let link = self.config.next.as_ref().and_then(|pointer| document.at(pointer)?.string());
        let Some(link) = link.filter(|link| !link.is_empty()) else { return Ok(None) };
        let next = at.join(&link).map_err(|_| PollError::Next("is none"))?;
        if next.origin() == self.url.origin() { Ok(Some(next)) } else { Err(PollError::Next("is on another host")) }
    }

    /// Only a document of one page, all of which is written, need not be sent again.
    fn remember(&mut self, page: usize, answer: &Answer, polled: Polled) {
        if !self.config.only_changed || page > 0 || polled.refused > 0 {
            return;
        }
        for (told, asked) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = answer.headers.get(told) {
                self.validators.insert(asked, value.clone());
            }
        }
    }
}

/// Records that are handed over and not durable.
const MAX_UNDER_WAY: usize = 1_000;
/// Of one poll.
const MAX_PAGES: usize = 100;
