//! Watches followed topics for what no event tells: new partitions, deletion, being made anew, offsets out of range.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::live::Live;
use super::lookup::{Described, is_missing};
use crate::broker::PartitionPositions;

/// Looks every `interval`, sooner when woken, until stopped. Runs on a thread of its own: its questions block.
pub(super) fn run(live: &Live, interval: Duration) {
    let mut next = interval;
    let mut stuck = false;
    while let Some(woken) = live.watch.sleep(next) {
        stuck |= woken;
        let doubtful = look_at_topics(live);
        stuck = if stuck { !free_partitions(live) } else { show_lag(live) };
        next = if doubtful || stuck { interval.min(SECOND_LOOK) } else { interval };
    }
}

/// Compares what is followed with what there is; whether some topic was missing and wants a second look.
fn look_at_topics(live: &Live) -> bool {
    let followed: Vec<String> = live.routes().keys().cloned().collect();
    let names: Vec<&str> = followed.iter().map(String::as_str).collect();
    let found = match live.lookup.describe(&names, TIMEOUT) {
        Ok(found) => found,
        Err(error) => {
            tracing::debug!(%error, "followed topics could not be looked at");
            return false;
        }
    };
    let mut doubtful = false;
    for (topic, found) in found {
        match found {
            Ok(described) => compare(live, &topic, described),
            Err(error) if is_missing(error) => doubtful |= missing(live, &topic, Instant::now()),
            Err(error) => tracing::debug!(topic, %error, "topic could not be looked at"),
        }
    }
    doubtful
}

fn compare(live: &Live, topic: &str, described: Described) {
    let mut routes = live.routes();
    let Some(route) = routes.get_mut(topic) else {
        return;
    };
    route.missing = Missing::default();
    if route.id != described.id {
        tracing::info!(topic, "topic was made anew; its readers end");
        route.forget_lag(topic, &live.metrics);
        live.end_route(&mut routes, topic);
        return;
    }
    let (known, now) = (route.next.len(), described.partitions as usize);
    if now > known {
        tracing::warn!(
            topic,
            known,
            now,
            "topic has more partitions: keys may move, order across the change is not kept"
        );
        route.grow(now);
        for partition in known..now {
            if let Err(error) = live.assign_one(topic, partition, 0) {
                tracing::warn!(topic, partition, %error, "new partition not assigned");
            }
        }
        route.paused = true; // the new ones are not, but others may be: resume all at the next tending
    }
}

/// Takes note that a topic was not found; whether it wants a second look.
fn missing(live: &Live, topic: &str, now: Instant) -> bool {
    let mut routes = live.routes();
    let Some(route) = routes.get_mut(topic) else {
        return false;
    };
    if !route.missing.is_gone(now) {
        return true;
    }
    tracing::info!(topic, "topic was deleted; its readers end");
    route.forget_lag(topic, &live.metrics);
    live.end_route(&mut routes, topic);
    false
}

/// Shows how far reading is behind; whether some partition was cut back below what was read, which wants a close look.
fn show_lag(live: &Live) -> bool {
    let mut cut_back = false;
    for (topic, before) in offsets(live) {
        let Ok(ends) = live.lookup.ends(&topic, before.len() as i32, TIMEOUT) else { continue };
        if let Some(route) = live.routes().get(&topic) {
            route.show_lag(&topic, &ends, &live.metrics);
        }
        cut_back |= before.iter().zip(&ends).any(|(next, end)| next > end);
    }
    cut_back
}

/// Moves partitions whose offset is out of range to where they can go on: librdkafka has said that one is, but not which.
/// False if not all could be looked at.
fn free_partitions(live: &Live) -> bool {
    let followed = offsets(live);
    let mut positions = HashMap::new();
    for (topic, before) in &followed {
        match live.lookup.positions(topic, before.len() as i32, TIMEOUT) {
            Ok(found) => _ = positions.insert(topic, found),
            Err(error) => tracing::debug!(topic, %error, "offsets could not be looked at"),
        }
    }
    // After the offsets were asked: those of a topic made anew meanwhile say nothing about the old one.
    if look_at_topics(live) {
        return false;
    }
    let mut repaired = 0;
    for (topic, found) in &positions {
        repaired += followed.get(*topic).map_or(0, |before| repair(live, topic, before, found));
    }
    let all = positions.len() == followed.len();
    if repaired == 0 && all {
        // It came back into range meanwhile, but its partition stands still: let all start again where they are.
        tracing::debug!("no offset is out of range any more; assigning anew");
        followed.keys().for_each(|topic| assign_anew(live, topic));
    }
    all
}

fn offsets(live: &Live) -> HashMap<String, Vec<i64>> {
    live.routes().iter().map(|(topic, route)| (topic.clone(), route.next.clone())).collect()
}

fn repair(live: &Live, topic: &str, before: &[i64], positions: &[PartitionPositions]) -> usize {
    let mut repaired = 0;
    for (position, next) in positions.iter().zip(before) {
        let go_on_at = position.nearest(*next);
        let partition = position.partition as usize;
        let mut routes = live.routes();
        let Some(route) = routes.get_mut(topic) else { return repaired };
        if go_on_at == *next || route.next.get(partition) != Some(next) {
            continue; // in range, or it moved while we asked
        }
        let lost = (go_on_at - next).max(0);
        tracing::warn!(topic, partition, next, go_on_at, lost, "offset out of range; a gap is told to the readers");
        live.unassign(topic, partition..partition + 1);
        route.jump(partition, go_on_at, lost);
        live.metrics.count_gap(lost);
        if let Err(error) = live.assign_one(topic, partition, go_on_at) {
            tracing::warn!(topic, partition, %error, "partition not assigned anew");
        }
        route.paused = true; // whatever it was: resume at the next tending
        repaired += 1;
    }
    repaired
}

fn assign_anew(live: &Live, topic: &str) {
    let mut routes = live.routes();
    let Some(route) = routes.get_mut(topic) else {
        return;
    };
    live.unassign(topic, 0..route.next.len());
    for (partition, next) in route.next.iter().enumerate() {
        if let Err(error) = live.assign_one(topic, partition, *next) {
            tracing::warn!(topic, partition, %error, "partition not assigned anew");
        }
    }
    route.paused = true; // whatever they were: resume at the next tending
}

/// Looks that did not find a topic, since the first of them. One is not enough: a broker just started may not have heard of all
/// topics, and still has not in the same moment.
#[derive(Debug, Default)]
pub(super) struct Missing(Option<Instant>);

impl Missing {
    /// After another look that did not find it: whether it counts as deleted.
    pub(super) fn is_gone(&mut self, now: Instant) -> bool {
        now >= *self.0.get_or_insert(now) + SECOND_LOOK
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// How long after the first look that missed a topic another one tells that it is deleted.
pub(super) const SECOND_LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use tokio::sync::mpsc;

    use super::super::lookup::TopicId;
    use super::super::replay::Replays;
    use super::super::route::{Manners, Reader, Route};
    use super::*;
    use crate::broker::Delivery;
    use crate::metrics::Metrics;

    #[test]
    fn a_topic_that_two_looks_in_one_moment_miss_is_not_gone() {
        let mut config = ClientConfig::new();
        config.set("group.id", "test");
        let replays = Replays::for_test(config, Metrics::default());
        let live = &replays.live;
        let (sender, mut queued) = mpsc::channel(1);
        let route = Route::new(TopicId::for_test(), vec![0], Reader::new(sender, vec![0], Manners::Waits));
        live.routes().insert("t".into(), route);
        let first = Instant::now();
        assert!(missing(live, "t", first) && missing(live, "t", first));
        assert!(queued.try_recv().is_err() && live.routes().contains_key("t"));
        assert!(!missing(live, "t", first + SECOND_LOOK));
        assert_eq!(queued.try_recv(), Ok(Delivery::TopicGone));
    }
}
