//! What the server does of its own accord: it polls its sources and serves its destinations.

use std::sync::Arc;
use std::time::Duration;

use kafka_bridge::feed::{FeedSettings, Feeds};
use prometheus_client::registry::Registry;
use quix_gateway::Gateway;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ways::Append;
use ways::destination::{self, DestinationConfig, DestinationMetrics, Sender, Surroundings};
use ways::fetch::Fetcher;
use ways::poll::{self, PollMetrics, Source};

use super::broker::BrokerChoice;
use super::ways::Writes;
use super::{DRAIN_TICK, settings};
use crate::commands::CommandError;
use crate::config::Config;

/// The tasks of all sources and destinations; dropping it ends them at once.
#[derive(Debug)]
pub(super) struct Outgoing {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// The longest that a stop takes: neither slow sources nor receivers may hold up what the server owes its clients.
    patience: Duration,
}

/// Whether all secrets of sources and destinations are where the settings say, and what is made of them can be used.
pub fn check_outgoing(config: &Config) -> Result<(), CommandError> {
    Requests::of(config).map(drop).map_err(CommandError::Serve)
}

/// What is to be asked and sent by this server.
struct Requests {
    sources: Vec<Source>,
    destinations: Vec<(DestinationConfig, Sender)>,
}

impl Requests {
    fn of(config: &Config) -> Result<Self, String> {
        let sources = if config.sources.enabled { &config.sources.poll[..] } else { &[] };
        let destinations = if config.destinations.enabled { &config.destinations.webhook[..] } else { &[] };
        if sources.is_empty() && destinations.is_empty() {
            return Ok(Self { sources: Vec::new(), destinations: Vec::new() });
        }
        let fetcher = Fetcher::new().map_err(|error| format!("there can be no requests to others: {error}"))?;
        let sources = sources.iter().map(|source| {
            let named = |error| format!("the polling source {:?} cannot be used: {error}", source.name);
            Source::new(source.clone(), fetcher.clone()).map_err(named)
        });
        let destinations = destinations.iter().map(|destination| {
            let named = |error| format!("the destination {:?} cannot be used: {error}", destination.name);
            Ok((destination.clone(), Sender::new(destination, fetcher.clone()).map_err(named)?))
        });
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            destinations: destinations.collect::<Result<_, String>>()?,
        })
    }
}

impl Outgoing {
    /// # Errors
    /// Those of [`check_outgoing`].
    pub(super) fn start(config: &Config, gateway: &Arc<Gateway>, registry: &mut Registry) -> Result<Self, String> {
        let Requests { sources, destinations } = Requests::of(config)?;
        let (polls, sent) = (PollMetrics::default(), DestinationMetrics::default());
        polls.register(registry);
        sent.register(registry);
        let stopping = watch::Sender::new(false);
        let patience = MAX_PATIENCE.min(config.limits.drain_timeout / 2);
        let append: Arc<dyn Append> = Arc::new(Writes(gateway.clone()));
        let polling = sources
            .into_iter()
            .map(|source| tokio::spawn(poll::run(source, append.clone(), polls.clone(), stopping.subscribe())));
        let sending = destinations.into_iter().map(|(destination, sender)| {
            let surroundings = Surroundings {
                broker: gateway.broker().clone(),
                append: append.clone(),
                workspace: config.workspace.clone(),
                metrics: sent.clone(),
                stopping: stopping.subscribe(),
                finish_within: patience.mul_f64(0.8), // the rest is for the commit
            };
            tokio::spawn(destination::run(destination, sender, surroundings))
        });
        let tasks = polling.chain(sending).collect();
        Ok(Self { stopping, tasks, patience })
    }

    /// Done when nothing is under way any more, or after five seconds, or half the drain timeout; nothing new is begun.
    pub(super) async fn stop(&self) {
        self.stopping.send_replace(true);
        let finished = async {
            while !self.tasks.iter().all(JoinHandle::is_finished) {
                tokio::time::sleep(DRAIN_TICK).await;
            }
        };
        if tokio::time::timeout(self.patience, finished).await.is_err() {
            tracing::warn!("sources or destinations have not ended in time; what is not committed is sent again");
        }
    }
}

const MAX_PATIENCE: Duration = Duration::from_secs(5);

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// The writes of a server with this configuration, without the server.
pub fn writes(config: &Config, broker: &BrokerChoice) -> Arc<dyn Append> {
    let BrokerChoice { broker, metrics, .. } = broker.clone();
    let feeds = Feeds::with(broker.clone(), FeedSettings::default(), metrics.clone());
    let own = quix_gateway::metrics::Metrics::sharing(metrics.limit_hits());
    Arc::new(Writes(Gateway::new(broker, feeds, settings::gateway(config, None), own)))
}
