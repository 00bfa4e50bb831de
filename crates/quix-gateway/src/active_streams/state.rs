//! `State`: what a subscriber is answered, of one topic or of several.

use serde::Serialize;

use super::calls::Calls;
use super::form::StreamList;
use super::subscribers::Subscriber;
use super::task::{Answer, Request, Subject, ToTell};
use crate::topic_metrics::MetricsList;

pub(crate) trait State: Serialize + Default + Send + 'static {
    /// Its subject.
    const SUBJECT: Subject;

    /// What asks a topic's task for it.
    fn request(subscriber: Subscriber, answer: Answer<Self>) -> Request;

    /// Adds that of another topic.
    fn add(&mut self, other: Self);

    /// Makes one of all that was added, of no more bytes than this as far as that matters; whether something was left out.
    fn bound(&mut self, max_bytes: usize) -> bool;

    /// As calls, for who was answered without it.
    fn tell(&self, calls: &mut Calls);
}

impl State for StreamList {
    const SUBJECT: Subject = Subject::Streams;

    fn request(subscriber: Subscriber, answer: Answer<Self>) -> Request {
        Request::Streams { subscriber, answer }
    }

    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn bound(&mut self, max_bytes: usize) -> bool {
        self.bound(max_bytes) > 0
    }

    fn tell(&self, calls: &mut Calls) {
        self.tell(calls);
    }
}

impl State for MetricsList {
    const SUBJECT: Subject = Subject::Metrics;

    fn request(subscriber: Subscriber, answer: Answer<Self>) -> Request {
        Request::Metrics { subscriber, answer }
    }

    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn bound(&mut self, max_bytes: usize) -> bool {
        self.bound(max_bytes) > 0
    }

    fn tell(&self, calls: &mut Calls) {
        for (_, measured, shift) in &self.0 {
            calls.add(&ToTell { measured: *measured, shift: *shift });
        }
    }
}
