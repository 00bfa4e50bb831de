//! Connections that come and go: upgrade, handshake, subscribe, close.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::LoadError;
use super::peer::Incoming;
use super::swarm::Swarm;
use super::target::{Role, Target};
use crate::process::{Consumption, CpuClock, Usage};
use crate::progress::Progress;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a run has shown.
#[derive(Debug, Clone, Serialize)]
pub struct ChurnReport {
    /// Connections that were opened, subscribed and closed.
    pub connections: u64,
    /// At the same time.
    pub concurrent: usize,
    /// Connections that ended before they were open.
    pub failed: u64,
    /// What the first of them was told.
    pub first_failure: Option<String>,
    /// The whole run.
    pub elapsed_s: f64,
    /// Per second.
    pub connections_per_s: f64,
    /// CPU of the whole run.
    #[serde(flatten)]
    pub cpu: Consumption,
    /// CPU of the server per connection in nanoseconds.
    pub server_ns_per_connection: Option<f64>,
}

/// Opens and closes `count` connections, `concurrent` at a time.
pub fn run(
    target: &Target,
    count: u64,
    concurrent: usize,
    server: Option<CpuClock>,
    progress: &mut Progress,
) -> Result<ChurnReport, LoadError> {
    let mut swarm = Swarm::new(target.clone(), 1)?;
    let (mut begun, mut ended, mut failed, mut first_failure) = (0, 0, 0, None);
    let mut opened = Vec::new();
    let usage = Usage::now(server)?;
    let start = Instant::now();
    let mut last_end = start;
    while ended < count && last_end.elapsed() < PATIENCE {
        while begun < count && begun - ended < concurrent as u64 {
            swarm.connect(Role::Subscriber)?;
            begun += 1;
        }
        swarm.poll(Duration::from_millis(100), &mut |index, incoming| match incoming {
            Incoming::Opened => opened.push(index),
            Incoming::Closed(reason) => {
                ended += 1;
                last_end = Instant::now();
                if let Some(reason) = reason {
                    failed += 1;
                    first_failure.get_or_insert(reason);
                }
            }
            _ => {}
        })?;
        for index in opened.drain(..) {
            swarm.close(index);
        }
        progress.set(ended);
    }
    let elapsed_s = (last_end - start).as_secs_f64();
    if ended < count {
        failed += count - ended;
        first_failure.get_or_insert_with(|| format!("{} timed out while {}", begun - ended, swarm.stuck()));
    }
    let cpu = Usage::now(server)?.since(usage);
    let connections = count - failed;
    Ok(ChurnReport {
        connections,
        concurrent,
        failed,
        first_failure,
        elapsed_s,
        connections_per_s: connections as f64 / elapsed_s.max(1e-9),
        cpu,
        server_ns_per_connection: cpu.server_cpu_s.map(|cpu| cpu * 1e9 / connections.max(1) as f64),
    })
}
