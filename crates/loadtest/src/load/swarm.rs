//! All sockets of a run behind one `epoll`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use signalr_proto::Options;
use socket2::{Domain, Socket, Type};

use super::error::LoadError;
use super::peer::{Ended, Incoming, Peer, Phase, Shared};
use super::random::Random;
use super::target::{Role, Target};
use crate::progress::Progress;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
/// Connections that are being opened at the same time.
const OPENING: usize = 128;
/// Connections from one source address before the next is taken, below the number of its ports.
const PER_SOURCE: u32 = 20_000;
const TIMER: Token = Token(usize::MAX);
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// The sockets, each known by its index.
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    /// `epoll` counts in milliseconds; this one is finer.
    timer: TimerFd,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    shared: Shared,
    buffer: Vec<u8>,
    connects: u32,
    next_tick: Instant,
    received_bytes: u64,
}

impl Swarm {
    pub(crate) fn new(target: Target, seed: u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        let descriptor = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), TIMER, Interest::READABLE)?;
        let protocol = Arc::new(Options { max_message_bytes: 64 << 20, ..Options::default() });
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            timer,
            peers: Vec::new(),
            free: Vec::new(),
            shared: Shared { target, protocol, random: Random::new(seed) },
            buffer: vec![0; READ_BYTES],
            connects: 0,
            next_tick: Instant::now(),
            received_bytes: 0,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Bytes received on all sockets so far.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Opens `count` connections and returns their indices, which are consecutive in a new swarm.
    pub(crate) fn open(&mut self, count: usize, role: Role, progress: &mut Progress) -> Result<Vec<usize>, LoadError> {
        let mut indices = Vec::with_capacity(count);
        let (mut opened, mut failure) = (0, None);
        let deadline = Instant::now() + OPEN_TIMEOUT;
        while opened < count {
            while indices.len() < count && indices.len() - opened < OPENING {
                indices.push(self.connect(role)?);
            }
            self.poll(Duration::from_millis(100), &mut |_, incoming| match incoming {
                Incoming::Opened => opened += 1,
                Incoming::Closed(reason) => failure = failure.take().or(reason),
                _ => {}
            })?;
            progress.set(opened as u64);
            if failure.is_none() && Instant::now() > deadline {
                failure = Some(format!("timed out while {}", self.stuck()));
            }
            if let Some(reason) = failure {
                return Err(LoadError::NotOpened { opened, wanted: count, reason });
            }
        }
        Ok(indices)
    }

    /// Begins to open one connection.
    pub(crate) fn connect(&mut self, role: Role) -> io::Result<usize> {
        let address = self.shared.target.address;
        let stream = begin_connect(address, self.connects / PER_SOURCE)?;
        self.connects += 1;
        let index = self.free.pop().unwrap_or(self.peers.len());
        if index == self.peers.len() {
            self.peers.push(None);
        }
        let peer = self.peers[index].insert(Peer::new(stream, role));
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut peer.stream, Token(index), interest)?;
        Ok(index)
    }

    /// Waits for input, at most `timeout`, and hands out all that came.
    pub(crate) fn poll(&mut self, timeout: Duration, on: &mut impl FnMut(usize, Incoming)) -> io::Result<()> {
        self.wait(timeout)?;
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let index = event.token().0;
            let Some(peer) = self.peers.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            let mut result = Ok(0);
            if event.is_writable() {
                result = peer.writable(&self.shared).map(|()| 0);
            }
            if result.is_ok() && (event.is_readable() || event.is_read_closed()) {
                let tell = &mut |incoming| on(index, incoming);
                result = peer.readable(&mut self.buffer, event.is_read_closed(), &mut self.shared, tell);
            }
            match result {
                Ok(count) => self.received_bytes += count as u64,
                Err(ended) => self.remove(index, ended, on),
            }
        }
        self.events = events;
        self.tick(on);
        Ok(())
    }

    /// What connections that are not open wait for, for a message about some that wait too long.
    pub(crate) fn stuck(&self) -> String {
        let mut phases = self.peers.iter().flatten().map(Peer::phase);
        let phase = phases.find(|phase| *phase != Phase::Open);
        phase.map_or_else(|| "open".to_owned(), |phase| format!("{phase:?}").to_lowercase())
    }

    /// Queues one message on a connection that may be gone.
    pub(crate) fn queue(&mut self, index: usize, payload: &[u8]) {
        if let Some(peer) = &mut self.peers[index] {
            peer.queue(payload, &mut self.shared.random);
        }
    }

    /// Sends what is queued on a connection; a failure is noticed when it is read next.
    pub(crate) fn flush(&mut self, index: usize) {
        if let Some(peer) = &mut self.peers[index] {
            let _ = peer.flush();
        }
    }

    /// Says goodbye on a connection; its end is told by [`poll`](Self::poll).
    pub(crate) fn close(&mut self, index: usize) {
        if let Some(peer) = &mut self.peers[index] {
            let _ = peer.close(&mut self.shared.random);
        }
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let mut coarse = timeout;
        if !timeout.is_zero() && timeout < Duration::from_millis(50) {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(timeout));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
            coarse = Duration::from_millis(50);
        }
        match self.poll.poll(&mut self.events, Some(coarse)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn tick(&mut self, on: &mut impl FnMut(usize, Incoming)) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + Duration::from_secs(1);
        for index in 0..self.peers.len() {
            let peer = self.peers[index].as_mut();
            if let Some(Err(ended)) = peer.map(|peer| peer.tick(now, &mut self.shared)) {
                self.remove(index, ended, on);
            }
        }
    }

    fn remove(&mut self, index: usize, ended: Ended, on: &mut impl FnMut(usize, Incoming)) {
        if self.peers[index].take().is_some() {
            self.free.push(index);
            on(index, Incoming::Closed(ended));
        }
    }
}

/// A socket on its way to `address`. On loopback every `source` but 0 is an address of its own, with ports of its own.
fn begin_connect(address: SocketAddr, source: u32) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if source > 0 && matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        let ip = Ipv4Addr::new(127, 0, 0, 1 + (source % 250) as u8);
        socket.bind(&SocketAddr::from((ip, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
