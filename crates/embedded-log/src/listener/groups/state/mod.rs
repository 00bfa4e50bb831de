//! `Group`: a consumer group of Kafka's classic protocol as a value. Calls and the clock come in, answers come out.
//!
//! Members join; when all have, or the time for it is over, a new generation begins and its leader is told everybody's
//! subscription; all ask for their assignment and get it once the leader has brought all of them. Whoever joins, leaves or
//! falls silent begins that anew. Source: Apache Kafka, `GroupCoordinator` and KIP-345 (static members).
//!
//! Call order: any of [`Group::join`], [`Group::sync`], [`Group::heartbeat`], [`Group::leave`], [`Group::check_commit`], and
//! [`Group::tick`] at [`Group::next_deadline`]; after each, [`Group::take_answers`].

mod join;
mod member;
mod rebalance;
#[cfg(test)]
mod simulation;
mod sync;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kafka_protocol::ResponseError;

pub(crate) use self::member::{Member, Subscription};

/// Names whoever waits for an answer.
pub(crate) type Ticket = u64;

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    limits: Limits,
    phase: Phase,
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Members by their own, lasting name.
    instances: HashMap<Arc<str>, Arc<str>>,
    /// Ids that were given to members who have not joined with them yet, and when they lapse.
    promised: HashMap<Arc<str>, Instant>,
    /// When members that have not asked for their assignment are taken for gone.
    sync_deadline: Option<Instant>,
    answers: Vec<(Ticket, Answer)>,
}

/// What a group of a listener may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_members: usize,
    pub(crate) initial_delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No members.
    Empty,
    /// Waiting for members to join.
    Joining {
        /// Whoever has not joined by then is out.
        deadline: Instant,
        /// Do not begin before, others may come.
        not_before: Instant,
    },
    /// Waiting for the leader's assignments.
    Syncing,
    /// All have their assignments.
    Stable,
}

/// A wish to be a member.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) ticket: Ticket,
    /// As an earlier answer gave it, or empty.
    pub(crate) member_id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    /// The id it gets if it has none.
    pub(crate) fresh_id: Arc<str>,
    /// Whether a new member has to ask again with the id it is given.
    pub(crate) id_required: bool,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: Arc<str>,
    /// What it can do, liked best first.
    pub(crate) subscriptions: Vec<Subscription>,
}

/// Whoever calls, and which generation it takes itself to be in.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) member_id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) generation: i32,
}

/// What somebody waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Joined(Joined),
    /// And the id of the member, where there is one.
    NotJoined(ResponseError, Arc<str>),
    Assigned(Bytes),
    NotAssigned(ResponseError),
}

/// Membership in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member_id: Arc<str>,
    pub(crate) generation: i32,
    pub(crate) protocol: Arc<str>,
    pub(crate) leader: Arc<str>,
    /// For the leader: id, lasting name and subscription of all.
    pub(crate) members: Vec<(Arc<str>, Option<Arc<str>>, Bytes)>,
}

impl Group {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            promised: HashMap::new(),
            sync_deadline: None,
            answers: Vec::new(),
        }
    }

    /// A sign of life.
    pub(crate) fn heartbeat(&mut self, now: Instant, caller: &Caller) -> Result<(), ResponseError> {
        if self.promised.contains_key(&caller.member_id) {
            return Ok(());
        }
        self.check_caller(caller)?;
        self.touch(now, &caller.member_id);
        match self.phase {
            Phase::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Ends a membership. A lasting member may be named by its lasting name alone.
    pub(crate) fn leave(
        &mut self,
        now: Instant,
        member_id: &Arc<str>,
        instance: Option<&Arc<str>>,
    ) -> Result<(), ResponseError> {
        if self.promised.remove(member_id).is_some() {
            self.try_begin(now);
            return Ok(());
        }
        let id = match instance {
            Some(instance) => {
                let id = self.instances.get(instance).ok_or(ResponseError::UnknownMemberId)?;
                if !member_id.is_empty() && id != member_id {
                    return Err(ResponseError::FencedInstanceId);
                }
                id.clone()
            }
            None => member_id.clone(),
        };
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(now, &id);
        Ok(())
    }

    /// Whether the caller may commit offsets now; a sign of life, too.
    pub(crate) fn check_commit(&mut self, now: Instant, caller: &Caller) -> Result<(), ResponseError> {
        if caller.generation < 0 && self.phase == Phase::Empty {
            return Ok(()); // a consumer that assigns itself
        }
        self.check_caller(caller)?;
        if self.phase == Phase::Syncing {
            return Err(ResponseError::RebalanceInProgress);
        }
        self.touch(now, &caller.member_id);
        Ok(())
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.promised.retain(|_, lapses| *lapses > now);
        let silent: Vec<_> =
            self.members.iter().filter(|(_, member)| member.is_silent(now)).map(|(id, _)| id.clone()).collect();
        for id in silent {
            // An earlier one's end may have answered this one.
            if self.members.get(&id).is_some_and(|member| member.is_silent(now)) {
                self.remove(now, &id);
            }
        }
        if self.sync_deadline.is_some_and(|deadline| deadline <= now) {
            self.end_sync(now);
        }
        match self.phase {
            Phase::Joining { deadline, .. } if deadline <= now => self.begin_generation(now),
            Phase::Joining { .. } => self.try_begin(now),
            _ => {}
        }
    }

    /// When [`Group::tick`] has something to do, if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let joining = match self.phase {
            Phase::Joining { deadline, not_before } if self.all_joined() => Some(deadline.min(not_before)),
            Phase::Joining { deadline, .. } => Some(deadline),
            _ => None,
        };
        let members = self.members.values().filter_map(Member::expires_at);
        let promised = self.promised.values().copied();
        members.chain(promised).chain(joining).chain(self.sync_deadline).min()
    }

    /// What is to be told to whom.
    pub(crate) fn take_answers(&mut self) -> Vec<(Ticket, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// Nobody is in it or about to be.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Bytes of subscriptions and assignments.
    pub(crate) fn bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum::<usize>() + self.promised.len() * Member::OVERHEAD_BYTES
    }

    /// Kafka's name of its state.
    pub(crate) fn state_name(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Joining { .. } => "PreparingRebalance",
            Phase::Syncing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub(crate) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    /// The kind of assignment in force.
    pub(crate) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter()
    }

    fn check_caller(&self, caller: &Caller) -> Result<(), ResponseError> {
        self.check_member(&caller.member_id, caller.instance.as_ref())?;
        if caller.generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn check_member(&self, id: &Arc<str>, instance: Option<&Arc<str>>) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(holder) if holder != id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    fn touch(&mut self, now: Instant, id: &Arc<str>) {
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now);
        }
    }

    fn answer(&mut self, ticket: Option<Ticket>, answer: Answer) {
        self.answers.extend(ticket.map(|ticket| (ticket, answer)));
    }
}
