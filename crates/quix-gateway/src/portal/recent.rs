//! `RecentTopics`: all topics as they were a moment ago. Programs that wait for one ask for all of them each second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::broker::{Broker, BrokerError, TopicInfo};
use tokio::sync::Mutex;

/// One question to the broker for all who ask meanwhile.
#[derive(Debug, Default)]
pub(super) struct RecentTopics(Mutex<Option<(Instant, Arc<[TopicInfo]>)>>);

impl RecentTopics {
    /// By name, at most [`MAX_AGE`] old. What could not be told is asked again.
    pub(super) async fn topics(&self, broker: &dyn Broker, now: Instant) -> Result<Arc<[TopicInfo]>, BrokerError> {
        let mut recent = self.0.lock().await;
        if let Some((_, topics)) = recent.as_ref().filter(|(asked, _)| now.saturating_duration_since(*asked) < MAX_AGE)
        {
            return Ok(topics.clone());
        }
        let topics: Arc<[TopicInfo]> = broker.topics().await?.into();
        *recent = Some((now, topics.clone()));
        Ok(topics)
    }

    /// A topic was made: whoever made it finds it.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

const MAX_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use kafka_bridge::memory::MemoryBroker;

    use super::*;

    #[tokio::test]
    async fn topics_are_those_of_a_second_ago_unless_one_was_made_here() {
        let (broker, recent) = (MemoryBroker::new(), RecentTopics::default());
        let start = Instant::now();
        let count = async |later| recent.topics(&broker, start + later).await.unwrap().len();
        assert_eq!(count(Duration::ZERO).await, 0);
        broker.create_topic("a", None).await.unwrap();
        assert_eq!(count(MAX_AGE / 2).await, 0, "asked a moment ago");
        assert_eq!(count(MAX_AGE).await, 1);
        broker.create_topic("b", None).await.unwrap();
        recent.forget().await;
        assert_eq!(count(MAX_AGE).await, 2);
    }
}
