//! The POST before the websocket: asks for a connection, gets its id and token.

use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::connect::{ConnectOptions, HubUrl};
use super::error::ConnectError;

/// What the server gave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Negotiated {
    /// Public.
    pub(crate) connection_id: String,
    connection_token: Option<String>,
}

impl Negotiated {
    /// What later requests name the connection by: secret but in version 0, where the id takes its place.
    pub(crate) fn token(&self) -> &str {
        self.connection_token.as_deref().unwrap_or(&self.connection_id)
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    url: Option<String>,
}

/// Negotiates version 1.
pub(super) async fn negotiate(url: &HubUrl, options: &ConnectOptions) -> Result<Negotiated, ConnectError> {
    let stream = TcpStream::connect(&url.authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::post(url.path("/negotiate", "negotiateVersion=1"))
        .header(HOST, &url.authority)
        .header("X-Requested-With", "XMLHttpRequest");
    if let Some(token) = &options.access_token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| ConnectError::Url(error.to_string()))?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        read_negotiation(status, &response.into_body().collect().await?.to_bytes())
    };
    // Driven in turns with the exchange, not on another thread: a request handed over while the connection ends there
    // would never be answered.
    let mut exchange = pin!(exchange);
    tokio::select! {
        biased;
        negotiated = exchange.as_mut() => return negotiated,
        _ = connection => {} // its error is the exchange's as well
    }
    exchange.await
}

/// Reads the answer to a negotiation.
pub(crate) fn read_negotiation(status: u16, body: &[u8]) -> Result<Negotiated, ConnectError> {
    if status != 200 {
        let body = String::from_utf8_lossy(body).into_owned();
        return Err(ConnectError::Negotiate { status, body });
    }
    serde_json::from_slice::<Negotiated>(body).map_err(|unreadable| {
        let refusal = serde_json::from_slice::<Refusal>(body).ok();
        let text = refusal.and_then(|refusal| match (refusal.error, refusal.url) {
            (Some(error), _) => Some(error),
            (None, url) => url.map(|url| format!("redirect to {url}, which is not followed")),
        });
        ConnectError::Refused(text.unwrap_or_else(|| unreadable.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let read = |status, body: &str| read_negotiation(status, body.as_bytes());
        let accepted = r#"{"negotiateVersion":1,"connectionId":"i","connectionToken":"t","availableTransports":[]}"#;
        let negotiated = read(200, accepted).unwrap();
        assert_eq!((negotiated.connection_id.as_str(), negotiated.token()), ("i", "t"));
        assert!(matches!(read(200, r#"{"error":"full"}"#), Err(ConnectError::Refused(text)) if text == "full"));
        assert!(matches!(read(401, ""), Err(ConnectError::Negotiate { status: 401, .. })));
        assert!(matches!(read(200, "<html>"), Err(ConnectError::Refused(_))));
    }
}
