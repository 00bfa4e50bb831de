//! `Meter`: how much comes through a topic, measured period by period.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::timestamp::date_time;
use crate::topics::Topic;

/// Measures one topic. Times are milliseconds of a clock that never jumps.
#[derive(Debug)]
pub(crate) struct Meter {
    period: i64,
    history: i64,
    measured: VecDeque<Measured>,
    since: i64,
    bytes: u64,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    /// When its period ended.
    pub(crate) at: i64,
    bytes_per_second: u64,
    active_streams: usize,
}

/// The argument of `TopicMetricsUpdated`. Source: Quix Streaming Reader API.
#[derive(Debug)]
pub(crate) struct TopicMetrics<'a> {
    pub(crate) topic: &'a Topic,
    pub(crate) measured: Measured,
    /// What to add to its time to tell it.
    pub(crate) shift: i64,
}

/// Measurements of a topic or of several, oldest first: what a subscriber is answered.
#[derive(Debug, Default)]
pub(crate) struct MetricsList(pub(crate) Vec<(Arc<Topic>, Measured, i64)>);

impl MetricsList {
    /// Puts them in the order of their times, and leaves out the oldest past so many bytes as JSON; how many that were.
    pub(crate) fn bound(&mut self, max_bytes: usize) -> usize {
        self.0.sort_by_key(|(_, measured, shift)| measured.at.saturating_add(*shift));
        let mut bytes = 0;
        let kept = self.0.iter().rev().take_while(|(topic, ..)| {
            bytes += FORM_BYTES + topic.name.len() + topic.id.len();
            bytes <= max_bytes
        });
        let too_many = self.0.len() - kept.count();
        self.0.drain(..too_many);
        too_many
    }
}

/// Of a measurement as JSON at most, but for the names of its topic, which need no escapes.
const FORM_BYTES: usize = 160;

impl Meter {
    pub(crate) fn new(period: Duration, history: Duration, now: i64) -> Self {
        let [period, history] = [period, history].map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        Self { period: period.max(1), history, measured: VecDeque::new(), since: now, bytes: 0 }
    }

    /// Bytes that came now.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// When the period ends.
    pub(crate) fn due(&self) -> i64 {
        self.since.saturating_add(self.period)
    }

    /// Ends the period if it is over.
    pub(crate) fn measure(&mut self, now: i64, active_streams: impl FnOnce() -> usize) -> Option<Measured> {
        if now < self.due() {
            return None;
        }
        let lasted = u64::try_from(now - self.since).unwrap_or(0).max(1);
        let bytes_per_second = u64::try_from(u128::from(self.bytes) * 1_000 / u128::from(lasted)).unwrap_or(u64::MAX);
        (self.since, self.bytes) = (now, 0);
        let measured = Measured { at: now, bytes_per_second, active_streams: active_streams() };
        self.measured.push_back(measured);
        while self.measured.front().is_some_and(|oldest| oldest.at < now.saturating_sub(self.history)) {
            self.measured.pop_front();
        }
        Some(measured)
    }

    /// The measurements kept, oldest first.
    pub(crate) fn list(&self, topic: &Arc<Topic>, shift: i64) -> MetricsList {
        MetricsList(self.measured.iter().map(|measured| (topic.clone(), *measured, shift)).collect())
    }
}

impl Serialize for MetricsList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.iter();
        serializer.collect_seq(all.map(|(topic, measured, shift)| TopicMetrics {
            topic,
            measured: *measured,
            shift: *shift,
        }))
    }
}

impl Serialize for TopicMetrics<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Form<'a> {
            timestamp: String,
            topic_id: &'a str,
            topic_name: &'a str,
            bytes_per_second: u64,
            active_streams: usize,
        }
        let (topic_id, topic_name) = (self.topic.id.as_str(), self.topic.name.as_str());
        let Measured { at, bytes_per_second, active_streams } = self.measured;
        let timestamp = date_time(Some(at.saturating_add(self.shift)));
        Form { timestamp, topic_id, topic_name, bytes_per_second, active_streams }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        Meter::new(Duration::from_secs(5), Duration::from_secs(20), 0)
    }

    #[test]
    fn a_period_is_measured_when_it_is_over_by_the_time_it_took() {
        let mut meter = meter();
        meter.count(41_000);
        meter.count(413);
        assert!(meter.measure(4_999, || 1).is_none());
        assert_eq!(meter.due(), 5_000);
        let (topic, measured) = (Topic { name: "f1".into(), id: "ws-f1".into() }, meter.measure(5_000, || 1).unwrap());
        let measured = serde_json::to_string(&TopicMetrics { topic: &topic, measured, shift: 60_000 }).unwrap();
        let expected = concat!(
            r#"{"timestamp":"1970-01-01T00:01:05Z","topicId":"ws-f1","topicName":"f1","#,
            r#""bytesPerSecond":8282,"activeStreams":1}"#
        );
        assert_eq!(measured, expected);
        assert!(meter.measure(5_000, || 1).is_none());
        meter.count(1_000);
        assert_eq!(meter.measure(15_000, || 0).unwrap().bytes_per_second, 100, "a late one");
        assert_eq!(meter.due(), 20_000);
    }

    #[test]
    fn a_list_of_many_topics_is_in_order_and_its_oldest_are_left_out_past_a_bound() {
        let topics = ["a", "b"].map(|name| Arc::new(Topic { name: name.into(), id: format!("ws-{name}") }));
        let measured = |at| Measured { at, bytes_per_second: u64::MAX, active_streams: usize::MAX };
        let of = |topic: usize| (0..50).map(move |at| (topic, measured(at * 2), topic as i64));
        let all = of(0).chain(of(1)).map(|(topic, measured, shift)| (topics[topic].clone(), measured, shift));
        let mut list = MetricsList(all.collect());
        assert_eq!(list.bound(usize::MAX), 0);
        assert!(list.0.iter().map(|(_, measured, shift)| measured.at + shift).eq(0..100));
        let bytes = serde_json::to_string(&list).unwrap().len();
        assert!(list.bound(bytes / 2) > 50);
        assert_eq!(list.0.last().unwrap().1.at, 98);
        assert!(serde_json::to_string(&list).unwrap().len() < bytes / 2);
    }

    #[test]
    fn the_list_goes_back_for_a_while_oldest_first() {
        let mut meter = meter();
        for period in 1..=10 {
            meter.measure(period * 5_000, || 0).unwrap();
        }
        let topic = Arc::new(Topic { name: "f1".into(), id: "ws-f1".into() });
        let times: Vec<_> = meter.list(&topic, 0).0.iter().map(|(_, measured, _)| measured.at).collect();
        assert_eq!(times, [30_000, 35_000, 40_000, 45_000, 50_000]);
    }
}
