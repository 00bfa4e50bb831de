//! From a hub url to an open connection: negotiation, websocket upgrade, handshake.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use signalr_proto::{Connection, Encoding, Options};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

use super::HubClient;
use super::calls::Calls;
use super::error::{Closed, ConnectError};
use super::negotiate::negotiate;
use super::task::{Progress, Task};
use super::write::write_all;

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Ask by POST for a connection before opening the websocket. Default true; without it the client has no
    /// connection id, and one round trip less.
    pub negotiate: bool,
    /// Sent as bearer token with every request. Default none.
    pub access_token: Option<String>,
    /// Calls by the server that may wait to be taken before the client stops reading. Default 65,536.
    pub incoming_calls: usize,
    /// Pings, timeouts and the longest message: as the protocol's defaults, but for 64 MiB as longest.
    pub protocol: Options,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            negotiate: true,
            access_token: None,
            incoming_calls: 65_536,
            protocol: Options { max_message_bytes: 64 << 20, ..Options::default() },
        }
    }
}

impl ConnectOptions {
    /// The defaults, without negotiation.
    pub fn skip_negotiation() -> Self {
        Self { negotiate: false, ..Self::default() }
    }
}

/// A hub's address in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubUrl {
    /// `host:port`.
    pub(crate) authority: String,
    path: String,
    /// Without its question mark, may be empty.
    query: String,
}

impl HubUrl {
    /// Reads `http://host[:port]/path[?query]`; `ws://` means the same.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::Url(url.to_owned());
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://")).ok_or_else(wrong)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() {
            return Err(wrong());
        }
        let has_port = host
            .rsplit(':')
            .next()
            .is_some_and(|port| host.contains(':') && port.bytes().all(|digit| digit.is_ascii_digit()));
        Ok(Self {
            authority: if has_port { host.to_owned() } else { format!("{host}:80") },
            path: path.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    /// Path and query of a request: `suffix` goes behind the hub's path, `parameter` behind its query.
    pub(crate) fn path(&self, suffix: &str, parameter: &str) -> String {
        let both = [self.query.as_str(), parameter];
        let query: Vec<&str> = both.into_iter().filter(|part| !part.is_empty()).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("{}{suffix}", self.path);
        let slash = if path.is_empty() { "/" } else { "" };
        format!("{slash}{path}{mark}{}", query.join("&"))
    }
}

pub(super) async fn connect(url: &str, options: &ConnectOptions) -> Result<HubClient, ConnectError> {
    let url = HubUrl::parse(url)?;
    let (mut connection_id, mut parameter) = (None, String::new());
    if options.negotiate {
        let negotiated = negotiate(&url, options).await?;
        parameter = format!("id={}", negotiated.token());
        connection_id = Some(negotiated.connection_id);
    }
    let websocket = upgrade(&url, &parameter, options).await?;
    open(websocket, connection_id, options).await
}

async fn upgrade(
    url: &HubUrl,
    parameter: &str,
    options: &ConnectOptions,
) -> Result<WebSocketStream<TcpStream>, ConnectError> {
    let address = format!("ws://{}{}", url.authority, url.path("", parameter));
    let mut request = address.into_client_request().map_err(websocket_error)?;
    if let Some(token) = &options.access_token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let value = value.map_err(|error| ConnectError::Url(error.to_string()))?;
        request.headers_mut().insert("Authorization", value);
    }
    let stream = TcpStream::connect(&url.authority).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(options.protocol.max_message_bytes.saturating_mul(2)))
        .max_frame_size(Some(options.protocol.max_message_bytes.saturating_mul(2)));
    tokio_tungstenite::client_async_with_config(request, stream, Some(config))
        .await
        .map(|(websocket, _)| websocket)
        .map_err(websocket_error)
}

/// Starts the connection's tasks and waits for the handshake.
async fn open(
    websocket: WebSocketStream<TcpStream>,
    connection_id: Option<String>,
    options: &ConnectOptions,
) -> Result<HubClient, ConnectError> {
    let (sink, stream) = websocket.split();
    let (outgoing, to_write) = mpsc::unbounded_channel();
    let (incoming_sender, incoming) = mpsc::channel(options.incoming_calls.max(1));
    let (closed_sender, mut closed) = watch::channel(None::<Closed>);
    let (opened_sender, opened) = oneshot::channel();
    let calls = Arc::new(Calls::default());
    let protocol = Arc::new(options.protocol.clone());
    let task = Task {
        protocol: Connection::client(Encoding::Json, protocol, Instant::now()),
        stream,
        outgoing: outgoing.downgrade(),
        calls: Arc::clone(&calls),
        incoming: incoming_sender,
        opened: Some(opened_sender),
        closed: closed_sender,
        progress: Progress::default(),
    };
    let writer = tokio::spawn(write_all(sink, to_write));
    tokio::spawn(task.run(writer));
    if opened.await.is_err() {
        let end = closed.wait_for(Option::is_some).await;
        let end = end.ok().and_then(|end| end.clone());
        return Err(ConnectError::Handshake(end.unwrap_or_else(Closed::unknown)));
    }
    Ok(HubClient { connection_id, calls, outgoing, incoming: Mutex::new(incoming), closed })
}

fn websocket_error(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response) => ConnectError::Upgrade {
            status: response.status().as_u16(),
            body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
        },
        tungstenite::Error::Io(error) => ConnectError::Io(error),
        error => ConnectError::WebSocket(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        let rows = [
            ("http://h:8080/hub", "h:8080", "/hub/negotiate?n=1", "/hub"),
            ("ws://h/hub?a=1", "h:80", "/hub/negotiate?a=1&n=1", "/hub?a=1"),
            ("http://h:1", "h:1", "/negotiate?n=1", "/"),
        ];
        for (text, authority, negotiate, plain) in rows {
            let url = HubUrl::parse(text).unwrap();
            assert_eq!(url.authority, authority);
            assert_eq!(url.path("/negotiate", "n=1"), negotiate);
            assert_eq!(url.path("", ""), plain);
        }
        assert!(HubUrl::parse("https://h/hub").is_err() && HubUrl::parse("http:///hub").is_err());
    }
}
