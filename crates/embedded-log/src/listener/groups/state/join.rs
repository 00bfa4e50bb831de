//! Joining: who may, as whom, and what follows from it.

use std::{sync::Arc, time::Instant};

use kafka_protocol::ResponseError;

use super::{Answer, Group, Join, Joined, Member, Phase, Ticket};

impl Group {
    /// Somebody wants to be a member, or to stay one. Answered at once or when the next generation begins.
    pub(crate) fn join(&mut self, now: Instant, join: Join) {
        let (ticket, id) = (join.ticket, join.member_id.clone());
        let joined = self
            .check_protocols(&join)
            .and_then(|()| if id.is_empty() { self.join_new(now, join) } else { self.join_again(now, join) });
        if let Err(error) = joined {
            self.answer(Some(ticket), Answer::NotJoined(error, id));
        }
    }

    /// Some kind of assignment must be left that all members can take part in.
    fn check_protocols(&self, join: &Join) -> Result<(), ResponseError> {
        let shared = |protocol: &str| self.members.values().all(|member| member.supports(protocol));
        let fits = if self.members.is_empty() {
            !join.subscriptions.is_empty()
        } else {
            self.protocol_type.as_ref() == Some(&join.protocol_type)
                && join.subscriptions.iter().any(|subscription| shared(&subscription.protocol))
        };
        if fits && !join.protocol_type.is_empty() { Ok(()) } else { Err(ResponseError::InconsistentGroupProtocol) }
    }

    fn join_new(&mut self, now: Instant, mut join: Join) -> Result<(), ResponseError> {
        join.member_id = join.fresh_id.clone();
        let holder = join.instance.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        if let Some(holder) = holder {
            self.take_over(now, &holder, join);
            return Ok(());
        }
        if self.members.len() + self.promised.len() >= self.limits.max_members {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        if join.id_required && join.instance.is_none() {
            self.promised.insert(join.member_id.clone(), now + join.session_timeout);
            self.answer(Some(join.ticket), Answer::NotJoined(ResponseError::MemberIdRequired, join.member_id));
        } else {
            self.add(now, join);
        }
        Ok(())
    }

    fn join_again(&mut self, now: Instant, join: Join) -> Result<(), ResponseError> {
        if join.instance.is_none() && self.promised.remove(&join.member_id).is_some() {
            self.add(now, join);
            return Ok(());
        }
        let id = join.member_id.clone();
        self.check_member(&id, join.instance.as_ref())?;
        let Some(member) = self.members.get(&id) else { return Err(ResponseError::UnknownMemberId) };
        let same = member.subscriptions == join.subscriptions;
        let leads = self.leader.as_ref() == Some(&id);
        match self.phase {
            Phase::Empty => return Err(ResponseError::UnknownMemberId),
            Phase::Joining { .. } => {
                self.renew(now, join);
                self.try_begin(now);
            }
            // It has missed the answer, or asks for its present state.
            Phase::Syncing if same => self.answer_joined(now, &id, join.ticket, leads),
            Phase::Stable if same && !leads => self.answer_joined(now, &id, join.ticket, false),
            Phase::Syncing | Phase::Stable => {
                self.renew(now, join);
                self.rebalance(now);
            }
        }
        Ok(())
    }

    fn add(&mut self, now: Instant, join: Join) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        let id = join.member_id.clone();
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, Member::new(now, join));
        if let Phase::Joining { deadline, not_before } = &mut self.phase {
            if *not_before > now {
                *not_before = (now + self.limits.initial_delay).min(*deadline);
            }
            self.try_begin(now);
        } else {
            self.rebalance(now);
        }
    }

    /// A member with a lasting name came again under a new id, as after a restart. What its old id waits for is refused.
    fn take_over(&mut self, now: Instant, old: &Arc<str>, join: Join) {
        let Some(before) = self.members.remove(old) else { return };
        self.answer(before.joining, Answer::NotJoined(ResponseError::FencedInstanceId, old.clone()));
        self.answer(before.syncing, Answer::NotAssigned(ResponseError::FencedInstanceId));
        let (id, ticket, old_leader) = (join.member_id.clone(), join.ticket, self.leader.clone());
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(id.clone());
        }
        let mut member = Member::new(now, join);
        member.assignment = before.assignment;
        self.members.insert(id.clone(), member);
        match self.phase {
            // It goes on with the assignment it had: that is what lasting names are for. The leader is named by its old id,
            // lest it assigns anew.
            Phase::Stable if self.select_protocol() == self.protocol => {
                self.answer_joined(now, &id, ticket, false);
                if let (Some((_, Answer::Joined(joined))), Some(leader)) = (self.answers.last_mut(), old_leader) {
                    joined.leader = leader;
                }
            }
            Phase::Stable | Phase::Syncing => self.rebalance(now),
            Phase::Joining { .. } => self.try_begin(now),
            Phase::Empty => {}
        }
    }

    /// Takes over what a member says when it joins again.
    fn renew(&mut self, now: Instant, join: Join) {
        let id = join.member_id.clone();
        let Some(member) = self.members.get_mut(&id) else { return };
        let renewed = Member::new(now, Join { instance: member.instance.clone(), ..join });
        let before = std::mem::replace(member, renewed);
        member.assignment = before.assignment;
        self.answer(before.joining, Answer::NotJoined(ResponseError::RebalanceInProgress, id));
        self.answer(before.syncing, Answer::NotAssigned(ResponseError::RebalanceInProgress));
    }

    /// The generation in force, told to one of its members.
    pub(super) fn answer_joined(&mut self, now: Instant, id: &Arc<str>, ticket: Ticket, leads: bool) {
        let protocol = self.protocol.clone().unwrap_or_else(|| "".into());
        let all = || self.members.iter().map(|(id, it)| (id.clone(), it.instance.clone(), it.metadata(&protocol)));
        let joined = Joined {
            member_id: id.clone(),
            generation: self.generation,
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            members: if leads { all().collect() } else { Vec::new() },
            protocol,
        };
        if let Some(member) = self.members.get_mut(id) {
            member.joining = None;
            member.touch(now);
        }
        self.answer(Some(ticket), Answer::Joined(joined));
    }
}
