//! One connection: reads requests, begins them, sends the answers in the order of the requests.

use std::{collections::VecDeque, io, sync::Arc, time::Instant};

use futures::future::{BoxFuture, FutureExt};
use kafka_protocol::messages::ApiKey;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

use super::{
    dispatch,
    frames::{Frame, FrameError, Frames},
    node::{Client, FREE_ELEMENTS, Node},
    request::{Refusal, Request},
    response::{Reply, Response},
    write,
};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the listener stops")]
    Stopped,
    #[error("it was idle for too long")]
    Idle,
    #[error("a request came in too slowly")]
    Slow,
    #[error("it took nothing of an answer for too long")]
    Stalled,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves a connection until it ends.
pub(super) async fn run(node: Arc<Node>, stream: TcpStream, client: Client) -> End {
    let mut connection = Connection {
        frames: Frames::new(&node),
        in_flight: VecDeque::new(),
        next: None,
        reads: Reads::On,
        last: Instant::now(),
        node,
        stream,
        client,
    };
    loop {
        if let Err(end) = connection.turn().await {
            return end;
        }
    }
}

struct Connection {
    node: Arc<Node>,
    stream: TcpStream,
    client: Client,
    frames: Frames,
    /// Begun and not answered, in order. More than one: all of them `Produce`.
    in_flight: VecDeque<InFlight>,
    /// Waits for all that is in flight.
    next: Option<(Request, Option<OwnedSemaphorePermit>)>,
    reads: Reads,
    /// When there last was something to do.
    last: Instant,
}

/// Whether requests are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    On,
    /// The client sends nothing more, but may want its answers.
    Closed,
    /// The listener stops.
    Stopped,
}

struct InFlight {
    kind: ApiKey,
    answer: BoxFuture<'static, Result<Response, Refusal>>,
    /// Its share of memory for requests and of elements.
    _held: [Option<OwnedSemaphorePermit>; 2],
}

impl Connection {
    async fn turn(&mut self) -> Result<(), End> {
        if self.in_flight.is_empty() {
            if let Some((request, held)) = self.next.take() {
                return self.begin(request, held).await;
            }
            match self.reads {
                Reads::On => {}
                Reads::Closed => return Err(FrameError::Closed.into()),
                Reads::Stopped => return Err(End::Stopped),
            }
        }
        let may_read = self.reads == Reads::On && self.may_read();
        let (alone, deadline) = (self.in_flight.is_empty(), self.deadline(may_read));
        let Self { node, stream, frames, in_flight, reads, .. } = self;
        tokio::select! {
            biased;
            answer = front(in_flight) => {
                in_flight.pop_front();
                self.send(answer?).await
            }
            () = node.stopped(), if *reads != Reads::Stopped => {
                self.reads = Reads::Stopped;
                self.next = None; // not begun
                Ok(())
            }
            frame = frames.next_or_end(stream, alone, may_read), if *reads == Reads::On => match frame {
                // What is with the log already is answered, to whoever closed one direction only.
                Err(FrameError::Closed) if may_read && !alone => {
                    self.reads = Reads::Closed;
                    Ok(())
                }
                frame => self.take(frame?).await,
            },
            () = sleep_until(deadline) => Err(if frames.is_empty() { End::Idle } else { End::Slow }),
        }
    }

    /// `Produce` requests follow one another at once; all other kinds stand alone, as with Kafka.
    fn may_read(&self) -> bool {
        let produces = self.in_flight.iter().all(|it| it.kind == ApiKey::Produce);
        produces && self.next.is_none() && self.in_flight.len() < MAX_IN_FLIGHT
    }

    fn deadline(&self, may_read: bool) -> Option<Instant> {
        if !may_read {
            return None;
        }
        let idle = self.in_flight.is_empty() && self.frames.is_empty();
        self.frames.deadline().or_else(|| idle.then(|| self.last + self.node.options.idle_timeout))
    }

    async fn take(&mut self, frame: Frame) -> Result<(), End> {
        self.last = Instant::now();
        let metrics = self.node.metrics();
        metrics.request_bytes.add(frame.bytes.len());
        let request = Request::parse(frame.bytes)?;
        metrics.requests[request.place].add(1);
        tracing::trace!(kind = request.offer.name, version = request.version, "request");
        if request.offer.kind == ApiKey::Produce || self.in_flight.is_empty() {
            self.begin(request, frame.held).await
        } else {
            self.next = Some((request, frame.held));
            Ok(())
        }
    }

    async fn begin(&mut self, request: Request, held: Option<OwnedSemaphorePermit>) -> Result<(), End> {
        let (kind, elements) = (request.offer.kind, request.elements);
        let elements = if elements > FREE_ELEMENTS {
            self.node.elements.clone().acquire_many_owned(elements as u32).await.ok() // never closed
        } else {
            None
        };
        let answer = match dispatch::begin(&self.node, &self.client, request).await? {
            Reply::None => return Ok(()),
            Reply::Now(response) if self.in_flight.is_empty() => return self.send(response).await,
            Reply::Now(response) => std::future::ready(Ok(response)).boxed(),
            Reply::Later(answer) => answer,
        };
        let held = if dispatch::keeps_nothing(kind) { None } else { held };
        self.in_flight.push_back(InFlight { kind, answer, _held: [held, elements] });
        Ok(())
    }

    /// Sends an answer, and with it those behind it that are there already.
    async fn send(&mut self, response: Response) -> Result<(), End> {
        let (mut parts, mut held) = (response.parts, vec![response.held]);
        while let Some(next) = self.in_flight.front_mut() {
            let Some(response) = (&mut next.answer).now_or_never() else { break };
            self.in_flight.pop_front();
            let response = response?;
            parts.extend(response.parts);
            held.push(response.held);
        }
        let timeout = self.node.options.write_timeout;
        let written = write::all(&self.stream, &mut parts, timeout).await?;
        self.node.metrics().response_bytes.add(written);
        self.last = Instant::now();
        Ok(())
    }
}

/// The answer to the first request in flight.
async fn front(in_flight: &mut VecDeque<InFlight>) -> Result<Response, Refusal> {
    match in_flight.front_mut() {
        Some(first) => (&mut first.answer).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

impl End {
    /// Nobody has done anything wrong.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self, Self::Stopped | Self::Idle | Self::Io(_) | Self::Frame(FrameError::Closed | FrameError::Io(_)))
    }
}

impl From<write::WriteError> for End {
    fn from(error: write::WriteError) -> Self {
        match error {
            write::WriteError::Stalled => Self::Stalled,
            write::WriteError::Io(error) => Self::Io(error),
        }
    }
}

/// `Produce` requests of a connection that wait for the log; past it the connection is not read.
const MAX_IN_FLIGHT: usize = 64;
