//! The publishers of a run: whose turn it is, what they say, what the server answered.

use std::time::{SystemTime, UNIX_EPOCH};

use super::marker::{self, Marker};
use super::random::Random;
use super::swarm::Swarm;

/// Publishers, taking turns.
pub(crate) struct Publishers {
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<String>,
    run: u32,
    each: Vec<Publisher>,
    turn: usize,
    /// Follows the mark in every value.
    filler: String,
    /// Nanoseconds from 1970 to the run's time 0.
    epoch: u64,
}

struct Publisher {
    peer: usize,
    stream_id: String,
    next: u32,
    unsent: bool,
}

impl Publishers {
    /// One for each connection in `peers`. Values are `payload_bytes` long, but no shorter than a mark.
    pub(crate) fn new(run: u32, peers: Vec<usize>, payload_bytes: usize, seed: u64) -> Self {
        let each = peers.into_iter().enumerate().map(|(index, peer)| Publisher {
            peer,
            stream_id: format!("load-{run:08x}-{index}"),
            next: 0,
            unsent: false,
        });
        let filler = payload_bytes.saturating_sub(marker::LENGTH);
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            acknowledged: 0,
            refused: 0,
            first_refusal: None,
            run,
            each: each.collect(),
            turn: 0,
            filler: Random::new(seed).text(filler),
            epoch: epoch.as_nanos() as u64,
        }
    }

    /// Queues the next message, meant to be sent at `intended`; returns whose it is.
    pub(crate) fn publish(&mut self, intended: u64, swarm: &mut Swarm) -> usize {
        let index = self.turn;
        self.turn = (index + 1) % self.each.len();
        let publisher = &mut self.each[index];
        let marker = Marker { run: self.run, publisher: index as u16, number: publisher.next, intended };
        let mut value = String::with_capacity(marker::LENGTH + self.filler.len());
        marker.write(&mut value);
        value.push_str(&self.filler);
        let timestamp = self.epoch + intended;
        let message = swarm.target().publication(marker, &publisher.stream_id, &value, timestamp);
        swarm.queue(publisher.peer, &message);
        publisher.next += 1;
        publisher.unsent = true;
        index
    }

    /// Sends what is queued, one write per publisher.
    pub(crate) fn flush(&mut self, swarm: &mut Swarm) {
        for publisher in &mut self.each {
            if std::mem::take(&mut publisher.unsent) {
                swarm.flush(publisher.peer);
            }
        }
    }

    /// Messages sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.each.iter().map(|publisher| u64::from(publisher.next)).sum()
    }

    /// The server took a message, or refused it with a text.
    pub(crate) fn answered(&mut self, refusal: Option<String>) {
        match refusal {
            None => self.acknowledged += 1,
            Some(text) => {
                self.refused += 1;
                self.first_refusal.get_or_insert(text);
            }
        }
    }
}
