//! `Replay`: both sides' numbers of stateful reconnect, as a client keeps them.

use std::collections::VecDeque;

use signalr_proto::HubMessage;

use crate::client::kind;

#[derive(Default)]
pub(crate) struct Replay {
    /// Sent and not acknowledged.
    kept: VecDeque<Vec<u8>>,
    /// How many were sent.
    sent: u64,
    /// Everything counted that came, for what comes again must be the same.
    received: Vec<Vec<u8>>,
    /// How many of them had come when that began which comes now.
    position: usize,
    awaits_sequence: bool,
}

impl Replay {
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.sent += 1;
        self.kept.push_back(bytes.to_vec());
    }

    /// Number of the last message that came.
    pub(crate) fn received(&self) -> u64 {
        self.received.len() as u64
    }

    pub(crate) fn waiting(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn acknowledged(&mut self, number: u64) {
        assert!(number <= self.sent, "acknowledged {number} of {}", self.sent);
        while self.sent - (self.kept.len() as u64) < number {
            self.kept.pop_front();
        }
    }

    /// Number and bytes of what is sent first on another websocket.
    pub(crate) fn reattach(&mut self) -> (u64, Vec<Vec<u8>>) {
        self.awaits_sequence = true;
        (self.sent - self.kept.len() as u64 + 1, self.kept.iter().cloned().collect())
    }

    /// Whether a message came for the first time.
    pub(crate) fn takes(&mut self, message: &HubMessage<'_>, body: &[u8]) -> bool {
        if let HubMessage::Sequence { sequence_id } = message {
            assert!(std::mem::take(&mut self.awaits_sequence), "a Sequence in between");
            let position = *sequence_id as usize;
            assert!((1..=self.received.len() + 1).contains(&position), "{position} is next of {}", self.received.len());
            self.position = position - 1;
            return true;
        }
        assert!(!self.awaits_sequence, "before Sequence came {message:?}");
        if kind(message) > 5 {
            return true;
        }
        self.position += 1;
        if let Some(before) = self.received.get(self.position - 1) {
            assert_eq!(before, body, "what comes again as {} is something else", self.position);
            return false;
        }
        self.received.push(body.to_vec());
        true
    }
}
