//! `Topic`: a topic that can be made to fail, and to wait.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use quix_model::Outgoing;
use tokio::sync::Semaphore;

use super::config;
use crate::metrics::Metrics;
use crate::webhook::*;
use crate::{Append, AppendError, HandedOver};

/// What was written, and what becomes of what is.
#[derive(Debug)]
pub(super) struct Topic {
    inner: Arc<Inner>,
    pub(super) metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    written: Mutex<Vec<String>>,
    error: Mutex<Option<AppendError>>,
    gate: Semaphore,
}

impl Topic {
    pub(super) fn new() -> Self {
        let gate = Semaphore::new(OPEN);
        Self {
            inner: Arc::new(Inner { written: Mutex::default(), error: Mutex::default(), gate }),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn webhook(&self, text: &str) -> Webhook {
        Webhook::new(config(text), self.inner.clone(), self.metrics.clone()).unwrap()
    }

    pub(super) fn fails(&self, error: Option<AppendError>) {
        *self.inner.error.lock().unwrap() = error;
    }

    pub(super) fn hold(&self) {
        self.inner.gate.forget_permits(OPEN);
    }

    pub(super) fn release(&self) {
        self.inner.gate.add_permits(OPEN);
    }

    pub(super) fn written(&self) -> Vec<String> {
        self.inner.written.lock().unwrap().clone()
    }
}

impl Append for Inner {
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a> {
        async move {
            self.gate.acquire().await.unwrap().forget();
            self.gate.add_permits(1);
            if let Some(error) = self.error.lock().unwrap().clone() {
                return Err(error);
            }
            let record = match outgoing {
                Outgoing::Json(text) => text.to_owned(),
                Outgoing::Events([event]) => {
                    format!("event {} at {}: {}", event.id, event.timestamp, event.value.as_deref().unwrap())
                }
                other => panic!("{other:?}"),
            };
            self.written.lock().unwrap().push(format!("{topic}/{stream_id}: {record}"));
            Ok(std::future::ready(Ok(())).boxed())
        }
        .boxed()
    }
}

const OPEN: usize = 100;
