//! `Limits`: what is known of topics' `max.message.bytes`, for a refusal before anything is sent.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc;

/// Limits by topic. A topic seen for the first time is put on the list of questions; until it is answered the broker itself
/// refuses what is too large.
#[derive(Debug)]
pub(super) struct Limits {
    known: RwLock<HashMap<String, Option<usize>>>,
    questions: mpsc::UnboundedSender<String>,
}

impl Limits {
    /// With the list of questions, each topic once.
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (questions, list) = mpsc::unbounded_channel();
        (Arc::new(Self { known: RwLock::default(), questions }), list)
    }

    /// The limit in bytes, if it is known.
    pub(super) fn of(&self, topic: &str) -> Option<usize> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        known.unwrap_or_else(|| {
            self.ask(topic);
            None
        })
    }

    /// The limit known, and a new question: the broker just refused something.
    pub(super) fn ask_again(&self, topic: &str) -> Option<usize> {
        let known = self.of(topic);
        let _ = self.questions.send(topic.to_owned()); // fails only while all is torn down
        known
    }

    /// The answer to a question.
    pub(super) fn learn(&self, topic: &str, limit: Option<usize>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), limit);
    }

    /// All topics there are: others are forgotten.
    pub(super) fn learn_all(&self, limits: HashMap<String, Option<usize>>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn ask(&self, topic: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_KNOWN && known.insert(topic.to_owned(), None).is_none() {
            let _ = self.questions.send(topic.to_owned());
        }
    }
}

/// Names that clients invent must not fill the memory; the next survey forgets them.
const MAX_KNOWN: usize = 100_000;
