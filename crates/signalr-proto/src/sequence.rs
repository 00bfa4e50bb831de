//! `Received`: what one side knows of the other's counted messages, for stateful reconnect.
//!
//! Each side counts the messages of types 1 to 5 it sends, from 1. On a new transport the first message says the number of
//! the next one, and the sender begins again with the oldest that was not acknowledged.

use std::time::{Duration, Instant};

use crate::message::HubMessage;

/// Numbers of the peer's messages.
#[derive(Debug)]
pub(crate) struct Received {
    /// Of the next counted message.
    next: u64,
    /// Of the last one that was taken.
    taken: u64,
    /// The last one was taken before; not to be given back.
    was_taken: bool,
    /// A new transport has said nothing yet.
    awaits_sequence: bool,
    ack_due: Option<Instant>,
}

/// The peer goes on behind messages that never came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gap;

impl Default for Received {
    fn default() -> Self {
        Self { next: 1, taken: 0, was_taken: false, awaits_sequence: false, ack_due: None }
    }
}

impl Received {
    /// Whether a message is to be taken: not what was taken before, nor what comes before its number.
    pub(crate) fn takes(&mut self, message: &HubMessage<'_>, now: Instant) -> Result<bool, Gap> {
        if let HubMessage::Sequence { sequence_id } = message {
            if *sequence_id > self.taken + 1 {
                return Err(Gap);
            }
            (self.next, self.awaits_sequence) = (*sequence_id, false);
            return Ok(false);
        }
        if self.awaits_sequence {
            return Ok(false);
        }
        if !is_counted(message) {
            return Ok(true);
        }
        self.was_taken = self.next <= self.taken;
        self.next += 1;
        if !self.was_taken {
            self.taken += 1;
        }
        // The last one coming again means that its acknowledgement was lost, for which the peer may be waiting.
        if self.next > self.taken {
            self.ack_due.get_or_insert(now + ACK_INTERVAL);
        }
        Ok(!self.was_taken)
    }

    /// The message taken last will be presented again.
    pub(crate) fn put_back(&mut self) {
        self.next -= 1;
        self.taken -= 1;
    }

    /// A new transport: what it says first is a number.
    pub(crate) fn reattached(&mut self) {
        self.awaits_sequence = true;
    }

    pub(crate) fn ack_due(&self) -> Option<Instant> {
        self.ack_due
    }

    /// The acknowledgement that is due at `now`.
    pub(crate) fn ack(&mut self, now: Instant) -> Option<HubMessage<'static>> {
        self.ack_due.take_if(|due| *due <= now).map(|_| HubMessage::Ack { sequence_id: self.taken })
    }
}

fn is_counted(message: &HubMessage<'_>) -> bool {
    match message {
        HubMessage::Invocation(_)
        | HubMessage::StreamItem { .. }
        | HubMessage::Completion { .. }
        | HubMessage::StreamInvocation(_)
        | HubMessage::CancelInvocation { .. } => true,
        HubMessage::Ping | HubMessage::Close { .. } | HubMessage::Ack { .. } | HubMessage::Sequence { .. } => false,
    }
}

/// Source: ASP.NET Core's message buffer.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> HubMessage<'static> {
        HubMessage::CancelInvocation { invocation_id: "1".into() }
    }

    #[test]
    fn duplicates_are_counted_and_skipped_and_a_gap_is_noticed() {
        let (mut received, now) = (Received::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(received.takes(&item(), now), Ok(true));
        }
        received.reattached();
        assert_eq!(received.takes(&item(), now), Ok(false), "it has not said its number");
        assert_eq!(received.takes(&HubMessage::Ping, now), Ok(false));
        assert_eq!(received.takes(&HubMessage::Sequence { sequence_id: 2 }, now), Ok(false));
        assert_eq!([(); 3].map(|()| received.takes(&item(), now)), [Ok(false), Ok(false), Ok(true)]);
        assert_eq!(received.takes(&HubMessage::Sequence { sequence_id: 6 }, now), Err(Gap));
        assert_eq!(received.takes(&HubMessage::Sequence { sequence_id: 5 }, now), Ok(false));
        assert_eq!(received.takes(&item(), now), Ok(true));
    }

    #[test]
    fn what_is_put_back_counts_once() {
        let (mut received, now) = (Received::default(), Instant::now());
        assert_eq!(received.takes(&item(), now), Ok(true));
        received.put_back();
        assert_eq!(received.takes(&item(), now), Ok(true));
        assert_eq!(received.ack(now + ACK_INTERVAL), Some(HubMessage::Ack { sequence_id: 1 }));
    }

    #[test]
    fn acknowledgements_come_a_second_after_something_new_and_once() {
        let (mut received, now) = (Received::default(), Instant::now());
        assert_eq!(received.takes(&HubMessage::Ping, now), Ok(true));
        assert_eq!(received.ack_due(), None);
        assert_eq!(received.takes(&item(), now), Ok(true));
        assert_eq!(received.takes(&item(), now + ACK_INTERVAL / 2), Ok(true));
        assert_eq!(received.ack_due(), Some(now + ACK_INTERVAL));
        assert_eq!(received.ack(now), None);
        assert_eq!(received.ack(now + ACK_INTERVAL), Some(HubMessage::Ack { sequence_id: 2 }));
        assert_eq!((received.ack_due(), received.ack(now + ACK_INTERVAL)), (None, None));
    }

    #[test]
    fn what_comes_again_to_its_end_is_acknowledged_again() {
        let (mut received, now) = (Received::default(), Instant::now());
        for _ in 0..2 {
            assert_eq!(received.takes(&item(), now), Ok(true));
        }
        let acknowledgement = Some(HubMessage::Ack { sequence_id: 2 });
        assert_eq!(received.ack(now + ACK_INTERVAL), acknowledgement);
        received.reattached();
        assert_eq!(received.takes(&HubMessage::Sequence { sequence_id: 1 }, now), Ok(false));
        assert_eq!(received.takes(&item(), now), Ok(false));
        assert_eq!(received.ack_due(), None, "one more is to come");
        assert_eq!(received.takes(&item(), now), Ok(false));
        assert_eq!(received.ack(now + ACK_INTERVAL), acknowledgement);
    }
}
