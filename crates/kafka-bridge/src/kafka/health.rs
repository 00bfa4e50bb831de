//! What clients of a cluster complain of. Whether it can be reached: a probe a second, sooner when one complains; and that records
//! cannot be read.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::lookup::Lookup;
use crate::broker::Health;
use crate::metrics::{Cause, Metrics};

/// What is known, shared by all clients.
#[derive(Debug)]
pub(super) struct HealthState {
    known: Mutex<Known>,
    wake: Condvar,
}

#[derive(Debug)]
struct Known {
    health: Health,
    /// Somebody complained since the last probe.
    suspect: bool,
    stop: bool,
    told: bool,
    /// By cause: when it was said last that records cannot be read.
    warned: HashMap<&'static str, Instant>,
}

impl HealthState {
    /// Unreachable until the first probe says otherwise.
    pub(super) fn new() -> Arc<Self> {
        let health = Health::Unreachable { since: Instant::now() };
        let known = Known { health, suspect: false, stop: false, told: false, warned: HashMap::new() };
        Arc::new(Self { known: Mutex::new(known), wake: Condvar::new() })
    }

    pub(super) fn get(&self) -> Health {
        self.lock().health
    }

    /// A client had trouble: probe now.
    pub(super) fn suspect(&self) {
        self.lock().suspect = true;
        self.wake.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_all();
    }

    /// Whether it is to be said that records cannot be read: once in a while, for who reads on may meet the same ones again.
    fn is_warning_due(&self, cause: &'static str, now: Instant) -> bool {
        let mut known = self.lock();
        let is_due = known.warned.get(cause).is_none_or(|last| now >= *last + WARNING_INTERVAL);
        if is_due {
            known.warned.insert(cause, now);
        }
        is_due
    }

    fn found(&self, reached: bool, brokers: &str) {
        let mut known = self.lock();
        match (known.health, reached) {
            (Health::Unreachable { since }, true) => {
                known.health = Health::Reachable;
                tracing::info!(brokers, after = ?since.elapsed(), "Kafka is reached");
            }
            (Health::Reachable, false) => {
                known.health = Health::Unreachable { since: Instant::now() };
                tracing::warn!(brokers, "Kafka cannot be reached; trying on");
            }
            (Health::Unreachable { .. }, false) if !known.told => {
                tracing::warn!(brokers, "Kafka cannot be reached yet; trying on");
            }
            _ => {}
        }
        known.told = true;
    }

    /// Waits for the next moment to probe; false when all is over.
    fn wait(&self) -> bool {
        let known = self.lock();
        let wait = self.wake.wait_timeout_while(known, PROBE_INTERVAL, |known| !known.suspect && !known.stop);
        let (mut known, _) = wait.unwrap_or_else(PoisonError::into_inner);
        known.suspect = false;
        !known.stop
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Probes until stopped; runs on a thread of its own, for the calls block.
pub(super) fn watch(state: &HealthState, lookup: &Lookup, brokers: &str) {
    loop {
        let begun = Instant::now();
        let reached = lookup.probe(PROBE_TIMEOUT);
        lookup.serve();
        state.found(reached, brokers);
        if !state.wait() {
            return;
        }
        // Complaints come in bursts; a failed probe that came back at once is not repeated at once.
        if begun.elapsed() < MIN_INTERVAL {
            std::thread::sleep(MIN_INTERVAL);
        }
    }
}

/// Callbacks of the consumers and the admin client.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) health: Arc<HealthState>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        note_error(&self.health, &error, reason);
        if let Some(cause) = cause_unread(&error)
            && self.health.is_warning_due(cause, Instant::now())
        {
            tracing::warn!(
                cause,
                reason,
                "records in Kafka cannot be read: their partition stands still there, or they are left out"
            );
        }
    }
}

impl ConsumerContext for Context {}

/// Why records cannot be read, if an error says so. Other errors pass, or are told otherwise.
fn cause_unread(error: &KafkaError) -> Option<&'static str> {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code()? {
        E::BadMessage | E::InvalidMessage => Some("damaged"),
        E::BadCompression => Some("compression"),
        E::NotImplemented => Some("format"),
        E::MessageSizeTooLarge => Some("too_large"),
        E::TopicAuthorizationFailed => Some("not_allowed"),
        _ => None,
    }
}

/// Counts an error that a read has met, if it says that records cannot be read.
pub(super) fn count_unread(error: &KafkaError, metrics: &Metrics) {
    if let Some(cause) = cause_unread(error) {
        metrics.read_errors.get_or_create(&Cause { cause }).inc();
    }
}

/// librdkafka repeats itself with every reconnect; what an operator must know is logged above, once.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::warn!(facility, "librdkafka: {message}");
        }
        _ => tracing::debug!(facility, "librdkafka: {message}"),
    }
}

pub(super) fn note_error(health: &HealthState, error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "Kafka client error");
    if let Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) =
        error.rdkafka_error_code()
    {
        health.suspect();
    }
}

const PROBE_INTERVAL: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_records_cannot_be_read_is_said_once_in_a_while_for_each_cause() {
        let (health, begun) = (HealthState::new(), Instant::now());
        let late = begun + WARNING_INTERVAL;
        let rows =
            [("damaged", begun, true), ("damaged", begun, false), ("format", begun, true), ("damaged", late, true)];
        for (cause, now, is_due) in rows {
            assert_eq!(health.is_warning_due(cause, now), is_due, "{cause}");
        }
    }
}
