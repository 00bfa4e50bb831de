//! What a package means to whom: its callbacks, given to the audiences that want them.
//!
//! A body is looked into only if some audience needs it: once as JSON for those of packages, once as a model for the rest.

use std::sync::Arc;
use std::time::Instant;

use quix_model::{
    Content, Data, DefinitionsUpdated, Event, EventDataReceived, Package, PackageReceived, ParameterDataReceived,
    ReadProblem, Timeseries,
};
use serde::Serialize;

use super::audiences::{Audiences, Member};
use super::frames::{Callback, Chunk, Frames};
use super::groups::Group;
use super::sampler::Sampler;
use crate::subscription::Kind;
use crate::timestamp::date_time;
use crate::topics::Topic;

/// A package on its way to those who want something of it.
pub(crate) struct Delivery<'a, 'p, T> {
    pub(crate) topic: &'a Topic,
    pub(crate) package: &'a Package<'p>,
    /// Of the record that completed it.
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) takers: T,
    /// Where packages are to be no more than so many a second.
    pub(crate) sampler: Option<&'a mut Sampler>,
}

/// Who gets callbacks.
pub(crate) trait Takers {
    /// Who gets what of a stream's packages.
    fn groups(&mut self, kind: Kind, stream_id: &str) -> Arc<[Group]>;

    fn give<A: Serialize>(&mut self, callback: &mut Callback<'_, A>, group: &Group);
}

/// A topic's audiences, and the frames that gather what they are given.
pub(crate) struct Gathering<'a, M> {
    pub(crate) audiences: &'a mut Audiences<M>,
    pub(crate) frames: &'a mut Frames,
    /// Takes what is gathered when more would be too much.
    pub(crate) hand_over: &'a mut dyn FnMut(&Audiences<M>, Chunk),
}

impl<M: Member> Takers for Gathering<'_, M> {
    fn groups(&mut self, kind: Kind, stream_id: &str) -> Arc<[Group]> {
        self.audiences.groups(kind, stream_id)
    }

    fn give<A: Serialize>(&mut self, callback: &mut Callback<'_, A>, group: &Group) {
        for audience in &group.audiences {
            self.frames.give(callback, *audience, self.audiences.encoding(*audience));
        }
        // Within a record too: what it comes to for all who want something else of it has no bound.
        if self.frames.is_full() {
            let audiences = &*self.audiences;
            if let Some(chunk) = self.frames.take(|slot| audiences.encoding(slot)) {
                (self.hand_over)(audiences, chunk);
            }
            callback.begin_again();
        }
    }
}

/// What a delivery found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Times its body was looked into.
    pub(crate) parses: u64,
    /// Those who follow all packages do not get it, as there are too many.
    pub(crate) is_left_out: bool,
    /// What was wrong with it.
    pub(crate) problem: Option<ReadProblem>,
}

impl<T: Takers> Delivery<'_, '_, T> {
    /// Gives everybody their callbacks, in the order of the package.
    pub(crate) fn make(mut self) -> Found {
        let mut found = Found::default();
        let stream_id = self.package.stream_id();
        let takers = self.takers.groups(Kind::Packages, stream_id);
        if !takers.is_empty() {
            found.is_left_out = self.sampler.as_mut().is_some_and(|sampler| !sampler.takes(Instant::now()));
        }
        if !takers.is_empty() && !found.is_left_out {
            let (content, time) = (self.package.content(), date_time(self.timestamp_ms));
            (found.parses, found.problem) = (1, content.problem);
            let received = package_received(self.topic, stream_id, &content, &time);
            self.give_to_all("PackageReceived", &received, &takers);
        }
        let Some(kind) = self.package.model().and_then(Kind::of) else { return found };
        let groups = self.takers.groups(kind, stream_id);
        if !groups.is_empty() {
            found.parses += 1;
            match self.package.decoded() {
                Ok(decoded) => {
                    found.problem = found.problem.or(decoded.problem);
                    self.give_data(&decoded.data);
                }
                Err(problem) => found.problem = found.problem.or(problem),
            }
        }
        found
    }

    /// By what the body holds, should the envelope have said otherwise.
    fn give_data(&mut self, data: &Data<'_>) {
        let Some(kind) = Kind::of(data.model()) else { return };
        let (topic, stream_id) = (self.topic, self.package.stream_id());
        let groups = self.takers.groups(kind, stream_id);
        let (topic_id, topic_name) = (&*topic.id, &*topic.name);
        match data {
            Data::Timeseries(timeseries) => self.give_timeseries(timeseries, &groups),
            Data::Events(events) => self.give_events(events, &groups),
            Data::ParameterDefinitions(definitions) => {
                let updated = DefinitionsUpdated { topic_id, topic_name, stream_id, definitions };
                self.give_to_all("ParameterDefinitionsUpdated", &updated, &groups);
            }
            Data::EventDefinitions(definitions) => {
                let updated = DefinitionsUpdated { topic_id, topic_name, stream_id, definitions };
                self.give_to_all("EventDefinitionsUpdated", &updated, &groups);
            }
            Data::StreamProperties(_) | Data::StreamEnd(_) => {}
        }
    }

    /// One callback for each group that wants any of the parameters.
    fn give_timeseries(&mut self, timeseries: &Timeseries<'_>, groups: &[Group]) {
        for group in groups {
            let received = ParameterDataReceived {
                topic_id: &self.topic.id,
                topic_name: &self.topic.name,
                stream_id: self.package.stream_id(),
                timeseries,
                wanted: |id: &str| group.wanted.has(id),
            };
            if received.has_any() {
                self.takers.give(&mut Callback::new("ParameterDataReceived", &received), group);
            }
        }
    }

    /// One callback for each event that anybody wants, the same for all.
    fn give_events(&mut self, events: &[Event<'_>], groups: &[Group]) {
        for event in events {
            let received = EventDataReceived {
                topic_id: &self.topic.id,
                topic_name: &self.topic.name,
                stream_id: self.package.stream_id(),
                event,
            };
            let mut callback = Callback::new("EventDataReceived", &received);
            let id = event.id.as_deref().unwrap_or_default();
            for group in groups.iter().filter(|group| group.wanted.has(id)) {
                self.takers.give(&mut callback, group);
            }
        }
    }

    fn give_to_all<A: Serialize>(&mut self, target: &'static str, argument: &A, groups: &[Group]) {
        let mut callback = Callback::new(target, argument);
        groups.iter().for_each(|group| self.takers.give(&mut callback, group));
    }
}

/// A package as subscribers get it.
pub(super) fn package_received<'a>(
    topic: &'a Topic,
    stream_id: &'a str,
    content: &'a Content<'_>,
    date_time: &'a str,
) -> PackageReceived<'a> {
    PackageReceived {
        topic_id: &topic.id,
        topic_name: &topic.name,
        stream_id,
        type_name: &content.type_name,
        value: &content.value,
        date_time,
    }
}
