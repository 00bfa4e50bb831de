//! `Caller`: numbered calls of one connection of ours, one at a time or many together, and what they were answered.

use e2e::client::{HubClient, HubError};
use e2e::wait::within;
use serde_json::json;

use crate::load::kept;
use crate::marks::Mark;
use crate::scripts::Calls;
use crate::server::Server;
use crate::verdict::Verdict;

/// How a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Acknowledged,
    /// Nothing was written; with the text.
    NotWritten(String),
    Unknown,
}

/// Writes the stream `caller`.
pub(crate) struct Caller {
    client: HubClient,
    topic: String,
    next: u64,
    calls: Calls,
}

impl Caller {
    pub(crate) async fn connect(server: &Server, topic: &str) -> Self {
        let client = HubClient::connect(&server.hub()).await.expect("the hub takes connections");
        Self { client, topic: topic.to_owned(), next: 0, calls: Calls::default() }
    }

    /// Goes on with a new connection.
    pub(crate) async fn reconnect(&mut self, server: &Server) {
        self.client = HubClient::connect(&server.hub()).await.expect("the hub takes connections");
    }

    /// Calls `count` times with this much beside the number, and gives the answers.
    pub(crate) async fn call(&mut self, count: usize, padding_bytes: usize) -> Vec<Answer> {
        let padding = "x".repeat(padding_bytes);
        let mut pending = Vec::new();
        for _ in 0..count {
            let event = |value: &str| json!({ "timestamp": 0, "id": "n", "value": value });
            let events = [event(&self.next.to_string()), event(&padding)];
            let call = self.client.start("SendEventData", &(&self.topic, "caller", events)).expect("a connection");
            pending.push((Mark::new("caller", self.next), call));
            self.next += 1;
        }
        let mut answers = Vec::new();
        for (mark, call) in pending {
            let answer = match within("an answer", call).await {
                Ok(_) => Answer::Acknowledged,
                Err(HubError::Failed(text)) if text.contains("NotWritten") => Answer::NotWritten(text),
                Err(HubError::Failed(text)) if text.contains("OutcomeUnknown") => Answer::Unknown,
                Err(error) => panic!("{mark}: {error}"),
            };
            match &answer {
                Answer::Acknowledged => self.calls.acknowledged.push(mark),
                Answer::NotWritten(_) => self.calls.refused.push(mark),
                Answer::Unknown => self.calls.unknown += 1,
            }
            answers.push(answer);
        }
        answers
    }

    /// Whether a call is acknowledged now.
    pub(crate) async fn is_acknowledged(&mut self) -> bool {
        self.call(1, 0).await == [Answer::Acknowledged]
    }

    /// All that was acknowledged is in the topic, once, in order, and nothing that was refused.
    pub(crate) async fn verdict(&self, server: &Server) {
        let kept = kept(server, &self.topic).await;
        let mut verdict = Verdict::over(&[kept.into_iter().map(|(_, mark)| mark).collect()]);
        verdict.acknowledged(self.calls.acknowledged.iter().copied());
        verdict.refused(self.calls.refused.iter().copied());
        verdict.give();
    }

    pub(crate) fn acknowledged(&self) -> &[Mark] {
        &self.calls.acknowledged
    }
}
