//! `Groups`: all groups that have members, who waits in them, and the clock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kafka_protocol::ResponseError;
use tokio::sync::{Notify, oneshot};

use super::state::{Answer, Caller, Group, Join, Limits, Ticket};
use crate::listener::GroupOptions;

/// All groups with members.
#[derive(Debug)]
pub(in crate::listener) struct Groups {
    options: GroupOptions,
    state: Mutex<State>,
    /// An earlier deadline than before has come up.
    sooner: Notify,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<Arc<str>, Entry>,
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    tickets: Ticket,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    group: Group,
    /// As it stands in `deadlines`; may be earlier than the group's, which costs a tick for nothing.
    deadline: Option<Instant>,
    /// As counted in `bytes`.
    bytes: usize,
}

impl Groups {
    pub(in crate::listener) fn new(options: GroupOptions) -> Self {
        Self { options, state: Mutex::default(), sooner: Notify::new() }
    }

    pub(in crate::listener) fn options(&self) -> &GroupOptions {
        &self.options
    }

    /// Joins; `bytes` is what the subscription takes. The answer comes by the receiver.
    pub(super) fn join(
        &self,
        id: &Arc<str>,
        bytes: usize,
        mut join: Join,
    ) -> Result<oneshot::Receiver<Answer>, ResponseError> {
        let mut state = self.lock();
        if !state.groups.contains_key(id) {
            if !join.member_id.is_empty() {
                return Err(ResponseError::UnknownMemberId);
            }
            if state.groups.len() >= self.options.max_groups {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
        }
        if state.bytes + bytes > self.options.max_bytes {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let limits =
            Limits { max_members: self.options.max_members, initial_delay: self.options.initial_rebalance_delay };
        let entry = || Entry { group: Group::new(limits), deadline: None, bytes: 0 };
        state.groups.entry(id.clone()).or_insert_with(entry);
        let answer = state.wait(&mut join.ticket);
        self.with(&mut state, id, |group, now| group.join(now, join));
        Ok(answer)
    }

    /// Asks for an assignment; `bytes` is what the assignments brought along take.
    pub(super) fn sync(
        &self,
        id: &Arc<str>,
        bytes: usize,
        caller: &Caller,
        assignments: Vec<(Arc<str>, bytes::Bytes)>,
    ) -> Result<oneshot::Receiver<Answer>, ResponseError> {
        let mut state = self.lock();
        if !state.groups.contains_key(id) {
            return Err(ResponseError::UnknownMemberId);
        }
        if state.bytes + bytes > self.options.max_bytes {
            return Err(ResponseError::UnknownServerError);
        }
        let mut ticket = 0;
        let answer = state.wait(&mut ticket);
        self.with(&mut state, id, |group, now| group.sync(now, ticket, caller, assignments));
        Ok(answer)
    }

    /// A sign of life or whatever else lasts no longer than the call and needs no memory. `None`: there is no such group.
    pub(super) fn touch<T>(&self, id: &str, act: impl FnOnce(&mut Group, Instant) -> T) -> Option<T> {
        let mut state = self.lock();
        Some(act(&mut state.groups.get_mut(id)?.group, Instant::now()))
    }

    /// Whatever may end memberships. `None`: there is no such group.
    pub(super) fn change<T>(&self, id: &str, act: impl FnOnce(&mut Group, Instant) -> T) -> Option<T> {
        let mut state = self.lock();
        let id = state.groups.get_key_value(id)?.0.clone();
        self.with(&mut state, &id, act)
    }

    /// Looks at all groups.
    pub(super) fn each(&self, mut look: impl FnMut(&Arc<str>, &Group)) {
        for (id, entry) in &self.lock().groups {
            look(id, &entry.group);
        }
    }

    /// Keeps the time; never ends.
    pub(in crate::listener) async fn keep_time(&self) {
        loop {
            let next = self.tick();
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.sooner.notified() => {}
            }
        }
    }

    /// Does what is due; when the next is.
    fn tick(&self) -> Option<Instant> {
        let mut state = self.lock();
        let now = Instant::now();
        while let Some((deadline, id)) = state.deadlines.first().cloned() {
            if deadline > now {
                return Some(deadline);
            }
            self.with(&mut state, &id, Group::tick);
        }
        None
    }

    /// Lets a group think, hands out its answers, and keeps the books.
    fn with<T>(
        &self,
        state: &mut MutexGuard<'_, State>,
        id: &Arc<str>,
        act: impl FnOnce(&mut Group, Instant) -> T,
    ) -> Option<T> {
        let state = &mut **state;
        let entry = state.groups.get_mut(id)?;
        let now = Instant::now();
        let result = act(&mut entry.group, now);
        for (ticket, answer) in entry.group.take_answers() {
            if let Some(waiting) = state.waiting.remove(&ticket) {
                let _ = waiting.send(answer); // whoever asked may be gone
            }
        }
        let bytes = entry.group.bytes();
        state.bytes = state.bytes - entry.bytes + bytes;
        entry.bytes = bytes;
        if let Some(deadline) = entry.deadline.take() {
            state.deadlines.remove(&(deadline, id.clone()));
        }
        if entry.group.is_empty() {
            state.bytes -= bytes;
            state.groups.remove(id);
        } else if let Some(deadline) = entry.group.next_deadline() {
            let deadline = deadline.max(now + LEAST_PAUSE);
            entry.deadline = Some(deadline);
            let first = state.deadlines.first().is_none_or(|(first, _)| deadline < *first);
            state.deadlines.insert((deadline, id.clone()));
            if first {
                self.sooner.notify_one();
            }
        }
        Some(result)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, ticket: &mut Ticket) -> oneshot::Receiver<Answer> {
        self.tickets += 1;
        *ticket = self.tickets;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(self.tickets, sender);
        receiver
    }
}

/// Between two looks at the same group.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
