//! `Server`: an HTTP server of this machine that answers as a test says, well or badly; and writes into memory.
#![allow(dead_code, unreachable_pub)] // each test uses a part of it

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_bridge::broker::{AckError, Broker, NotWritten};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::{NewRecord, Record};
use quix_model::{Outgoing, WriteSettings};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use ways::{Append, AppendError, Durable};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /path`
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What is answered.
pub enum Reply {
    /// Status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A body that has no end.
    Endless,
    /// Nothing at all.
    Silence,
    /// A status, and a body that does not come.
    Stuck(u16),
}

impl Reply {
    pub fn json(body: &str) -> Self {
        Self::Whole(200, vec![], body.as_bytes().to_vec())
    }

    pub fn status(status: u16) -> Self {
        Self::Whole(status, vec![], vec![])
    }

    pub fn status_with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Whole(status, vec![(name, value.into())], vec![])
    }

    pub fn gzip(body: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        Self::Whole(200, vec![("content-encoding", "gzip".to_owned())], encoder.finish().unwrap())
    }
}

/// Stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `answer` is given the request and how many came before it.
    pub async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), answer).await
    }

    pub async fn at(address: SocketAddr, answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), answer.clone()));
            }
        });
        Self { address, asked, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.body).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Request>>>, answer: Arc<impl Fn(&Request, usize) -> Reply>) {
    let Some(request) = read(&mut stream).await else { return };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    match answer(&request, before) {
        Reply::Silence => std::future::pending().await,
        Reply::Stuck(status) => {
            let head = format!("HTTP/1.1 {status} So\r\ncontent-length: 10\r\n\r\n");
            _ = stream.write_all(head.as_bytes()).await;
            std::future::pending().await
        }
        Reply::Endless => {
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while stream.write_all(piece.as_bytes()).await.is_ok() {}
        }
        Reply::Whole(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
            _ = stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat()).await;
            _ = stream.shutdown().await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

/// Writes in the default form.
#[derive(Debug)]
pub struct Writes(pub Arc<dyn Broker>);

impl Append for Writes {
    fn hand_over<'a>(
        &'a self,
        topic: &'a str,
        stream_id: &'a str,
        outgoing: Outgoing<'a>,
    ) -> BoxFuture<'a, Result<Durable, AppendError>> {
        async move {
            let records = WriteSettings::default().records(outgoing, stream_id, 0);
            let records = records.map_err(|error| AppendError::Refused(error.to_string()))?;
            let record =
                NewRecord { key: Some(stream_id.as_bytes()), value: &records[0].value, headers: &records[0].headers };
            let ack = self.0.append(topic, record).map_err(not_written)?;
            Ok(async move {
                ack.await.map(drop).map_err(|error| match error {
                    AckError::NotWritten(error) => not_written(error),
                    AckError::OutcomeUnknown => AppendError::OutcomeUnknown(error.to_string()),
                })
            }
            .boxed())
        }
        .boxed()
    }
}

fn not_written(error: NotWritten) -> AppendError {
    match error {
        NotWritten::UnknownTopic(_) => AppendError::UnknownTopic(error.to_string()),
        _ => AppendError::BrokerAway(error.to_string()),
    }
}

/// A broker in memory that has these topics.
pub async fn broker(topics: &[&str]) -> Arc<MemoryBroker> {
    let broker = Arc::new(MemoryBroker::new());
    for topic in topics {
        broker.create_topic(topic, Some(3)).await.unwrap();
    }
    broker
}

/// All records of a topic, by partition and offset.
pub async fn records(broker: &dyn Broker, topic: &str) -> Vec<Record> {
    use kafka_bridge::broker::{Delivery, Start};
    let positions = broker.positions(topic).await.unwrap();
    let count: i64 = positions.iter().map(|at| at.end - at.earliest).sum();
    let (mut deliveries, mut records) = (broker.read(topic, Start::Earliest).await.unwrap(), Vec::new());
    while (records.len() as i64) < count {
        if let Some(Delivery::Batch(batch)) = deliveries.next().await {
            records.extend(batch.records);
        }
    }
    records
}

pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} does not come");
}
