//! `Receiver`: a web server of somebody else's, which answers as a test says, well or badly. The tests of crate `ways` read
//! this file too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET /path`
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// A text.
    pub body: String,
}

/// What is answered.
#[derive(Debug)]
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
    /// 200 with a body.
    pub fn json(body: &str) -> Self {
        Self::Whole(200, vec![], body.as_bytes().to_vec())
    }

    /// Without a body.
    pub fn status(status: u16) -> Self {
        Self::Whole(status, vec![], vec![])
    }

    /// With a header, without a body.
    pub fn status_with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Whole(status, vec![(name, value.into())], vec![])
    }
}

/// Stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Asked,
    task: JoinHandle<()>,
}

type Asked = Arc<Mutex<Vec<Request>>>;

impl Receiver {
    /// On a free port. `answer` is given the request and how many came before it.
    pub async fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), answer).await
    }

    /// The same at an address.
    pub async fn at(address: SocketAddr, answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (asked, answer) = (Asked::default(), Arc::new(answer));
        let log = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, log.clone(), answer.clone()));
            }
        });
        Self { address, asked, task }
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far, as they came.
    pub fn asked(&self) -> Vec<Request> {
        lock(&self.asked).clone()
    }

    /// The bodies of all requests so far.
    pub fn bodies(&self) -> Vec<String> {
        self.asked().into_iter().map(|request| request.body).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(asked: &Asked) -> MutexGuard<'_, Vec<Request>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever has gone does not mind what cannot be written.
async fn serve(mut stream: TcpStream, log: Asked, answer: Arc<impl Fn(&Request, usize) -> Reply>) {
    let Some(request) = read(&mut stream).await else { return };
    let before = {
        let mut log = lock(&log);
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
    Some(Request { line, headers, body: String::from_utf8(body).ok()? })
}
