//! `FirstRequest`: what hubs keep of a connection's first request.

use std::borrow::Cow;

use hyper::header::{self, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use signalr_server::Caller;
use signalr_server::auth::query_value;

#[derive(Debug)]
pub(crate) struct FirstRequest {
    query: String,
    headers: HeaderMap,
}

impl FirstRequest {
    pub(crate) fn keep(request: &Parts) -> Option<Self> {
        Some(Self { query: request.uri.query().unwrap_or_default().to_owned(), headers: request.headers.clone() })
    }

    /// Of the caller of a hub that keeps it.
    pub(crate) fn of(caller: &Caller) -> Option<&Self> {
        caller.context()
    }

    pub(crate) fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query_value(&self.query, name)
    }

    /// The values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let name = HeaderName::try_from(name).ok()?;
        let values: Vec<_> = self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        if values.is_empty() { None } else { Some(values.join(",")) }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let lines = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}
