//! What the server does of its own accord: it polls its sources and serves its destinations.

use std::sync::Arc;

use kafka_bridge::feed::{FeedSettings, Feeds};
use prometheus_client::registry::Registry;
use quix_gateway::Gateway;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ways::Append;
use ways::destination::{self, DestinationMetrics, Sender, Surroundings};
use ways::fetch::Fetcher;
use ways::poll::{self, PollMetrics, Source};

use super::broker::BrokerChoice;
use super::ways::Writes;
use super::{DRAIN_TICK, settings};
use crate::config::Config;

/// The tasks of all sources and destinations; dropping it ends them at once.
#[derive(Debug)]
pub(super) struct Outgoing {
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Outgoing {
    /// # Errors
    /// If a secret in the settings cannot be had, or something there cannot be; the text says what.
    pub(super) fn start(config: &Config, gateway: &Arc<Gateway>, registry: &mut Registry) -> Result<Self, String> {
        let mut outgoing = Self { stopping: watch::Sender::new(false), tasks: Vec::new() };
        if config.sources.poll.is_empty() && config.destinations.webhook.is_empty() {
            return Ok(outgoing);
        }
        let fetcher = Fetcher::new().map_err(|error| format!("there can be no requests to others: {error}"))?;
        let append: Arc<dyn Append> = Arc::new(Writes(gateway.clone()));
        if config.sources.enabled {
            outgoing.poll(config, &fetcher, &append, registry)?;
        }
        if config.destinations.enabled {
            outgoing.serve(config, &fetcher, &append, gateway, registry)?;
        }
        Ok(outgoing)
    }

    /// Done when nothing is under way any more; nothing new is begun.
    pub(super) async fn stop(&self) {
        self.stopping.send_replace(true);
        while !self.tasks.iter().all(JoinHandle::is_finished) {
            tokio::time::sleep(DRAIN_TICK).await;
        }
    }

    fn poll(
        &mut self,
        config: &Config,
        fetcher: &Fetcher,
        append: &Arc<dyn Append>,
        registry: &mut Registry,
    ) -> Result<(), String> {
        let metrics = PollMetrics::default();
        metrics.register(registry);
        for source in &config.sources.poll {
            let named = |error| format!("the polling source {:?} cannot be used: {error}", source.name);
            let source = Source::new(source.clone(), fetcher.clone()).map_err(named)?;
            let running = poll::run(source, append.clone(), metrics.clone(), self.stopping.subscribe());
            self.tasks.push(tokio::spawn(running));
        }
        Ok(())
    }

    fn serve(
        &mut self,
        config: &Config,
        fetcher: &Fetcher,
        append: &Arc<dyn Append>,
        gateway: &Arc<Gateway>,
        registry: &mut Registry,
    ) -> Result<(), String> {
        let metrics = DestinationMetrics::default();
        metrics.register(registry);
        for destination in &config.destinations.webhook {
            let named = |error| format!("the destination {:?} cannot be used: {error}", destination.name);
            let sender = Sender::new(destination, fetcher.clone()).map_err(named)?;
            let surroundings = Surroundings {
                broker: gateway.broker().clone(),
                append: append.clone(),
                workspace: config.workspace.clone(),
                metrics: metrics.clone(),
                stopping: self.stopping.subscribe(),
            };
            self.tasks.push(tokio::spawn(destination::run(destination.clone(), sender, surroundings)));
        }
        Ok(())
    }
}

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
