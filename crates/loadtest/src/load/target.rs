//! The server under load: its address, and the language it speaks over websockets.

use std::net::{SocketAddr, ToSocketAddrs};

use serde_json::json;
use signalr_proto::Encoding;

use super::marker::Marker;
use crate::client::ConnectError;
use crate::client::HubUrl;

/// What is spoken inside websocket messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A Quix hub: handshake, `SubscribeToPackages`, `SendEventData`.
    SignalR,
    /// The bare server: the first message tells the role, the following ones of a publisher go to everybody.
    Bare,
}

/// A server, and the topic used on it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it speaks.
    pub dialect: Dialect,
    /// Topic subscribed to and written to.
    pub topic: String,
    pub(crate) hub: HubUrl,
    pub(crate) access_token: Option<String>,
    upgrade: String,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Subscriber,
    Publisher,
}

impl Target {
    /// From a url `http://host:port/path`; `access_token` goes with the upgrade request.
    pub fn new(url: &str, dialect: Dialect, topic: &str, access_token: Option<&str>) -> Result<Self, ConnectError> {
        let hub = HubUrl::parse(url)?;
        let address = hub.authority.to_socket_addrs()?.next();
        let authorization = access_token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        Ok(Self {
            address: address.ok_or_else(|| ConnectError::Url(url.to_owned()))?,
            dialect,
            topic: topic.to_owned(),
            upgrade: format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n",
                hub.path("", ""),
                hub.authority
            ),
            hub,
            access_token: access_token.map(str::to_owned),
        })
    }

    /// The same server with another topic.
    pub fn with_topic(&self, topic: &str) -> Self {
        Self { topic: topic.to_owned(), ..self.clone() }
    }

    /// The websocket upgrade request, without negotiation.
    pub(crate) fn upgrade(&self) -> &[u8] {
        self.upgrade.as_bytes()
    }

    /// What a bare server is told first.
    pub(crate) fn introduction(role: Role) -> &'static [u8] {
        match role {
            Role::Subscriber => br#"{"role":"subscriber"}"#,
            Role::Publisher => br#"{"role":"publisher"}"#,
        }
    }

    /// The call that subscribes, with invocation id 0.
    pub(crate) fn subscription(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let arguments = (&self.topic,);
        let encoded = Encoding::Json.encode_invocation(Some("0"), "SubscribeToPackages", &arguments, &mut out);
        debug_assert!(encoded.is_ok(), "a tuple of a string always encodes");
        out
    }

    /// One event of `value`, which holds `marker`, in `stream_id`, meant to be sent `timestamp` nanoseconds after 1970.
    pub(crate) fn publication(&self, marker: Marker, stream_id: &str, value: &str, timestamp: u64) -> Vec<u8> {
        match self.dialect {
            Dialect::Bare => value.as_bytes().to_vec(),
            Dialect::SignalR => {
                let mut out = Vec::with_capacity(value.len() + 256);
                let id = marker.number.to_string();
                let event = json!({ "timestamp": timestamp, "id": "load", "value": value });
                let arguments = (&self.topic, stream_id, [event]);
                let encoded = Encoding::Json.encode_invocation(Some(&id), "SendEventData", &arguments, &mut out);
                debug_assert!(encoded.is_ok(), "a tuple of strings and numbers always encodes");
                out
            }
        }
    }
}
