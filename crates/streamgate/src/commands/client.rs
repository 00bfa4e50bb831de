//! The HTTP side of the client commands: addresses, sending, and answers that are errors.

use std::{error::Error, time::Duration};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::{CommandError, Problem};
use crate::suggest;

/// A topic as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) partitions: i32,
}

/// One server.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    base: Url,
    /// For people.
    name: String,
    has_token: bool,
}

impl Client {
    /// Sends this token with every request.
    pub(super) fn new(base: &Url, token: Option<&str>) -> Result<Self, CommandError> {
        Self::named(base, base.to_string(), token)
    }

    /// A server that people know by another name than its address.
    pub(super) fn named(base: &Url, name: String, token: Option<&str>) -> Result<Self, CommandError> {
        // Fails if that was done before.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        if base.scheme() != "https" {
            // A system without certificates speaks plain HTTP all the same.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(base) {
            // A proxy for the outside cannot reach this machine's own loopback.
            builder = builder.no_proxy();
        }
        if let Some(token) = token {
            builder = builder.default_headers(authorization(token)?);
        }
        let http = builder.build().map_err(|error| broken(&name, &error))?;
        Ok(Self { http, base: base.clone(), name, has_token: token.is_some() })
    }

    /// An address below the server's, each part escaped.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// Sends, and waits for any answer.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, CommandError> {
        tokio::time::timeout(ANSWER_TIMEOUT, request.send())
            .await
            .map_err(|_| CommandError::TimedOut { url: self.name.clone() })?
            .map_err(|error| self.failed(&error))
    }

    /// Sends, and makes an error of any answer but a good one. The request's own timeout, if any, covers the body too.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, CommandError> {
        let response = self.answer(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    /// The body as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, CommandError> {
        let body = response.bytes().await.map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&body).map_err(|error| self.not_streamgate(error.to_string()))
    }

    pub(super) async fn topics(&self) -> Result<Vec<Topic>, CommandError> {
        let request = self.http.get(self.url(&["topics"])).timeout(ANSWER_TIMEOUT);
        self.json(self.send(request).await?).await
    }

    /// For requests about one topic: a 404 of the server means that topic, and gets the nearest name with it.
    pub(super) async fn explain(&self, topic: &str, error: CommandError) -> CommandError {
        match error {
            CommandError::Refused(problem) if problem.status == 404 => {
                let topics = self.topics().await.unwrap_or_default();
                let names = topics.iter().flat_map(|topic| [topic.name.as_str(), topic.id.as_str()]);
                let suggestion = suggest::nearest(topic, names).map(str::to_owned);
                CommandError::UnknownTopic { topic: topic.to_owned(), url: self.name.clone(), suggestion }
            }
            other => other,
        }
    }

    /// A failure below HTTP, in words.
    pub(super) fn failed(&self, error: &reqwest::Error) -> CommandError {
        let url = self.name.clone();
        if error.is_timeout() {
            CommandError::TimedOut { url }
        } else if error.is_connect() {
            CommandError::Unreachable { url, reason: root_cause(error) }
        } else {
            broken(&self.name, error)
        }
    }

    pub(super) fn not_streamgate(&self, what: String) -> CommandError {
        CommandError::NotStreamgate { url: self.name.clone(), what }
    }

    async fn refused(&self, response: Response) -> CommandError {
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return CommandError::Unauthorized { url: self.name.clone(), has_token: self.has_token };
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/problem+json") {
            return self.not_streamgate(format!("HTTP status {status}"));
        }
        match self.json::<Problem>(response).await {
            Ok(problem) => CommandError::Refused(Box::new(Problem { status: status.as_u16(), ..problem })),
            Err(error) => error,
        }
    }
}

fn authorization(token: &str) -> Result<HeaderMap, CommandError> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value =
        value.map_err(|_| CommandError::Serve("the token is none: it has characters that none has".into()))?;
    value.set_sensitive(true);
    Ok([(AUTHORIZATION, value)].into_iter().collect())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn broken(name: &str, error: &reqwest::Error) -> CommandError {
    CommandError::Broken { url: name.to_owned(), reason: root_cause(error) }
}

/// The innermost reason: `Connection refused` says more than the four layers around it.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than the longest `limits.delivery_timeout`: until then a server may rightly be silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(150);
