//! `Subscribers`: the connections that get the same calls. What comes before a connection has its answer waits for that.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use signalr_server::{CloseReason, ConnectionHandle, ConnectionId, Encoding, Frame};
use tokio::sync::oneshot;

use super::calls::Calls;
use crate::fan_out::{Round, cut_off};
use crate::subscription::Scope;
use crate::topics::Topic;

/// Who subscribes, what the topic is called there, and how it was named.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    pub(crate) connection: ConnectionHandle,
    pub(crate) topic: Arc<Topic>,
    pub(crate) scope: Scope,
}

#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    members: HashMap<ConnectionId, Member>,
    answers: FuturesUnordered<BoxFuture<'static, Place>>,
    last_number: u64,
}

/// A member, and none that came back since.
type Place = (ConnectionId, u64);

#[derive(Debug)]
struct Member {
    subscriber: Subscriber,
    /// It has asked for this topic and for all of them.
    has_both: bool,
    number: u64,
    /// Answers that are not on their way yet.
    unanswered: usize,
    /// What waits for them.
    held: Vec<Frame>,
    held_bytes: usize,
}

impl Subscribers {
    /// Adds a connection that is being answered: it gets nothing before `answered` is dropped. Twice is once.
    pub(crate) fn admit(&mut self, subscriber: Subscriber, answered: oneshot::Receiver<()>) {
        let id = subscriber.connection.id();
        let number = match self.members.get_mut(&id) {
            Some(member) => {
                member.has_both |= member.subscriber.scope != subscriber.scope;
                member.unanswered += 1;
                member.number
            }
            None => {
                self.last_number += 1;
                self.members.insert(id, Member::new(subscriber, self.last_number));
                self.last_number
            }
        };
        self.answers.push(answered.map(move |_| (id, number)).boxed());
    }

    /// Ends the subscription that named the topic so.
    pub(crate) fn leave(&mut self, id: ConnectionId, scope: Scope) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if std::mem::take(&mut member.has_both) {
            member.subscriber.scope = scope.other();
        } else if member.subscriber.scope == scope {
            self.members.remove(&id);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// For calls of all of them, in the encodings that they speak.
    pub(crate) fn calls(&self) -> Calls {
        let mut calls = Calls::default();
        self.members.values().for_each(|member| calls.open(member.encoding(), &member.subscriber.topic));
        calls
    }

    /// Sends what was gathered, the same frames to all who get the same. Those that have ended are let go.
    pub(crate) async fn send(&mut self, calls: Calls) {
        let frames = calls.finish();
        if frames.is_empty() {
            return;
        }
        let mut round = Round::begin();
        for member in self.members.values_mut() {
            for frame in frames.get(&(member.encoding(), member.subscriber.topic.clone())).into_iter().flatten() {
                round.pause().await;
                member.give(frame, &mut round);
            }
        }
        self.let_go(round);
    }

    /// Waits until a connection has its answer, and hands over what waited for that. Cancel safe.
    pub(crate) async fn answered(&mut self) {
        let Some((id, number)) = self.answers.next().await else { return std::future::pending().await };
        let mut round = Round::begin();
        if let Some(member) = self.members.get_mut(&id).filter(|member| member.number == number) {
            member.unanswered -= 1;
            if member.unanswered == 0 {
                member.held_bytes = 0;
                std::mem::take(&mut member.held).iter().for_each(|frame| member.give(frame, &mut round));
            }
        }
        self.let_go(round);
    }

    /// Ends all connections, which shall know why.
    pub(crate) fn end_all(&mut self, topic: &str, reason: &str) {
        cut_off(topic, reason, self.members.drain().map(|(_, member)| member.subscriber.connection));
    }

    /// Ends those who asked for this very topic; to whoever follows all topics there is just one less.
    pub(crate) fn end_named(&mut self, topic: &str, reason: &str) {
        let named = self.members.extract_if(|_, member| member.has_both || member.subscriber.scope == Scope::Topic);
        cut_off(topic, reason, named.map(|(_, member)| member.subscriber.connection));
    }

    fn let_go(&mut self, round: Round) {
        round.ended().iter().for_each(|id| _ = self.members.remove(id));
    }
}

impl Member {
    fn new(subscriber: Subscriber, number: u64) -> Self {
        Self { subscriber, has_both: false, number, unanswered: 1, held: Vec::new(), held_bytes: 0 }
    }

    /// Members have shaken hands: they have called to become such.
    fn encoding(&self) -> Encoding {
        self.subscriber.connection.encoding().unwrap_or(Encoding::Json)
    }

    fn give(&mut self, frame: &Frame, round: &mut Round) {
        if self.unanswered == 0 {
            round.push(&self.subscriber.connection, frame);
            return;
        }
        self.held.push(frame.clone());
        self.held_bytes += frame.wire_len();
        if self.held_bytes > MAX_HELD_BYTES {
            self.subscriber.connection.end(CloseReason::TooSlow);
            (self.held, self.held_bytes) = (Vec::new(), 0);
        }
    }
}

/// Waiting for one connection's answer, which takes seconds at most.
const MAX_HELD_BYTES: usize = 8 << 20;
