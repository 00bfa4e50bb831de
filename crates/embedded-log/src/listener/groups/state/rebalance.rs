//! Rebalancing: ending a generation, waiting for all to join, beginning the next.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::{Answer, Group, Phase};

impl Group {
    /// Ends the generation: all have to join again.
    pub(super) fn rebalance(&mut self, now: Instant) {
        if self.phase == Phase::Syncing {
            self.refuse_syncing();
        }
        let deadline = now + self.longest_rebalance();
        let delay = if self.phase == Phase::Empty { self.limits.initial_delay } else { Duration::ZERO };
        self.sync_deadline = None;
        self.phase = Phase::Joining { deadline, not_before: (now + delay).min(deadline) };
        self.try_begin(now);
    }

    /// Begins the next generation if everybody is there.
    pub(super) fn try_begin(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Joining { not_before, .. } if not_before <= now) && self.all_joined() {
            self.begin_generation(now);
        }
    }

    pub(super) fn all_joined(&self) -> bool {
        self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// Begins the next generation with whoever is there. Members with lasting names stay in while their sessions last.
    pub(super) fn begin_generation(&mut self, now: Instant) {
        let absent: Vec<_> =
            self.members.iter().filter(|(_, it)| it.joining.is_none() && it.instance.is_none()).collect();
        let absent: Vec<Arc<str>> = absent.into_iter().map(|(id, _)| id.clone()).collect();
        for id in &absent {
            self.members.remove(id);
        }
        let present = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(present) {
            let Some(id) = self.members.keys().find(|id| present(id)).cloned() else {
                return self.wait_for_absent(now);
            };
            self.leader = Some(id);
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.select_protocol();
        self.phase = Phase::Syncing;
        self.sync_deadline = Some(now + self.longest_rebalance());
        let tickets: Vec<_> =
            self.members.iter().filter_map(|(id, member)| Some((id.clone(), member.joining?))).collect();
        for member in self.members.values_mut() {
            // Who is absent is not waited for in this generation.
            member.synced = member.joining.is_none();
            member.assignment = Bytes::new();
        }
        for (id, ticket) in tickets {
            let leads = self.leader.as_ref() == Some(&id);
            self.answer_joined(now, &id, ticket, leads);
        }
    }

    /// Nobody joined: the group ends, or waits for those with lasting names until their sessions end.
    fn wait_for_absent(&mut self, now: Instant) {
        if self.members.is_empty() {
            self.generation = self.generation.checked_add(1).unwrap_or(1);
            (self.leader, self.protocol, self.sync_deadline) = (None, None, None);
            self.phase = Phase::Empty;
        } else {
            let deadline = now + self.longest_rebalance();
            self.phase = Phase::Joining { deadline, not_before: now };
        }
    }

    /// Ends a membership, whatever it waits for.
    pub(super) fn remove(&mut self, now: Instant, id: &Arc<str>) {
        let Some(member) = self.members.remove(id) else { return };
        self.answer(member.joining, Answer::NotJoined(ResponseError::UnknownMemberId, id.clone()));
        self.answer(member.syncing, Answer::NotAssigned(ResponseError::UnknownMemberId));
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        match self.phase {
            Phase::Joining { .. } => self.try_begin(now),
            Phase::Syncing | Phase::Stable => self.rebalance(now),
            Phase::Empty => {}
        }
    }

    /// The time to ask for assignments is over: whoever has not is gone.
    pub(super) fn end_sync(&mut self, now: Instant) {
        self.sync_deadline = None;
        let missing: Vec<_> = self.members.iter().filter(|(_, it)| !it.synced).map(|(id, _)| id.clone()).collect();
        for id in &missing {
            self.remove(now, id);
        }
    }

    /// The kind of assignment that most like best among those that all support.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let shared = |protocol: &str| self.members.values().all(|member| member.supports(protocol));
        let mut votes: HashMap<&Arc<str>, usize> = HashMap::new();
        for member in self.members.values() {
            let liked = member.subscriptions.iter().find(|subscription| shared(&subscription.protocol));
            if let Some(liked) = liked {
                *votes.entry(&liked.protocol).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(protocol, votes)| (*votes, *protocol)).map(|(protocol, _)| protocol.clone())
    }

    fn refuse_syncing(&mut self) {
        let waiting: Vec<_> = self.members.values_mut().map(|member| member.syncing.take()).collect();
        for ticket in waiting {
            self.answer(ticket, Answer::NotAssigned(ResponseError::RebalanceInProgress));
        }
    }

    fn longest_rebalance(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }
}
