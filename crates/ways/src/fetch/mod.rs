//! Requests that the server itself makes, to places that its operator named: no further than these may lead.

mod address;
mod body;
mod error;
mod retry_after;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode, Url};

use address::PublicOnly;
pub use error::FetchError;

/// Asks other servers. Clones share connections.
///
/// Connecting may take 5 s, a whole answer with its redirects 30 s. No proxy of the environment is used: it would connect
/// to addresses that nobody here has looked at.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Finds public addresses only, and connects to those that it has looked at.
    public: Client,
    any: Client,
}

/// What an operator permits of one address. It holds for its own scheme, host and port only: where a redirect leads
/// elsewhere, nothing of it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permits {
    /// Whether it may be plain http.
    pub http: bool,
    /// Whether its host may be an address of this machine or network.
    pub private: bool,
}

/// A document.
#[derive(Debug)]
pub struct Answer {
    /// Of the last redirect.
    pub status: StatusCode,
    /// Likewise.
    pub headers: HeaderMap,
    /// Decoded; at most 4 MiB. Empty unless the status says success.
    pub body: Vec<u8>,
    /// Where it was found in the end.
    pub url: Url,
}

/// What a receiver said of what it was sent. Its words are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its status.
    pub status: StatusCode,
    /// How long it wants to be left alone, a day at most.
    pub retry_after: Option<Duration>,
}

impl Fetcher {
    /// # Errors
    /// If the system has no certificates to trust.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Fails if that was done before.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let client = || {
            let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy();
            builder.redirect(reqwest::redirect::Policy::none())
        };
        let public = client().dns_resolver(Arc::new(PublicOnly::default())).build()?;
        Ok(Self { public, any: client().build()? })
    }

    /// The document at an address. `headers` go to its own host only.
    pub async fn get(&self, url: &Url, headers: &HeaderMap, permits: Permits) -> Result<Answer, FetchError> {
        in_time(async {
            let request = Request { method: Method::GET, headers, body: Bytes::new(), permits };
            let (url, response) = self.follow(url, request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = if status.is_success() { body::read(response).await? } else { Vec::new() };
            Ok(Answer { status, headers, body, url })
        })
        .await
    }

    /// Sends a body to an address. A redirect is followed only where it keeps the request and its host.
    pub async fn post(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
        permits: Permits,
    ) -> Result<Receipt, FetchError> {
        in_time(async {
            let request = Request { method: Method::POST, headers, body, permits };
            let (_, response) = self.follow(url, request).await?;
            let receipt = Receipt { status: response.status(), retry_after: retry_after(response.headers()) };
            // So that the connection can be used again; the answer is there, whatever follows.
            _ = tokio::time::timeout(PASS_OVER_TIMEOUT, body::pass_over(response)).await;
            Ok(receipt)
        })
        .await
    }

    async fn follow(&self, first: &Url, request: Request<'_>) -> Result<(Url, Response), FetchError> {
        let mut url = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(first, &url, &request).await?;
            let Some(location) = redirect(&response, &request.method)? else {
                return Ok((url, response));
            };
            url = url.join(&location).map_err(|_| FetchError::Redirect("it is no address"))?;
            if request.method != Method::GET && !is_same_host(first, &url) {
                return Err(FetchError::Redirect("what is sent is for its own host"));
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn ask(&self, first: &Url, url: &Url, request: &Request<'_>) -> Result<Response, FetchError> {
        let is_own = is_same_host(first, url);
        let permits = if is_own { request.permits } else { Permits::default() };
        let client = address::check(url, permits).map(|()| if permits.private { &self.any } else { &self.public })?;
        let mut asked = client.request(request.method.clone(), url.clone());
        if is_own {
            asked = asked.headers(request.headers.clone());
        }
        asked = asked.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        asked.body(request.body.clone()).send().await.map_err(FetchError::of)
    }
}

/// How long an answer wants its sender to wait, a day at most.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry_after::parse(headers, SystemTime::now())
}

struct Request<'a> {
    method: Method,
    headers: &'a HeaderMap,
    body: Bytes,
    permits: Permits,
}

/// Where the answer leads, if it does.
fn redirect(response: &Response, method: &Method) -> Result<Option<String>, FetchError> {
    let keeps_request = match response.status().as_u16() {
        307 | 308 => true,
        301..=303 => false,
        _ => return Ok(None),
    };
    if !keeps_request && method != Method::GET {
        return Err(FetchError::Redirect("it asks for another kind of request"));
    }
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    location.map(|location| Some(location.to_owned())).ok_or(FetchError::Redirect("it does not say where to"))
}

fn is_same_host(a: &Url, b: &Url) -> bool {
    a.origin() == b.origin()
}

async fn in_time<T>(answer: impl Future<Output = Result<T, FetchError>>) -> Result<T, FetchError> {
    tokio::time::timeout(TOTAL_TIMEOUT, answer).await.unwrap_or(Err(FetchError::TimedOut))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PASS_OVER_TIMEOUT: Duration = Duration::from_secs(1);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 3;
