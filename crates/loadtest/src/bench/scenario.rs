//! What is measured, how long, and what is expected of a server.

use std::time::Duration;

use anyhow::Context;
use loadtest::load::churn;
use loadtest::load::fanout::{Fanout, FanoutReport, Parties};
use loadtest::load::idle::{self, Carrier, IdleReport};
use loadtest::load::pacing::{Limit, Pacing};
use loadtest::progress::Progress;

use super::results::Measured;
use super::subject::Subject;

/// Most memory an idle websocket may take.
pub(crate) const IDLE_EXPECTED_BYTES: f64 = 8192.0;

const CHURN_CONNECTIONS: u64 = 1_500;
const CHURN_CONCURRENT: usize = 16;

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What one unit of the cost is.
    pub(crate) unit: &'static str,
    /// Most the server may cost, in terms of the floor.
    pub(crate) expected: f64,
    /// Whether the floor gathers what has arrived.
    pub(crate) gathers: bool,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Fanout { subscribers: usize, pacing: Pacing, messages: u64 },
    Churn,
}

/// All comparisons, in the order of a round.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let strict = |name, subscribers, messages| Scenario {
        name,
        unit: "delivery",
        expected: 1.3,
        gathers: false,
        kind: Kind::Fanout { subscribers, pacing: Pacing::OneAtATime, messages },
    };
    let burst = |name, subscribers, messages| Scenario {
        name,
        unit: "delivery",
        expected: 2.0,
        gathers: true,
        kind: Kind::Fanout { subscribers, pacing: Pacing::InFlight(16), messages },
    };
    vec![
        strict("strict-100", 100, 1_200),
        strict("strict-1000", 1_000, 150),
        burst("burst-100", 100, 9_600),
        burst("burst-1000", 1_000, 1_600),
        Scenario { name: "churn", unit: "connection", expected: 3.0, gathers: false, kind: Kind::Churn },
    ]
}

impl Scenario {
    /// Runs it once.
    pub(crate) fn measure(&self, subject: &Subject, payload_bytes: usize) -> anyhow::Result<Measured> {
        subject.settle()?;
        match self.kind {
            Kind::Fanout { subscribers, pacing, messages } => {
                let report = fanout(subject, subscribers, payload_bytes, pacing, messages)?;
                Measured::of_fanout(&report)
            }
            Kind::Churn => {
                let clock = Some(subject.clock()?);
                let hidden = &mut Progress::hidden();
                let (count, concurrent) = (CHURN_CONNECTIONS, CHURN_CONCURRENT);
                let report = churn::run(&subject.target, count, concurrent, clock, hidden)?;
                Measured::of_churn(&report)
            }
        }
        .context("the CPU of the process is not known")
    }
}

/// Bytes of one delivery of `payload_bytes` by a server, websocket header included.
pub(crate) fn message_bytes(subject: &Subject, payload_bytes: usize) -> anyhow::Result<usize> {
    let report = fanout(subject, 100, payload_bytes, Pacing::OneAtATime, 20)?;
    Ok(report.bytes_per_delivery.round() as usize)
}

/// Opens and holds idle connections.
pub(crate) fn idle(subject: &Subject, carrier: Carrier, connections: usize) -> anyhow::Result<IdleReport> {
    subject.settle()?;
    let hold = Duration::from_secs(2);
    idle::run(&subject.target, carrier, connections, hold, Some(subject.pid()))
        .with_context(|| format!("idle connections on the {}", subject.name))
}

/// A tenth as a warm-up, then the run that counts.
fn fanout(
    subject: &Subject,
    subscribers: usize,
    payload_bytes: usize,
    pacing: Pacing,
    messages: u64,
) -> anyhow::Result<FanoutReport> {
    let parties = Parties { subscribers, publishers: 1, payload_bytes, seed: 1 };
    let hidden = &mut Progress::hidden();
    let mut fanout = Fanout::open(&subject.target, parties)?;
    let warm_up = Limit::Messages(messages.div_ceil(10));
    fanout.run(pacing, warm_up, None, hidden)?;
    subject.settle()?;
    let clock = Some(subject.clock()?);
    Ok(fanout.run(pacing, Limit::Messages(messages), clock, hidden)?)
}
