//! `Server`: everything that listens, wired together. `run` of the binary and the tests start it the same way.

mod broker;
mod demo;
mod management;
mod public;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafka_bridge::broker::{Broker, Health};
use kafka_bridge::feed::{FeedSettings, Feeds};
use prometheus_client::registry::Registry;
use quix_gateway::Gateway;
use signalr_server::HubServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use broker::{BrokerChoice, choose_broker};

use crate::config::Config;

/// A running server. Dropping it stops it at once; [`drain`](Self::drain) stops it politely.
#[derive(Debug)]
pub struct Server {
    /// Address of the hubs and the HTTP API.
    pub public: SocketAddr,
    /// Address of the management listener, where there is one.
    pub management: Option<SocketAddr>,
    state: Arc<State>,
    drain_timeout: Duration,
    tasks: Vec<JoinHandle<()>>,
}

/// What the listeners share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) hub: HubServer,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) registry: Registry,
    draining: AtomicBool,
}

impl Server {
    /// Serves `broker` on sockets that are bound already.
    pub fn start(
        config: &Config,
        broker: BrokerChoice,
        public: TcpListener,
        management: Option<TcpListener>,
    ) -> io::Result<Self> {
        let BrokerChoice { broker, metrics: broker_metrics } = broker;
        let hub_metrics = signalr_server::metrics::Metrics::default();
        let gateway_metrics = quix_gateway::metrics::Metrics::default();
        let mut registry = Registry::with_prefix("streamgate");
        hub_metrics.register(&mut registry);
        broker_metrics.register(&mut registry);
        gateway_metrics.register(&mut registry);

        let feeds = Feeds::with(broker.clone(), FeedSettings::default(), broker_metrics);
        let gateway = Gateway::new(broker.clone(), feeds, settings::gateway(config), gateway_metrics);
        let hub = HubServer::with_metrics("/hub", gateway.hub(), settings::hub(config), hub_metrics);
        let state = Arc::new(State { hub, broker, registry, draining: AtomicBool::new(false) });

        let (address, management_address) = (public.local_addr()?, management.as_ref().map(TcpListener::local_addr));
        let routes =
            demo::router().merge(management::health(state.clone())).fallback_service(quix_gateway::router(gateway));
        let mut tasks = vec![tokio::spawn(public::serve(public, state.clone(), routes, config.into()))];
        if let Some(listener) = management {
            tasks.push(tokio::spawn(management::serve(listener, state.clone())));
        }
        Ok(Self {
            public: address,
            management: management_address.transpose()?,
            state,
            drain_timeout: config.limits.drain_timeout,
            tasks,
        })
    }

    /// Calls that have begun and are not answered yet.
    pub fn calls_in_flight(&self) -> usize {
        self.state.hub.calls_in_flight()
    }

    /// Stops: not ready at once, new connections refused, calls that were read are answered, records that were taken are
    /// stored, every client told to come back. Takes `drain_timeout` at most.
    pub async fn drain(self) {
        self.state.draining.store(true, Ordering::Relaxed);
        let politely = async {
            self.state.hub.drain().await;
            self.state.broker.flush().await;
            while self.state.hub.connections() > 0 {
                tokio::time::sleep(DRAIN_TICK).await;
            }
        };
        if tokio::time::timeout(self.drain_timeout, politely).await.is_err() {
            tracing::warn!(connections = self.state.hub.connections(), "not everything ended within the drain timeout");
        }
    }
}

impl State {
    /// Why the server is not ready, if it is not.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("draining");
        }
        match self.broker.health() {
            Health::Unreachable { since } if since.elapsed() > BROKER_GRACE => Some("broker unreachable"),
            _ => None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// How often a stopping server looks whether its connections have ended.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// How long a broker may be away before the server is not ready.
const BROKER_GRACE: Duration = Duration::from_secs(5);
