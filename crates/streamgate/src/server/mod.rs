//! `Server`: everything that listens, wired together. `run` of the binary and the tests start it the same way.

mod activity;
mod addresses;
mod admin;
mod broker;
mod certificate;
mod connection;
pub(crate) mod credentials;
mod demo;
mod entrance;
mod failures;
mod forwarded;
mod host;
mod import;
mod kafka_door;
mod management;
mod newcomers;
mod outgoing;
mod portal;
mod public;
mod settings;
mod throttle;
mod ways;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kafka_bridge::broker::{Broker, Health};
use kafka_bridge::feed::{FeedSettings, Feeds};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use quix_gateway::Gateway;
use signalr_server::HubServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use embedded_log::listener::Listener;

pub use broker::{BrokerChoice, ChoiceError, choose_broker};
pub use certificate::Certificate;
pub use credentials::Credentials;
use entrance::Entrance;
pub(crate) use import::shown_rows;
use kafka_door::KafkaDoor;
use outgoing::Outgoing;
pub use outgoing::{check_outgoing, writes};
use portal::PortalDoor;
pub use portal::{check_portal, portal_address};
use public::{Door, Side};
pub(crate) use settings::kafka as kafka_settings;
use webhooks::Inbound;
pub use webhooks::check_webhooks;

use crate::config::Config;

/// A running server. Dropping it stops it at once; [`drain`](Self::drain) stops it politely.
#[derive(Debug)]
pub struct Server {
    /// Address of the hubs and the HTTP API.
    pub public: SocketAddr,
    /// Address of the management listener, where there is one.
    pub management: Option<SocketAddr>,
    /// Address of the portal, where it is not that of the hubs.
    pub portal: Option<SocketAddr>,
    kafka: Option<KafkaDoor>,
    state: Arc<State>,
    gateway: Arc<Gateway>,
    door: Arc<Door>,
    drain_timeout: Duration,
    outgoing: Outgoing,
    tasks: Vec<JoinHandle<()>>,
}

/// What a server listens on, bound already.
#[derive(Debug)]
pub struct Sockets {
    /// Of the hubs and the HTTP API.
    pub public: TcpListener,
    /// Of the portal, where it is not beside them.
    pub portal: Option<TcpListener>,
    /// What that listener proves itself with; without, there is no TLS.
    pub certificate: Option<Arc<Certificate>>,
    /// What tokens are judged by; without, everybody may do everything.
    pub credentials: Option<Arc<Credentials>>,
    /// Of health, metrics and administration.
    pub management: Option<TcpListener>,
    /// Of Kafka clients; not used but for an embedded broker.
    pub kafka: Option<Listener>,
}

/// What the listeners share.
#[derive(Debug)]
struct State {
    hub: HubServer,
    broker: Arc<dyn Broker>,
    registry: Registry,
    credentials: Option<Arc<Credentials>>,
    started: Instant,
    draining: AtomicBool,
}

impl Server {
    /// Serves `broker` on these sockets.
    pub fn start(config: &Config, broker: BrokerChoice, sockets: Sockets) -> io::Result<Self> {
        let Sockets { public, portal: own_portal, certificate, credentials, management, kafka } = sockets;
        let guard = credentials.as_ref().map(|credentials| credentials.guard().clone());
        let BrokerChoice { broker, metrics: broker_metrics, log } = broker;
        let limit_hits = broker_metrics.limit_hits();
        let hub_metrics = signalr_server::metrics::Metrics::sharing(limit_hits.clone());
        let gateway_metrics = quix_gateway::metrics::Metrics::sharing(limit_hits.clone());
        let mut registry = Registry::with_prefix("streamgate");
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        hub_metrics.register(&mut registry);
        broker_metrics.register(&mut registry);
        gateway_metrics.register(&mut registry);
        let ways_metrics = ::ways::metrics::Metrics::default();
        ways_metrics.register(&mut registry);
        let kafka = kafka.zip(log).map(|(listener, log)| KafkaDoor::open(listener, log, config, &mut registry));
        let kafka = kafka.transpose()?;

        let feeds = Feeds::with(broker.clone(), FeedSettings::default(), broker_metrics);
        let gateway = Gateway::new(broker.clone(), feeds, settings::gateway(config, guard.clone()), gateway_metrics);
        let entrance = Entrance::new(guard.clone(), &settings::limits(config), limit_hits.clone(), &mut registry);
        let hub = HubServer::with_metrics("/hub", gateway.hub(), settings::hub(config, guard.as_deref()), hub_metrics);
        let outgoing = Outgoing::start(config, &gateway, &mut registry).map_err(io::Error::other)?;
        let started = Instant::now();
        let draining = AtomicBool::new(false);
        let state = Arc::new(State { hub, broker, registry, credentials: credentials.clone(), started, draining });

        let (address, management_address) = (public.local_addr()?, management.as_ref().map(TcpListener::local_addr));
        let portal_address = own_portal.as_ref().map(TcpListener::local_addr);
        let api = quix_gateway::router_with(gateway.clone(), import::router());
        let routes = demo::router().merge(management::health(state.clone(), false));
        let routes = routes.fallback_service(api);
        let settings = public::Settings::new(config, certificate, limit_hits);
        let inbound = Inbound::new(&config.webhooks, gateway.clone(), entrance.clone(), &ways_metrics);
        let inbound = inbound.map_err(io::Error::other)?;
        let listener = kafka.as_ref().map(|door| door.address);
        let portal = PortalDoor::new(config, listener, gateway.clone(), entrance.clone()).map_err(io::Error::other)?;
        let door = Door::new(state.clone(), routes, inbound, portal, settings, entrance.clone());
        let side = if own_portal.is_some() { Side::Hubs } else { Side::Both };
        let mut tasks = vec![tokio::spawn(door.clone().serve(public, side))];
        if let Some(listener) = own_portal {
            tasks.push(tokio::spawn(door.clone().serve(listener, Side::Portal)));
        }
        if let Some(guard) = guard {
            tasks.push(tokio::spawn(guard.end_revoked(state.hub.clients())));
        }
        if let Some(credentials) = credentials.clone() {
            tasks.push(tokio::spawn(credentials.follow_key_set()));
        }
        if let Some(listener) = management {
            let is_for_this_machine = listener.local_addr()?.ip().is_loopback();
            let admin = credentials.map(|credentials| admin::router(credentials, entrance)).unwrap_or_default();
            tasks.push(tokio::spawn(management::serve(listener, state.clone(), admin, is_for_this_machine)));
        }
        Ok(Self {
            public: address,
            management: management_address.transpose()?,
            portal: portal_address.transpose()?,
            kafka,
            state,
            gateway,
            door,
            drain_timeout: config.limits.drain_timeout,
            outgoing,
            tasks,
        })
    }

    /// Address of the listener for Kafka clients, where there is one.
    pub fn kafka(&self) -> Option<SocketAddr> {
        self.kafka.as_ref().map(|door| door.address)
    }

    /// Calls that have begun and are not answered yet.
    pub fn calls_in_flight(&self) -> usize {
        self.state.hub.calls_in_flight()
    }

    /// Stops: not ready at once, new connections and requests refused, calls that were read are answered, records that were
    /// taken are stored, every client told to come back. Takes `drain_timeout` at most.
    pub async fn drain(self) {
        self.state.draining.store(true, Ordering::Relaxed);
        self.gateway.end_tails();
        let politely = async {
            let kafka = async {
                if let Some(door) = &self.kafka {
                    door.close().await;
                }
            };
            tokio::join!(self.state.hub.drain(), kafka, self.outgoing.stop());
            self.state.broker.flush().await;
            while self.state.hub.connections() > 0 {
                tokio::time::sleep(DRAIN_TICK).await;
            }
            self.door.close().await;
        };
        if tokio::time::timeout(self.drain_timeout, politely).await.is_err() {
            tracing::warn!(connections = self.state.hub.connections(), "not everything ended within the drain timeout");
        }
    }
}

impl State {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why the server is not ready, if it is not.
    fn unready(&self) -> Option<&'static str> {
        if self.is_draining() {
            return Some("draining");
        }
        if self.credentials.as_ref().is_some_and(|credentials| !credentials.are_complete()) {
            return Some("keys of auth.jwks_url not fetched yet");
        }
        match self.broker.health() {
            // Unreachable since before the start: it has not been there yet.
            Health::Failed => Some("log failed"),
            Health::Unreachable { since } if since <= self.started => Some("broker not reached yet"),
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
