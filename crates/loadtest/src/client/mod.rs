//! An asynchronous SignalR client over websockets, on the client role of `signalr-proto`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use loadtest::client::HubClient;
//!
//! let client = HubClient::connect("http://127.0.0.1:8080/hub").await?;
//! client.invoke("SubscribeToPackages", &("f1-data",)).await?;
//! let events = serde_json::json!([{ "id": "lap", "timestamp": 1, "value": "7" }]);
//! let sent = client.start("SendEventData", &("f1-data", "car-1", events))?; // on its way, in order
//! let call = client.next_call().await.ok_or("closed")?;
//! assert_eq!(call.target, "PackageReceived");
//! let (package,): (serde_json::Value,) = call.bind()?;
//! sent.await?;
//! # Ok(()) }
//! ```

mod calls;
mod connect;
mod error;
mod negotiate;
mod task;
mod write;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use signalr_proto::Encoding;
use tokio::sync::{Mutex, mpsc, watch};

pub use calls::PendingCall;
pub use connect::ConnectOptions;
pub(crate) use connect::HubUrl;
pub use error::{Closed, ConnectError, HubError};
pub(crate) use negotiate::read_negotiation;

use calls::Calls;
use write::Outgoing;

/// One connection to a hub. All methods take `&self`: share it in an `Arc` to call from several tasks. Dropping it says
/// goodbye and closes.
#[derive(Debug)]
pub struct HubClient {
    connection_id: Option<String>,
    calls: Arc<Calls>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    incoming: Mutex<mpsc::Receiver<IncomingCall>>,
    closed: watch::Receiver<Option<Closed>>,
}

/// The server called a method of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// Name of the method.
    pub target: String,
    /// Set if the server wants an answer, which this client does not give.
    pub invocation_id: Option<String>,
    /// The arguments: a JSON array, not parsed yet.
    pub arguments: String,
}

impl HubClient {
    /// Negotiates, opens a websocket to `url` (`http://host:port/hub`), and does the handshake.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, &ConnectOptions::default()).await
    }

    /// As [`connect`](Self::connect), with options, of which skipping the negotiation is one.
    pub async fn connect_with(url: &str, options: &ConnectOptions) -> Result<Self, ConnectError> {
        connect::connect(url, options).await
    }

    /// The public id of this connection, if it was negotiated.
    pub fn connection_id(&self) -> Option<&str> {
        self.connection_id.as_deref()
    }

    /// Calls `target` and waits for its result, `null` if it has none. `arguments` is a tuple or another sequence.
    pub async fn invoke<A: Serialize + ?Sized>(&self, target: &str, arguments: &A) -> Result<Box<RawValue>, HubError> {
        self.start(target, arguments)?.await
    }

    /// As [`invoke`](Self::invoke), and decodes the result.
    pub async fn invoke_as<T: DeserializeOwned>(
        &self,
        target: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<T, HubError> {
        let result = self.invoke(target, arguments).await?;
        serde_json::from_str(result.get()).map_err(HubError::Result)
    }

    /// Puts a call on its way without waiting; calls leave in the order of `start`. The result may be awaited later, or
    /// dropped.
    pub fn start<A: Serialize + ?Sized>(&self, target: &str, arguments: &A) -> Result<PendingCall, HubError> {
        let call = self.calls.open()?;
        let bytes = invocation(Some(call.id()), target, arguments)?;
        self.put(Outgoing::Hub(bytes))?;
        Ok(call)
    }

    /// Calls `target` without asking for a completion.
    pub fn send<A: Serialize + ?Sized>(&self, target: &str, arguments: &A) -> Result<(), HubError> {
        self.put(Outgoing::Hub(invocation(None, target, arguments)?))
    }

    /// Sends bytes as they are, as one websocket text message: for testing how a server takes bad ones.
    pub fn send_raw(&self, bytes: impl Into<Vec<u8>>) -> Result<(), HubError> {
        self.put(Outgoing::Raw(bytes.into()))
    }

    /// The next call by the server, in the order of arrival; `None` once the connection has ended and all were taken.
    ///
    /// Calls wait here, up to [`ConnectOptions::incoming_calls`]. Past that the client stops reading, completions
    /// included, until some are taken.
    pub async fn next_call(&self) -> Option<IncomingCall> {
        self.incoming.lock().await.recv().await
    }

    /// As [`next_call`](Self::next_call), skipping calls of other targets.
    pub async fn next_call_of(&self, target: &str) -> Option<IncomingCall> {
        loop {
            let call = self.next_call().await?;
            if call.target == target {
                return Some(call);
            }
        }
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Closed {
        let mut closed = self.closed.clone();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_else(Closed::unknown),
            Err(_) => Closed::unknown(),
        }
    }

    /// Why the connection has ended, if it has.
    pub fn close_reason(&self) -> Option<Closed> {
        self.closed.borrow().clone()
    }

    /// Says goodbye by a close frame, after all that was started, and waits for the end.
    pub async fn close(&self) -> Closed {
        // A failure to put it means that the connection has ended already.
        let _ = self.put(Outgoing::Close);
        self.closed().await
    }

    /// Drops the socket without a word, as a client that loses its network.
    pub async fn abort(&self) -> Closed {
        let _ = self.put(Outgoing::Abort);
        self.closed().await
    }

    fn put(&self, outgoing: Outgoing) -> Result<(), HubError> {
        let put = self.outgoing.send(outgoing);
        put.map_err(|_| HubError::Closed(self.close_reason().unwrap_or_else(Closed::unknown)))
    }
}

impl IncomingCall {
    /// Parses the arguments as a tuple, by position.
    pub fn bind<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.arguments)
    }
}

fn invocation<A: Serialize + ?Sized>(id: Option<&str>, target: &str, arguments: &A) -> Result<Vec<u8>, HubError> {
    let mut bytes = Vec::with_capacity(256);
    Encoding::Json.encode_invocation(id, target, arguments, &mut bytes)?;
    Ok(bytes)
}
