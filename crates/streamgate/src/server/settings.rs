//! The one configuration, handed to the parts as their settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use embedded_log::listener::{ListenerMetrics, ListenerOptions};
use kafka_bridge::embedded::EmbeddedSettings;
use kafka_bridge::kafka::{KafkaSettings, SettingsError};
use quix_gateway::Guard;
use signalr_server::cors::AllowedOrigins;
use signalr_server::{ErrorDetail, Options};

use crate::config::{AllowedOrigin, Config, Limits, read_rules, write_rules};

pub(super) fn hub(config: &Config, guard: Option<&Guard>) -> Options {
    let limits = &config.limits;
    let defaults = Options::default();
    Options {
        protocol: signalr_server::ProtocolOptions {
            handshake_timeout: limits.handshake_timeout,
            max_message_bytes: limits.message_size,
            error_detail: if config.detailed_errors { ErrorDetail::All } else { ErrorDetail::ClientFaults },
            ..defaults.protocol
        },
        max_calls_in_flight: limits.calls_in_flight as usize,
        max_bytes_in_flight: limits.calls_in_flight_bytes,
        max_calls_per_second: limits.calls(),
        max_queued_bytes: limits.output_queue_bytes,
        max_queued_frames: limits.output_queue_frames as usize,
        max_total_queued_bytes: limits.output_total,
        max_total_input_bytes: limits.input_total,
        max_queued_age: limits.output_queue_age,
        max_write_stall: limits.write_stall,
        max_frame_bytes: limits.frame_size,
        max_control_frames_per_second: limits.control_frames_per_second,
        max_control_frame_burst: limits.control_frames_burst,
        max_connections: limits.connections as usize,
        max_negotiated: limits.negotiated as usize,
        authentication: guard.map(Guard::authentication),
        allowed_origins: origins(config),
        ..defaults
    }
}

pub(super) fn origins(config: &Config) -> AllowedOrigins {
    let origins = config.origins();
    if origins.contains(&AllowedOrigin::Any) {
        return AllowedOrigins::Any;
    }
    let name = |origin| match origin {
        AllowedOrigin::Loopback => AllowedOrigins::LOOPBACK.to_owned(),
        origin => origin.into(),
    };
    AllowedOrigins::List(origins.into_iter().map(name).collect())
}

/// Without authentication a page of anywhere could otherwise reach a server that nobody but this machine can.
pub(super) fn is_for_this_machine(config: &Config) -> bool {
    !config.auth.is_on() && !config.auth.insecure_no_auth
}

pub(super) fn gateway(config: &Config, guard: Option<Arc<Guard>>) -> quix_gateway::Settings {
    quix_gateway::Settings {
        workspace: config.workspace.clone(),
        create_topics: config.makes_topics(),
        writes: write_rules(&config.topics),
        reads: read_rules(&config.topics),
        max_subscriptions: config.limits.subscriptions as usize,
        max_wildcard_subscriptions: config.limits.wildcard_subscriptions as usize,
        max_packages_per_second: Some(config.limits.packages_per_second).filter(|most| *most > 0),
        max_name_bytes: config.limits.name_size,
        max_body_bytes: config.limits.body_size,
        max_total_body_bytes: config.limits.input_total,
        body_timeout: config.limits.body_timeout,
        max_write_stall: config.limits.write_stall,
        max_replays_per_client: config.limits.replays_per_client as usize,
        lookup_timeout: config.limits.delivery_timeout.min(LONGEST_LOOKUP),
        guard,
        streams: quix_gateway::StreamSettings {
            max_streams: config.limits.tracked_streams as usize,
            max_streams_per_topic: config.limits.tracked_streams_per_topic as usize,
            // MessagePack may be somewhat longer than the JSON that is measured.
            max_list_bytes: config.limits.output_queue_bytes / 4 * 3,
            ..quix_gateway::StreamSettings::default()
        },
        ..quix_gateway::Settings::default()
    }
}

/// Longer than this nobody wants to wait for a topic's name.
const LONGEST_LOOKUP: Duration = Duration::from_secs(10);

/// Largest record: the largest message, and room for what the envelope adds.
pub(super) fn message_max_bytes(config: &Config) -> usize {
    config.limits.message_size.max(config.limits.body_size) + 64 * 1024
}

pub(crate) fn kafka(config: &Config) -> Result<KafkaSettings, SettingsError> {
    let (kafka, limits) = (&config.kafka, &config.limits);
    Ok(KafkaSettings {
        brokers: kafka.brokers.join(","),
        message_max_bytes: message_max_bytes(config),
        delivery_timeout: limits.delivery_timeout,
        linger_ms: kafka.linger_ms,
        compression: kafka.compression.as_str().parse()?,
        partitioner: kafka.partitioner.as_str(),
        backlog_messages: limits.write_backlog_messages as usize,
        backlog_bytes: limits.write_backlog_bytes,
        properties: kafka.properties.iter().map(|(name, value)| (name.clone(), value.reveal())).collect(),
        ..KafkaSettings::default()
    })
}

pub(super) fn embedded(config: &Config) -> EmbeddedSettings {
    let (log, limits) = (&config.log, &config.limits);
    let message_max_bytes = message_max_bytes(config);
    EmbeddedSettings {
        log: embedded_log::Options {
            segment_bytes: log.segment_size as u64,
            retention_bytes: log.retention_bytes as u64,
            retention_age: log.retention_age,
            reserve_bytes: log.reserve.map(|bytes| bytes as u64),
            recent_bytes: log.recent_bytes,
            max_batch_bytes: message_max_bytes + BATCH_HEAD_BYTES,
            backlog_bytes: limits.write_backlog_bytes,
            backlog_records: limits.write_backlog_messages as usize,
            ..embedded_log::Options::default()
        },
        message_max_bytes,
        delivery_timeout: limits.delivery_timeout,
    }
}

/// Room for what stands around a record in its batch.
const BATCH_HEAD_BYTES: usize = 64 * 1024;

pub(super) fn listener(config: &Config, metrics: Arc<ListenerMetrics>) -> ListenerOptions {
    let defaults = ListenerOptions::default();
    ListenerOptions {
        advertised: config.kafka_advertised.as_deref().and_then(host_and_port),
        auto_create_topics: config.makes_topics(),
        max_request_bytes: defaults.max_request_bytes.max(message_max_bytes(config) + BATCH_HEAD_BYTES),
        drain_timeout: defaults.drain_timeout.min(config.limits.drain_timeout),
        metrics,
        ..defaults
    }
}

fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}
/// The limits in force: a proxy on this machine stands for clients of elsewhere.
pub(super) fn limits(config: &Config) -> Limits {
    let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let is_proxy = |address| config.trusted_proxies.iter().any(|network| network.contains(address));
    if loopback.into_iter().any(is_proxy) { config.limits.with_loopback_bounded() } else { config.limits.clone() }
}
