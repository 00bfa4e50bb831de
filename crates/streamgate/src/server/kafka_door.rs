//! The Kafka listener beside the embedded broker, and its counters.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use embedded_log::Log;
use embedded_log::listener::{Listener, ListenerMetrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::settings;
use crate::config::Config;

/// Serves Kafka clients until closed or dropped.
#[derive(Debug)]
pub(super) struct KafkaDoor {
    pub(super) address: SocketAddr,
    closing: watch::Sender<bool>,
    serving: Mutex<JoinHandle<()>>,
}

impl KafkaDoor {
    pub(super) fn open(
        listener: Listener,
        log: Log,
        config: &Config,
        registry: &mut Registry,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let metrics = Arc::<ListenerMetrics>::default();
        registry.register_collector(Box::new(Counters(metrics.clone())));
        let options = settings::listener(config, metrics);
        let (closing, mut closed) = watch::channel(false);
        let serving = tokio::spawn(async move {
            let shutdown = async move { _ = closed.wait_for(|closed| *closed).await };
            listener.serve(log, options, shutdown).await;
        });
        Ok(Self { address, closing, serving: Mutex::new(serving) })
    }

    /// Takes no more connections and requests, and waits until what was read is answered.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        let _ = (&mut *self.serving.lock().await).await; // it was told to end; how it did changes nothing
    }
}

impl Drop for KafkaDoor {
    fn drop(&mut self) {
        self.serving.get_mut().abort();
    }
}

/// The listener's counters as metrics.
#[derive(Debug)]
struct Counters(Arc<ListenerMetrics>);

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metrics = &self.0;
        let open = ConstGauge::new(metrics.connections_open() as i64);
        let gauge = encoder.encode_descriptor(
            "kafka_connections",
            "Connections of Kafka clients open now",
            None,
            MetricType::Gauge,
        )?;
        open.encode(gauge)?;
        for (name, help, value) in [
            ("kafka_connections_opened", "Connections of Kafka clients taken", metrics.connections_accepted()),
            ("kafka_connections_refused", "Connections of Kafka clients over the limit", metrics.connections_refused()),
            ("kafka_request_bytes", "Bytes of Kafka clients' requests", metrics.request_bytes()),
            ("kafka_response_bytes", "Bytes of answers to Kafka clients", metrics.response_bytes()),
        ] {
            let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(counter)?;
        }
        let requests: Vec<_> = metrics.requests().collect();
        family(&mut encoder, "kafka_requests", "Requests of Kafka clients, by kind", "kind", &requests)?;
        let ended = metrics.connections_ended();
        family(&mut encoder, "kafka_connections_ended", "Connections ended by us, by cause", "cause", &ended)
    }
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&'static str, u64)],
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        ConstCounter::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
    }
    Ok(())
}
