//! Many connections that do nothing: what each costs in memory.

mod http;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use self::http::Held;
use super::error::LoadError;
use super::peer::Incoming;
use super::swarm::Swarm;
use super::target::{Role, Target};
use crate::process::{CpuClock, Usage, resident_bytes};
use crate::progress::Progress;

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// Websockets, without negotiation.
    Websockets,
    /// Server-sent events; what the client says goes by POST.
    Events,
    /// Long polling.
    Polling,
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Websockets => "websockets",
            Self::Events => "events",
            Self::Polling => "polling",
        })
    }
}

/// What idle connections have shown.
#[derive(Debug, Clone, Serialize)]
pub struct IdleReport {
    /// What carries them.
    pub carrier: Carrier,
    /// Connections, each subscribed.
    pub connections: usize,
    /// Seconds it took to open them.
    pub open_s: f64,
    /// Resident bytes of the server before, if its process id is known.
    pub before_bytes: Option<u64>,
    /// Resident bytes of the server with all connections open.
    pub after_bytes: Option<u64>,
    /// The difference for one connection.
    pub bytes_per_connection: Option<f64>,
    /// Cores the server kept busy while nothing happened.
    pub idle_server_cores: Option<f64>,
    /// Connections that ended by themselves.
    pub disconnects: u64,
}

/// Opens `connections`, subscribes on each, and holds them for `hold`.
pub fn run(
    target: &Target,
    carrier: Carrier,
    connections: usize,
    hold: Duration,
    pid: Option<u32>,
) -> Result<IdleReport, LoadError> {
    let clock = pid.map(CpuClock::of).transpose()?;
    let before_bytes = pid.map(resident_bytes).transpose()?;
    let start = Instant::now();
    let mut crowd = Crowd::open(target, carrier, connections)?;
    let open_s = start.elapsed().as_secs_f64();
    let mut disconnects = crowd.wait(Duration::from_millis(200))?;
    let usage = Usage::now(clock)?;
    disconnects += crowd.wait(hold)?;
    let cpu = Usage::now(clock)?.since(usage);
    let after_bytes = pid.map(resident_bytes).transpose()?;
    let bytes_per_connection = match (before_bytes, after_bytes) {
        (Some(before), Some(after)) => Some((after as f64 - before as f64) / connections.max(1) as f64),
        _ => None,
    };
    Ok(IdleReport {
        carrier,
        connections,
        open_s,
        before_bytes,
        after_bytes,
        bytes_per_connection,
        idle_server_cores: cpu.server_cores,
        disconnects,
    })
}

/// The open connections.
enum Crowd {
    Websockets(Box<Swarm>),
    Http(Held),
}

impl Crowd {
    fn open(target: &Target, carrier: Carrier, connections: usize) -> Result<Self, LoadError> {
        let mut progress = Progress::new("connecting", connections as u64);
        Ok(match carrier {
            Carrier::Websockets => {
                let mut swarm = Swarm::new(target.clone(), 1)?;
                swarm.open(connections, Role::Subscriber, &mut progress)?;
                Self::Websockets(Box::new(swarm))
            }
            _ => Self::Http(Held::open(target, carrier, connections, &mut progress)?),
        })
    }

    /// Lets `time` pass; returns how many connections ended.
    fn wait(&mut self, time: Duration) -> std::io::Result<u64> {
        match self {
            Self::Websockets(swarm) => answer_pings(swarm, time),
            Self::Http(held) => Ok(held.wait(time)),
        }
    }
}

fn answer_pings(swarm: &mut Swarm, time: Duration) -> std::io::Result<u64> {
    let end = Instant::now() + time;
    let mut ended = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(ended);
        }
        swarm.poll(left.min(Duration::from_millis(500)), &mut |_, incoming| {
            ended += u64::from(matches!(incoming, Incoming::Closed(_)));
        })?;
    }
}
