//! `Member`: one member of a group.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Join, Ticket};

/// One kind of assignment that a member can take part in, and what it tells the leader for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) protocol: Arc<str>,
    pub(crate) metadata: Bytes,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) assignment: Bytes,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) rebalance_timeout: Duration,
    session_timeout: Duration,
    /// When its session ends without another sign of life.
    expires: Instant,
    /// Who waits for the generation to begin.
    pub(super) joining: Option<Ticket>,
    /// Who waits for the assignment.
    pub(super) syncing: Option<Ticket>,
    /// Whether it has asked for its assignment in this generation.
    pub(super) synced: bool,
}

impl Member {
    /// What a member takes besides its subscriptions, roughly.
    pub(crate) const OVERHEAD_BYTES: usize = 512;

    pub(super) fn new(now: Instant, join: Join) -> Self {
        Self {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            assignment: Bytes::new(),
            subscriptions: join.subscriptions,
            rebalance_timeout: join.rebalance_timeout,
            session_timeout: join.session_timeout,
            expires: now + join.session_timeout,
            joining: Some(join.ticket),
            syncing: None,
            synced: false,
        }
    }

    /// What it tells the leader under `protocol`.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.subscriptions.iter().find(|subscription| *subscription.protocol == *protocol);
        found.map(|subscription| subscription.metadata.clone()).unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.subscriptions.iter().any(|subscription| *subscription.protocol == *protocol)
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.expires = now + self.session_timeout;
    }

    /// `None` while it waits for an answer: it cannot give a sign of life then.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        (self.joining.is_none() && self.syncing.is_none()).then_some(self.expires)
    }

    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.expires_at().is_some_and(|expires| expires <= now)
    }

    pub(super) fn bytes(&self) -> usize {
        let subscriptions = self.subscriptions.iter().map(|one| one.protocol.len() + one.metadata.len() + 64);
        let names = self.client_id.len() + self.instance.as_deref().map_or(0, str::len);
        Self::OVERHEAD_BYTES + names + self.assignment.len() + subscriptions.sum::<usize>()
    }
}
