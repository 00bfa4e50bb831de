//! `Leaders`: whether topics can be used, and since when they cannot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kafka_bridge::broker::TopicInfo;

/// Since when topics were seen without a leader of each partition.
#[derive(Debug, Default)]
pub(super) struct Leaders(Mutex<HashMap<String, Instant>>);

impl Leaders {
    /// A topic's status: clients wait for as long as it is `Creating`, old ones without end.
    pub(super) fn status(&self, topic: &TopicInfo, now: Instant) -> &'static str {
        let mut missing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if topic.has_leaders {
            missing.remove(&topic.name);
            return READY;
        }
        // Of topics that are gone.
        missing.retain(|_, since| now.saturating_duration_since(*since) < FORGOTTEN);
        let since = *missing.entry(topic.name.clone()).or_insert(now);
        if now.saturating_duration_since(since) < PATIENCE { CREATING } else { ERROR }
    }
}

const READY: &str = "Ready";
const CREATING: &str = "Creating";
/// Said with a reason: new clients show it, old ones go on and let Kafka say what is wrong.
pub(super) const ERROR: &str = "Error";

/// Electing a leader takes no longer where there is one to elect.
const PATIENCE: Duration = Duration::from_secs(30);
/// Then the time begins anew.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_without_leaders_is_waited_for_and_then_an_error() {
        let (leaders, start) = (Leaders::default(), Instant::now());
        let status = |has_leaders, seconds| {
            let topic = TopicInfo { name: "t".to_owned(), partitions: 2, has_leaders };
            leaders.status(&topic, start + Duration::from_secs(seconds))
        };
        let rows = [
            (true, 0, READY),
            (false, 1, CREATING),
            (false, 30, CREATING),
            (false, 31, ERROR),
            (true, 32, READY),
            (false, 33, CREATING),
        ];
        for (has_leaders, seconds, wanted) in rows {
            assert_eq!(status(has_leaders, seconds), wanted, "after {seconds} s");
        }
    }
}
