//! Calls that are awaited: so many `SendEventData` in flight, how many are acknowledged, and how long each takes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error::LoadError;
use super::latency::{Latencies, Summary};
use super::marker::{self, Marker};
use super::peer::Incoming;
use super::random::Random;
use super::swarm::Swarm;
use super::target::{Role, Target};
use crate::process::{Consumption, CpuClock, Usage};
use crate::progress::Progress;

/// How a run is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Calls on their way at any time, over all connections.
    pub in_flight: usize,
    /// Connections that share them.
    pub connections: usize,
    /// Length of each event's value in bytes.
    pub payload_bytes: usize,
    /// Time before measuring begins.
    pub warm_up: Duration,
    /// Time that is measured.
    pub time: Duration,
}

/// What a run has shown.
#[derive(Debug, Clone, Serialize)]
pub struct CallsReport {
    /// Calls acknowledged in the time measured.
    pub acknowledged: u64,
    /// Per second.
    pub per_second: f64,
    /// From a call to its acknowledgement.
    pub latency: Summary,
    /// CPU of the time measured.
    #[serde(flatten)]
    pub cpu: Consumption,
}

/// Writes to the target's topic; every connection has a stream of its own.
pub fn run(target: &Target, plan: Plan, server: Option<CpuClock>) -> Result<CallsReport, LoadError> {
    let mut swarm = Swarm::new(target.clone(), 1)?;
    let connections = plan.connections.clamp(1, plan.in_flight.max(1));
    let peers = swarm.open(connections, Role::Publisher, &mut Progress::hidden())?;
    let share = |index: usize| (plan.in_flight + index) / connections;
    let mut callers: Vec<Caller> = peers.into_iter().enumerate().map(|(i, peer)| Caller::new(peer, share(i))).collect();
    let value = Random::new(1).text(plan.payload_bytes.saturating_sub(marker::LENGTH));
    let clock = Instant::now();
    let now = || clock.elapsed().as_nanos() as u64;
    let (begin, end) = (plan.warm_up.as_nanos() as u64, (plan.warm_up + plan.time).as_nanos() as u64);
    let (mut latencies, mut usage, mut failure) = (Latencies::new(), None, None);
    let mut last_answer = 0;
    loop {
        let at = now();
        if at >= begin && usage.is_none() {
            usage = Some((at, Usage::now(server)?));
        }
        for (index, caller) in callers.iter_mut().enumerate().filter(|_| at < end) {
            caller.call(index, at, &value, &mut swarm);
        }
        if at >= end || failure.is_some() || at - last_answer > PATIENCE {
            break;
        }
        swarm.poll(Duration::from_millis(100), &mut |peer, incoming| {
            let Some(caller) = callers.get_mut(peer) else { return };
            match incoming {
                Incoming::Acknowledged(Some(number)) => {
                    last_answer = now();
                    if let Some(called) = caller.answered(number).filter(|_| last_answer >= begin) {
                        latencies.record(called, last_answer);
                    }
                }
                Incoming::Refused(text) => failure = Some(text),
                Incoming::Closed(reason) => failure = Some(reason.unwrap_or_else(|| "closed".to_owned())),
                _ => {}
            }
        })?;
    }
    match (failure, usage) {
        (Some(text), _) => Err(LoadError::Refused(text)),
        (None, None) => Err(LoadError::Refused("no answers".to_owned())),
        (None, Some((since, usage))) => {
            let cpu = Usage::now(server)?.since(usage);
            let acknowledged = latencies.count();
            let per_second = acknowledged as f64 * 1e9 / (now() - since) as f64;
            Ok(CallsReport { acknowledged, per_second, latency: latencies.summary(), cpu })
        }
    }
}

/// One connection.
struct Caller {
    peer: usize,
    stream_id: String,
    most: usize,
    next: u32,
    in_flight: usize,
    /// When the calls from number `first` on were made; 0 once answered.
    made: VecDeque<u64>,
    first: u32,
}

impl Caller {
    fn new(peer: usize, most: usize) -> Self {
        Self { peer, stream_id: format!("calls-{peer}"), most, next: 0, in_flight: 0, made: VecDeque::new(), first: 0 }
    }

    /// Calls until as many are on their way as there may be.
    fn call(&mut self, index: usize, now: u64, value: &str, swarm: &mut Swarm) {
        if self.in_flight == self.most {
            return;
        }
        while self.in_flight < self.most {
            let marker = Marker { run: 0, publisher: index as u16, number: self.next, intended: now };
            let mut text = String::with_capacity(marker::LENGTH + value.len());
            marker.write(&mut text);
            text.push_str(value);
            let message = swarm.target().publication(marker, &self.stream_id, &text, now);
            swarm.queue(self.peer, &message);
            self.made.push_back(now.max(1));
            self.next += 1;
            self.in_flight += 1;
        }
        swarm.flush(self.peer);
    }

    /// When the call of that number was made.
    fn answered(&mut self, number: u32) -> Option<u64> {
        let made = self.made.get_mut(number.checked_sub(self.first)? as usize)?;
        let called = std::mem::take(made);
        self.in_flight -= usize::from(called > 0);
        while self.made.front() == Some(&0) {
            self.made.pop_front();
            self.first += 1;
        }
        (called > 0).then_some(called)
    }
}

/// Nanoseconds without an answer after which nothing more is expected.
const PATIENCE: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_once_in_any_order() {
        let mut caller = Caller::new(0, 3);
        (caller.made, caller.next, caller.in_flight) = ([5, 6, 7].into(), 3, 3);
        assert_eq!(caller.answered(1), Some(6));
        assert_eq!((caller.in_flight, caller.first), (2, 0));
        assert_eq!(caller.answered(1), None);
        assert_eq!(caller.answered(0), Some(5));
        assert_eq!((caller.in_flight, caller.first), (1, 2));
        assert_eq!((caller.answered(0), caller.answered(9), caller.answered(2)), (None, None, Some(7)));
        assert_eq!((caller.in_flight, caller.first), (0, 3));
    }
}
