//! Syncing: the leader brings the assignments, everybody gets theirs.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::{Answer, Caller, Group, Phase, Ticket};

impl Group {
    /// A member asks for its assignment; the leader brings everybody's. Answered at once or when the leader has.
    pub(crate) fn sync(&mut self, now: Instant, ticket: Ticket, caller: &Caller, assignments: Vec<(Arc<str>, Bytes)>) {
        if let Err(error) = self.check_sync(caller) {
            self.answer(Some(ticket), Answer::NotAssigned(error));
            return;
        }
        let Some(member) = self.members.get_mut(&caller.member_id) else { return };
        member.touch(now);
        member.synced = true;
        let earlier = member.syncing.replace(ticket);
        self.answer(earlier, Answer::NotAssigned(ResponseError::RebalanceInProgress));
        if self.phase == Phase::Syncing && self.leader.as_ref() == Some(&caller.member_id) {
            self.assign(assignments);
        }
        if self.phase == Phase::Stable {
            self.hand_out(now);
        }
        if self.members.values().all(|member| member.synced) {
            self.sync_deadline = None;
        }
    }

    fn check_sync(&self, caller: &Caller) -> Result<(), ResponseError> {
        self.check_caller(caller)?;
        match self.phase {
            Phase::Empty => Err(ResponseError::UnknownMemberId),
            Phase::Joining { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Syncing | Phase::Stable => Ok(()),
        }
    }

    /// Whoever the leader has left out has nothing assigned.
    fn assign(&mut self, assignments: Vec<(Arc<str>, Bytes)>) {
        let mut assignments: HashMap<_, _> = assignments.into_iter().collect();
        for (id, member) in &mut self.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
        }
        self.phase = Phase::Stable;
    }

    fn hand_out(&mut self, now: Instant) {
        let mut answers = Vec::new();
        for member in self.members.values_mut() {
            if let Some(ticket) = member.syncing.take() {
                member.touch(now);
                answers.push((ticket, Answer::Assigned(member.assignment.clone())));
            }
        }
        self.answers.append(&mut answers);
    }
}
