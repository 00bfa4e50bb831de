//! Requests that the server itself makes, to places that its operator named: no further than these may lead.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use access::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, Url, redirect};

/// Fetches documents.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    client: Client,
    /// Whether plain http, and addresses of this machine and network, are meant to be asked.
    may_be_private: bool,
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("its host is {0}, an address of this machine or network")]
    Private(IpAddr),
    #[error("it answers with HTTP status {0}")]
    Status(u16),
    #[error("it is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    #[error("it is not text")]
    NotText,
    #[error("{0}")]
    Failed(String),
}

impl Fetcher {
    /// # Errors
    /// If the system has no certificates to trust.
    pub(super) fn new(may_be_private: bool) -> Result<Self, reqwest::Error> {
        // Fails if that was done before.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let follow = redirect::Policy::custom(move |attempt| {
            let is_allowed = attempt.url().scheme() == "https" || may_be_private;
            match literal(attempt.url()).filter(|_| !may_be_private).and_then(private) {
                _ if attempt.previous().len() > MAX_REDIRECTS => attempt.error("too many redirects"),
                _ if !is_allowed => attempt.error("a redirect to an address that is not https"),
                Some(address) => attempt.error(FetchError::Private(address).to_string()),
                None => attempt.follow(),
            }
        });
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            // A proxy would connect to addresses that nobody here has looked at.
            .no_proxy()
            .redirect(follow);
        if !may_be_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Self { client: builder.build()?, may_be_private })
    }

    /// The text at an address.
    pub(super) async fn text(&self, url: &Url) -> Result<String, FetchError> {
        // Host names are looked at when they are resolved.
        if let Some(address) = literal(url).filter(|_| !self.may_be_private).and_then(private) {
            return Err(FetchError::Private(address));
        }
        let response = self.client.get(url.clone()).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        String::from_utf8(body(response).await?).map_err(|_| FetchError::NotText)
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The innermost reason says most.
fn failed(error: reqwest::Error) -> FetchError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    FetchError::Failed(cause.to_string())
}

/// Finds public addresses only, and those are the ones that are then connected to.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find_map(|address| private(address.ip())) {
                Some(address) => Err(io::Error::other(FetchError::Private(address).to_string()).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// The address that stands in a URL in place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The address, if it is not one that everybody would reach the same host by.
fn private(address: IpAddr) -> Option<IpAddr> {
    Some(address).filter(|address| !is_public(*address))
}

const MAX_REDIRECTS: usize = 3;
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_addresses_of_this_machine_are_not_asked_unless_that_is_meant() {
        let fetcher = Fetcher::new(false).unwrap();
        for url in [
            "http://127.0.0.1:1/keys",
            "http://[::1]:1/keys",
            "http://localhost:1/keys",
            "http://0x7f.1:1/",
            "http://198.18.0.1:1/",
        ] {
            let error = fetcher.text(&url.parse().unwrap()).await.unwrap_err().to_string();
            assert!(error.contains("an address of this machine or network"), "{url}: {error}");
        }
        let error = Fetcher::new(true).unwrap().text(&"http://127.0.0.1:1/keys".parse().unwrap()).await.unwrap_err();
        assert!(!error.to_string().contains("an address of this machine"), "{error}");
    }
}
