//! Idle connections over server-sent events and long polling: opened, subscribed, and left alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::http::request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::Carrier;
use crate::client::{ConnectError, read_negotiation};
use crate::load::error::LoadError;
use crate::load::target::Target;
use crate::progress::Progress;

/// Connections that are being opened at the same time.
const OPENING: usize = 32;

/// Open connections, each a task that ends with it.
pub(super) struct Held {
    runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
}

impl Held {
    pub(super) fn open(
        target: &Target,
        carrier: Carrier,
        connections: usize,
        progress: &mut Progress,
    ) -> Result<Self, LoadError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let target = Arc::new(target.clone());
        let mut tasks = Vec::with_capacity(connections);
        while tasks.len() < connections {
            let count = OPENING.min(connections - tasks.len());
            let opened = runtime.block_on(try_join_all((0..count).map(|_| open(&target, carrier))));
            tasks.extend(opened.map_err(|error| LoadError::NotOpened {
                opened: tasks.len(),
                wanted: connections,
                reason: error.to_string(),
            })?);
            progress.set(tasks.len() as u64);
        }
        Ok(Self { runtime, tasks })
    }

    /// Lets `time` pass; returns how many connections ended.
    pub(super) fn wait(&mut self, time: Duration) -> u64 {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
        let open = self.tasks.len();
        self.tasks.retain(|task| !task.is_finished());
        (open - self.tasks.len()) as u64
    }
}

/// Opens one connection and subscribes on it; the task runs as long as the connection does.
async fn open(target: &Arc<Target>, carrier: Carrier) -> Result<JoinHandle<()>, ConnectError> {
    let mut client = Client::connect(target).await?;
    let negotiation = Request::post(target.hub.path("/negotiate", "negotiateVersion=1"));
    let negotiated = read_negotiation(200, &client.ask(negotiation, "").await?)?;
    let path = target.hub.path("", &format!("id={}", negotiated.token()));
    match carrier {
        Carrier::Events => listen(target, client, path).await,
        _ => poll(target, client, path).await,
    }
}

async fn listen(target: &Arc<Target>, mut client: Client, path: String) -> Result<JoinHandle<()>, ConnectError> {
    let mut events = client.begin(Request::get(&path).header(ACCEPT, "text/event-stream"), "").await?;
    Client::connect(target).await?.ask(Request::post(path), first_words(target)).await?;
    loop {
        let event = events.frame().await.ok_or_else(ended)??;
        if event.data_ref().is_some_and(|data| is_completion(data)) {
            break;
        }
    }
    Ok(tokio::spawn(async move { while let Some(Ok(_)) = events.frame().await {} }))
}

async fn poll(target: &Target, mut client: Client, path: String) -> Result<JoinHandle<()>, ConnectError> {
    client.ask(Request::get(&path), "").await?;
    client.ask(Request::post(&path), first_words(target)).await?;
    loop {
        if is_completion(&client.ask(Request::get(&path), "").await?) {
            break;
        }
    }
    Ok(tokio::spawn(async move { drop(client.ask(Request::get(&path), "").await) }))
}

/// Handshake and subscription.
fn first_words(target: &Target) -> Vec<u8> {
    [b"{\"protocol\":\"json\",\"version\":1}\x1e".as_slice(), &target.subscription()].concat()
}

fn is_completion(output: &[u8]) -> bool {
    memchr::memmem::find(output, b"\"type\":3").is_some()
}

fn ended() -> ConnectError {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}

/// One TCP connection, for one request after the other.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    target: Arc<Target>,
}

impl Client {
    async fn connect(target: &Arc<Target>) -> Result<Self, ConnectError> {
        let stream = TcpStream::connect(target.address).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, target: target.clone() })
    }

    /// The whole body of an answer.
    async fn ask(&mut self, request: request::Builder, body: impl Into<Bytes>) -> Result<Bytes, ConnectError> {
        Ok(self.begin(request, body).await?.collect().await?.to_bytes())
    }

    /// The body of an answer, which must have status 200.
    async fn begin(&mut self, request: request::Builder, body: impl Into<Bytes>) -> Result<Incoming, ConnectError> {
        let mut request = request.header(HOST, &self.target.hub.authority);
        if let Some(token) = &self.target.access_token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body.into())).map_err(|error| ConnectError::Url(error.to_string()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Err(ConnectError::Negotiate { status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}
