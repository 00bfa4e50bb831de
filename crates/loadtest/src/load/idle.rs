//! Many connections that do nothing: what each costs in memory.

use std::time::Duration;

use serde::Serialize;

use super::error::LoadError;
use super::swarm::Swarm;
use super::target::{Role, Target};
use crate::process::{CpuClock, Usage, resident_bytes};
use crate::progress::Progress;

/// What idle connections have shown.
#[derive(Debug, Clone, Serialize)]
pub struct IdleReport {
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
pub fn run(target: &Target, connections: usize, hold: Duration, pid: Option<u32>) -> Result<IdleReport, LoadError> {
    let clock = pid.map(CpuClock::of).transpose()?;
    let before_bytes = pid.map(resident_bytes).transpose()?;
    let mut swarm = Swarm::new(target.clone(), 1)?;
    let start = std::time::Instant::now();
    let mut progress = Progress::new("connecting", connections as u64);
    swarm.open(connections, Role::Subscriber, &mut progress)?;
    let open_s = start.elapsed().as_secs_f64();
    let mut disconnects = wait(&mut swarm, Duration::from_millis(200))?;
    let usage = Usage::now(clock)?;
    disconnects += wait(&mut swarm, hold)?;
    let cpu = Usage::now(clock)?.since(usage);
    let after_bytes = pid.map(resident_bytes).transpose()?;
    let bytes_per_connection = match (before_bytes, after_bytes) {
        (Some(before), Some(after)) => Some((after as f64 - before as f64) / connections.max(1) as f64),
        _ => None,
    };
    Ok(IdleReport {
        connections,
        open_s,
        before_bytes,
        after_bytes,
        bytes_per_connection,
        idle_server_cores: cpu.server_cores,
        disconnects,
    })
}

/// Lets `time` pass, answering pings; returns how many connections ended.
fn wait(swarm: &mut Swarm, time: Duration) -> std::io::Result<u64> {
    let end = std::time::Instant::now() + time;
    let mut ended = 0;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Ok(ended);
        }
        swarm.poll(left.min(Duration::from_millis(500)), &mut |_, incoming| {
            ended += u64::from(matches!(incoming, super::peer::Incoming::Closed(_)));
        })?;
    }
}
