//! The scenario this crate is about: publishers write to a topic, every subscriber gets all of it.

mod report;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::error::LoadError;
use crate::load::latency::Latencies;
use crate::load::pacing::{Limit, Pacer, Pacing};
use crate::load::peer::Incoming;
use crate::load::publisher::Publishers;
use crate::load::swarm::Swarm;
use crate::load::tally::Tally;
use crate::load::target::{Role, Target};
use crate::process::{CpuClock, Usage};
use crate::progress::Progress;

pub use report::FanoutReport;

/// Silence after which what has not come counts as lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// Who takes part.
#[derive(Debug, Clone, Copy)]
pub struct Parties {
    /// Connections that get everything.
    pub subscribers: usize,
    /// Connections that write, in turns.
    pub publishers: usize,
    /// Length of each event's value in bytes.
    pub payload_bytes: usize,
    /// Of the payload's text.
    pub seed: u64,
}

/// Open connections, ready for runs.
pub struct Fanout {
    swarm: Swarm,
    tally: Tally,
    publishers: Publishers,
    parties: Parties,
    clock: Instant,
    disconnects: u64,
    first_disconnect: Option<String>,
}

impl Fanout {
    /// Opens the connections, subscribers first.
    pub fn open(target: &Target, parties: Parties) -> Result<Self, LoadError> {
        let mut swarm = Swarm::new(target.clone(), parties.seed)?;
        let mut progress = Progress::new("connecting", parties.subscribers as u64);
        swarm.open(parties.subscribers, Role::Subscriber, &mut progress)?;
        let publishers = parties.publishers.clamp(1, usize::from(u16::MAX));
        let peers = swarm.open(publishers, Role::Publisher, &mut Progress::hidden())?;
        let run = run_id();
        Ok(Self {
            swarm,
            tally: Tally::new(run, parties.subscribers, publishers),
            publishers: Publishers::new(run, peers, parties.payload_bytes, parties.seed),
            parties,
            clock: Instant::now(),
            disconnects: 0,
            first_disconnect: None,
        })
    }

    /// Publishes by `pacing` up to `limit`, then waits for what is on its way. May be called again.
    pub fn run(
        &mut self,
        pacing: Pacing,
        limit: Limit,
        server: Option<CpuClock>,
        progress: &mut Progress,
    ) -> Result<FanoutReport, LoadError> {
        self.tally.restart();
        let before = Before::take(self, server)?;
        let mut send_lag = Latencies::new();
        let mut pacer = Pacer::new(pacing, limit, self.now());
        let mut last_delivery = self.now();
        loop {
            let now = self.now();
            while let Some(intended) = pacer.due(now, self.tally.in_flight()) {
                send_lag.record(intended, self.now());
                let publisher = self.publishers.publish(intended, &mut self.swarm);
                self.tally.publish(publisher);
            }
            self.publishers.flush(&mut self.swarm);
            let over = pacer.is_over(now);
            if over && self.is_settled() {
                break;
            }
            let silence = Duration::from_nanos(now - last_delivery);
            let by_clock = pacer.next_at().filter(|_| !over);
            if by_clock.is_none() && silence > PATIENCE {
                break;
            }
            let wait = by_clock.map_or(100_000_000, |at| at.saturating_sub(now));
            if self.turn(Duration::from_nanos(wait.min(100_000_000)))? || by_clock.is_some() {
                last_delivery = self.now();
            }
            if let (true, Some(text)) = (by_clock.is_none(), &self.publishers.first_refusal) {
                return Err(LoadError::Refused(text.clone()));
            }
            progress.set((pacer.progress(now) * 1000.0) as u64);
        }
        Ok(self.report(before, last_delivery, &send_lag, server)?)
    }

    /// Waits for input and counts it; whether there was a delivery.
    fn turn(&mut self, timeout: Duration) -> std::io::Result<bool> {
        let before = self.tally.counts.delivered;
        let Self { swarm, tally, publishers, clock, disconnects, first_disconnect, .. } = self;
        swarm.poll(timeout, &mut |index, incoming| match incoming {
            Incoming::Delivery(marker) => {
                tally.deliver(index, marker, clock.elapsed().as_nanos() as u64);
            }
            Incoming::Acknowledged(_) => publishers.answered(None),
            Incoming::Refused(text) => publishers.answered(Some(text)),
            Incoming::Closed(reason) => {
                *disconnects += 1;
                *first_disconnect = first_disconnect.take().or(reason);
            }
            Incoming::Opened => {}
        })?;
        Ok(self.tally.counts.delivered > before)
    }

    fn is_settled(&self) -> bool {
        let answered = self.publishers.acknowledged + self.publishers.refused;
        self.tally.in_flight() == 0 && answered >= self.publishers.sent()
    }

    fn report(
        &self,
        before: Before,
        end: u64,
        send_lag: &Latencies,
        server: Option<CpuClock>,
    ) -> std::io::Result<FanoutReport> {
        let cpu = Usage::now(server)?.since(before.usage);
        let counts = self.tally.counts;
        let delivered = counts.delivered.max(1) as f64;
        let elapsed_s = end.saturating_sub(before.at) as f64 / 1e9;
        let bytes = self.swarm.received_bytes() - before.received_bytes;
        Ok(FanoutReport {
            subscribers: self.parties.subscribers,
            publishers: self.parties.publishers,
            published: self.publishers.sent() - before.sent,
            acknowledged: self.publishers.acknowledged - before.acknowledged,
            refused: self.publishers.refused - before.refused,
            first_refusal: self.publishers.first_refusal.clone(),
            counts,
            lost: self.tally.lost(),
            disconnects: self.disconnects,
            first_disconnect: self.first_disconnect.clone(),
            elapsed_s,
            deliveries_per_s: counts.delivered as f64 / elapsed_s.max(1e-9),
            bytes_per_delivery: bytes as f64 / delivered,
            latency: self.tally.latencies.summary(),
            send_lag: send_lag.summary(),
            cpu,
            server_ns_per_delivery: cpu.server_cpu_s.map(|cpu| cpu * 1e9 / delivered),
        })
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}

/// State at the beginning of a run.
struct Before {
    at: u64,
    usage: Usage,
    received_bytes: u64,
    sent: u64,
    acknowledged: u64,
    refused: u64,
}

impl Before {
    fn take(fanout: &Fanout, server: Option<CpuClock>) -> std::io::Result<Self> {
        Ok(Self {
            usage: Usage::now(server)?,
            at: fanout.now(),
            received_bytes: fanout.swarm.received_bytes(),
            sent: fanout.publishers.sent(),
            acknowledged: fanout.publishers.acknowledged,
            refused: fanout.publishers.refused,
        })
    }
}

/// A number that tells this run from others, unlike the seed.
fn run_id() -> u32 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time.as_nanos() as u32 ^ std::process::id().rotate_left(16)
}
