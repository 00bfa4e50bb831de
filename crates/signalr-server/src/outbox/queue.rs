//! `Queue`: what waits for a connection. Few have one at a time, so that it is made with the first frame that must wait and
//! goes with the last.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::burst::{Burst, Bursts};

#[derive(Debug)]
pub(super) struct Queue {
    frames: VecDeque<Waiting>,
    bytes: usize,
    bursts: Bursts,
    /// A part of the first frame is out already: its rest must follow before anything else.
    front_started: bool,
    /// When bytes were written last, or began to wait.
    last_progress: Instant,
}

#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    since: Instant,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, bursts: Bursts::default(), front_started: false, last_progress: now }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.frames.iter().map(|frame| &frame.bytes)
    }

    /// Since when the first frame waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.frames.front().map(|front| front.since)
    }

    pub(super) fn last_progress(&self) -> Instant {
        self.last_progress
    }

    /// Notes that `more` bytes, of a burst or of none, are to wait; `false` if they may not.
    pub(super) fn admit(&mut self, burst: Option<Burst>, more: usize, bound: usize) -> bool {
        self.bursts.admit(burst, more, self.bytes, bound)
    }

    /// Adds a frame, or what is left of the first.
    pub(super) fn push(&mut self, bytes: Bytes, is_started: bool, now: Instant) {
        self.front_started |= is_started;
        self.bytes += bytes.len();
        self.frames.push_back(Waiting { bytes, since: now });
    }

    /// Takes whole frames off the front, up to about so many bytes and one at least.
    pub(super) fn take(&mut self, most: usize, now: Instant) -> Vec<Bytes> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(front) = self.frames.front()
            && (bytes == 0 || bytes + front.bytes.len() <= most)
        {
            bytes += front.bytes.len();
            taken.extend(self.frames.pop_front().map(|front| front.bytes));
        }
        self.bytes -= bytes;
        self.last_progress = now;
        taken
    }

    /// So many bytes have been written.
    pub(super) fn written(&mut self, mut count: usize, now: Instant) {
        self.bytes -= count;
        self.last_progress = now;
        while let Some(front) = self.frames.front_mut() {
            if count < front.bytes.len() {
                bytes::Buf::advance(&mut front.bytes, count);
                self.front_started |= count > 0;
                return;
            }
            count -= front.bytes.len();
            self.frames.pop_front();
            self.front_started = false;
        }
    }

    /// Forgets all but a frame that has begun; the bytes forgotten.
    pub(super) fn forget_unbegun(&mut self) -> usize {
        let before = self.bytes;
        self.frames.truncate(usize::from(self.front_started));
        self.bytes = self.frames.front().map_or(0, |front| front.bytes.len());
        before - self.bytes
    }
}
