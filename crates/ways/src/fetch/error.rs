//! `FetchError`: why a request brought nothing.

use std::error::Error;
use std::net::IpAddr;

use super::body::{MAX_BODY_BYTES, MAX_RATIO};

/// Texts read on from what was asked; they hold no address and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not to be asked unless that is permitted.
    #[error("its host is {0}, an address of this machine or network, which is not allowed")]
    Private(IpAddr),
    /// Not to be asked unless that is permitted.
    #[error("it is plain http, which is not allowed")]
    Http,
    /// A redirect that is not followed, and why.
    #[error("it redirects, and {0}")]
    Redirect(&'static str),
    /// More than 3.
    #[error("it redirects more than 3 times")]
    TooManyRedirects,
    /// Longer than 30 s in all.
    #[error("it did not answer completely within 30 s")]
    TimedOut,
    /// Decoded or as it came.
    #[error("its answer is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    /// A few bytes that become very many.
    #[error("its answer is more than {MAX_RATIO} times as long as what was sent")]
    Inflated,
    /// Neither plain nor gzip.
    #[error("its answer is encoded as something else than gzip")]
    Encoding,
    /// It cannot be decoded.
    #[error("its answer is damaged: {0}")]
    Damaged(String),
    /// Connections that fail and the like.
    #[error("{0}")]
    Failed(String),
}

impl FetchError {
    /// The innermost reason says most, and does not repeat the address, which may hold a secret.
    pub(super) fn of(error: reqwest::Error) -> Self {
        let is_timeout = error.is_timeout();
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            if let Some(ours) = source.downcast_ref::<Self>() {
                return ours.clone();
            }
            cause = source;
        }
        Self::Failed(if is_timeout { "it could not be connected to within 5 s".to_owned() } else { cause.to_string() })
    }
}
