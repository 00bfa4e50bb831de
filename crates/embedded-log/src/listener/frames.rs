//! `Frames`: cuts a connection's bytes into requests. Memory is taken for what has come, not for what is announced.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{ListenerOptions, node::Node};

/// Reads one connection.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    limit: usize,
    /// Bytes of requests that may still come in, over all connections, and of how many.
    memory: Arc<Semaphore>,
    most: usize,
    timeout: Duration,
    /// For the request that is coming in.
    held: Option<OwnedSemaphorePermit>,
    /// When the request began to come in.
    began: Option<Instant>,
}

/// A request without its length.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Its share of the memory for requests.
    pub(super) held: Option<OwnedSemaphorePermit>,
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// Between two requests or within one.
    #[error("closed by the client")]
    Closed,
    #[error("a request of {announced} bytes is announced, the limit is {limit}")]
    TooLarge { announced: i32, limit: usize },
    #[error("a request of {0} bytes is announced")]
    Malformed(i32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Frames {
    pub(super) fn new(node: &Node) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit: node.options.max_request_bytes,
            memory: node.request_memory.clone(),
            most: node.options.request_memory_bytes.max(1),
            timeout: node.options.request_timeout,
            held: None,
            began: None,
        }
    }

    /// The next request if one is `wanted`, else only the end. Losing this future loses nothing.
    pub(super) async fn next_or_end(
        &mut self,
        stream: &TcpStream,
        alone: bool,
        wanted: bool,
    ) -> Result<Frame, FrameError> {
        if wanted { self.next(stream, alone).await } else { Err(self.closed(stream).await) }
    }

    /// The next request. `alone`: the connection has no other one in hand.
    async fn next(&mut self, stream: &TcpStream, alone: bool) -> Result<Frame, FrameError> {
        loop {
            if let Some(length) = self.announced()? {
                if self.held.is_none() && (length > ListenerOptions::SMALL_REQUEST_BYTES || !alone) {
                    // The time until there is room is not the client's fault.
                    self.began = None;
                    self.held = take(&self.memory, length.min(self.most)).await;
                }
                if self.buffer.len() >= LENGTH + length {
                    return Ok(self.cut(length));
                }
            }
            if !self.buffer.is_empty() && self.began.is_none() {
                self.began = Some(Instant::now());
            }
            self.read(stream).await?;
        }
    }

    /// Resolves only when the client is gone. Reads ahead a little to find out.
    async fn closed(&mut self, stream: &TcpStream) -> FrameError {
        loop {
            if self.buffer.len() >= READ_AHEAD {
                return std::future::pending().await;
            }
            if let Err(error) = self.read(stream).await {
                return error;
            }
        }
    }

    /// When a request that is coming in has taken too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let earned = Duration::from_secs((self.buffer.len() / LEAST_RATE) as u64);
        self.began.map(|began| began + self.timeout + earned)
    }

    /// Nothing of a further request has come.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.buffer.first_chunk() else { return Ok(None) };
        let announced = i32::from_be_bytes(*head);
        match usize::try_from(announced) {
            Ok(length) if length > self.limit => Err(FrameError::TooLarge { announced, limit: self.limit }),
            Ok(length) if length > 0 => Ok(Some(length)),
            _ => Err(FrameError::Malformed(announced)),
        }
    }

    fn cut(&mut self, length: usize) -> Frame {
        self.buffer.advance(LENGTH);
        let bytes = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new(); // an idle connection holds no memory
        }
        self.began = None;
        Frame { bytes, held: self.held.take() }
    }

    async fn read(&mut self, stream: &TcpStream) -> Result<(), FrameError> {
        loop {
            stream.readable().await?;
            let missing = match self.announced() {
                Ok(Some(length)) => (LENGTH + length).saturating_sub(self.buffer.len()),
                _ => 0,
            };
            // At most twice what is there already.
            self.buffer.reserve(missing.min(self.buffer.len()).max(LEAST_READ));
            match stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.buffer.is_empty() {
                        self.buffer = BytesMut::new();
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

async fn take(memory: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    memory.clone().acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX)).await.ok() // never closed
}

/// Of the length before each request.
const LENGTH: usize = 4;
const LEAST_READ: usize = 4 << 10;
/// So much is read of a next request while one is answered.
const READ_AHEAD: usize = 4 << 10;
/// A large request has to come in by so many bytes a second.
const LEAST_RATE: usize = 64 << 10;
