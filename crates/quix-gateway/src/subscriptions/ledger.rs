//! `Ledger`: how many subscriptions a connection has, and of which topics.

use std::collections::HashMap;
use std::sync::Arc;

use super::Reach;
use crate::topics::Topic;

/// One connection's. Which subscriptions they are, each topic's task knows.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By name, as a connection is of one workspace; each has some.
    topics: HashMap<String, Followed>,
    /// Those of all topics, each one subscription however many topics there are.
    everywhere: usize,
    count: usize,
}

#[derive(Debug)]
struct Followed {
    topic: Arc<Topic>,
    count: usize,
}

impl Ledger {
    /// All subscriptions.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Those of all topics.
    pub(crate) fn everywhere(&self) -> usize {
        self.everywhere
    }

    /// Whether there are any of a reach.
    pub(crate) fn has(&self, reach: &Reach) -> bool {
        match reach {
            Reach::Topic(topic) => self.topics.contains_key(&topic.name),
            Reach::AllTopics => self.everywhere > 0,
        }
    }

    /// Notes one more.
    pub(crate) fn add(&mut self, reach: &Reach) {
        self.count += 1;
        match reach {
            Reach::Topic(topic) => {
                let new = || Followed { topic: topic.clone(), count: 0 };
                self.topics.entry(topic.name.clone()).or_insert_with(new).count += 1;
            }
            Reach::AllTopics => self.everywhere += 1,
        }
    }

    /// Notes that so many have ended.
    pub(crate) fn subtract(&mut self, reach: &Reach, ended: usize) {
        let count = match reach {
            Reach::Topic(topic) => self.topics.get_mut(&topic.name).map(|followed| &mut followed.count),
            Reach::AllTopics => Some(&mut self.everywhere),
        };
        let Some(count) = count else { return };
        let ended = ended.min(*count);
        *count -= ended;
        self.count -= ended;
        self.topics.retain(|_, followed| followed.count > 0);
    }

    /// The topic of this name that has some, else the one of this id.
    pub(crate) fn topic(&self, text: &str) -> Option<Arc<Topic>> {
        let by_id = || self.topics.values().find(|followed| followed.topic.id == text);
        self.topics.get(text).or_else(by_id).map(|followed| followed.topic.clone())
    }

    /// All topics that have some.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values().map(|followed| &followed.topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_up_and_down_and_never_below_nothing() {
        let (a, b) = (topic("a"), topic("b"));
        let mut ledger = Ledger::default();
        for reach in [&a, &a, &b, &Reach::AllTopics] {
            ledger.add(reach);
        }
        assert_eq!(ledger.count(), 4);
        assert!(ledger.topic("a").is_some());
        assert_eq!(ledger.topic("a"), ledger.topic("ws-a"));
        ledger.subtract(&a, 2);
        ledger.subtract(&a, 1);
        assert_eq!((ledger.count(), ledger.topic("a"), ledger.has(&a)), (2, None, false));
        ledger.subtract(&Reach::AllTopics, 2);
        ledger.subtract(&b, 5);
        assert_eq!((ledger.count(), ledger.topics().count()), (0, 0));
    }

    #[test]
    fn a_name_comes_before_an_id() {
        let mut ledger = Ledger::default();
        ledger.add(&topic("a"));
        ledger.add(&topic("ws-a"));
        assert_eq!(ledger.topic("ws-a").unwrap().name, "ws-a");
    }

    fn topic(name: &str) -> Reach {
        Reach::Topic(Arc::new(Topic { name: name.to_owned(), id: format!("ws-{name}") }))
    }
}
