//! What must hold: after each step, when everything has settled, and when all is over.

use crate::client::Call;
use crate::history::History;

impl History {
    /// After each step.
    pub(crate) fn check(&mut self) {
        self.check_alive();
        self.check_notes();
        let is_beside = |call: &&Call| matches!(call, Call::Upload { .. } | Call::Asking(_) | Call::Stream { .. });
        let beside = self.client.calls.values().filter(is_beside).count() + self.client.told.len();
        assert!(self.limits.calls > 100 || self.hub.calls_in_flight() <= self.limits.calls + beside + 40);
        if self.random.once_in(8) {
            let bound = self.limits.queued_bytes + LARGEST_FRAME;
            assert!(self.metric("output_queued_bytes") <= bound as i64, "more waits than may");
        }
    }

    /// It does not end without a cause.
    pub(crate) fn check_alive(&self) {
        if self.excuse.is_none() {
            let (client, status) = (&self.client, self.client.status);
            assert!(client.close.is_none() && client.close_code.is_none() && !client.has_ended, "it ended by itself");
            assert!(status.is_none_or(|status| status == 101), "a websocket was refused: {status:?}");
        }
    }

    /// Calls run once each, in the order they were sent; broadcasts come from the first one on.
    fn check_notes(&self) {
        let notes = self.desk.notes();
        assert!(self.client.told.starts_with(&notes.noted), "{:?} of {:?}", notes.noted, self.client.told);
        assert!(notes.connects <= 1 && notes.disconnects <= 1);
        if let (Some(first), Some(said)) = (self.client.said.first(), self.said) {
            assert!(*first == said.0 && self.client.said.len() as u64 <= said.1 - said.0 + 1, "{first} of {said:?}");
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        let notes = self.desk.notes();
        let said = self.said.map_or(0, |(first, last)| last - first + 1);
        self.client.calls.is_empty()
            && self.client.questions.is_empty()
            && notes.noted.len() == self.client.told.len()
            && notes.asked == notes.ended
            && self.client.said.len() as u64 == said
            && self.client.replay.as_ref().is_none_or(|replay| replay.waiting() == 0)
            && notes.has_joined
            && self.hub.calls_in_flight() == 0
    }

    /// All that was sent has come, and is answered and acknowledged.
    pub(crate) fn check_settled(&mut self) {
        self.check();
        if self.excuse.is_some() {
            return;
        }
        assert!(self.client.calls.is_empty(), "not completed: {:?}", self.client.calls);
        let (waiting, (asked, ended)) = (self.client.replay.as_ref().map_or(0, |replay| replay.waiting()), {
            let notes = self.desk.notes();
            (notes.asked, notes.ended)
        });
        assert_eq!((waiting, asked - ended), (0, 0), "not acknowledged, questions that have not ended");
        assert_eq!(self.desk.notes().noted, self.client.told);
        let calls = self.hub.calls_in_flight();
        assert!(self.is_settled(), "{:?} of {:?} were heard, {calls} calls run", self.client.said, self.said);
        for gauge in ["streams", "upload_streams", "client_results", "detached_connections", "output_queued_bytes"] {
            assert_eq!(self.metric(gauge), 0, "{gauge} when all is done");
        }
    }

    /// Whoever reads is told of the end.
    pub(crate) fn check_goodbye(&self) {
        let client = &self.client;
        assert!(client.close.is_some() && client.close_code.is_some() && client.has_ended, "an end without goodbye");
        assert_eq!(self.hub.connections(), 0, "it has said goodbye");
    }

    /// Nothing is left.
    pub(crate) fn check_the_end(&mut self) {
        self.check_notes();
        {
            let notes = self.desk.notes();
            assert_eq!(notes.disconnects, notes.connects - notes.refusals, "times the hub was told of the end");
            assert_eq!(notes.asked, notes.ended, "questions that have not ended");
        }
        assert_eq!(self.hub.connections(), 0);
        for target in [self.hub.clients().all(), self.hub.clients().group(crate::hub::GROUP)] {
            assert_eq!(format!("{target:?}"), "Target { members: [] }");
        }
        for gauge in GAUGES {
            assert_eq!(self.metric(gauge), 0, "{gauge} at the end");
        }
        assert_eq!(self.hub.calls_in_flight(), 0);
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "tasks that have not ended");
    }

    fn metric(&self, name: &str) -> i64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

const GAUGES: [&str; 7] = [
    "connections",
    "detached_connections",
    "output_queued_bytes",
    "streams",
    "upload_streams",
    "client_results",
    "panics_total",
];

/// Of those that histories send.
const LARGEST_FRAME: usize = 5_000;
