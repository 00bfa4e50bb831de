//! Checks that need more than one setting, or more than a setting's type.

use std::{net::SocketAddr, time::Duration};

use toml::Value;

use super::{
    ConfigError,
    error::Placed,
    schema::to_table,
    sources::Loaded,
    units::{format_duration, format_size},
};

/// The first thing wrong, if any.
pub(super) fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    loopback(loaded, "listen", config.listen)?;
    loopback(loaded, "admin_listen", config.admin_listen)?;
    if config.listen == config.admin_listen && config.listen.port() != 0 {
        let problem = format!("are both {}: give each a port of its own", config.listen);
        return Err(conflict(loaded, "listen", "admin_listen", problem));
    }
    brokers(loaded)?;
    limits(loaded)
}

fn loopback(loaded: &Loaded, key: &str, address: SocketAddr) -> Result<(), ConfigError> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let problem = format!(
        "is {address}, which other machines can reach: this version has no authentication yet, so it listens on loopback \
         only (127.0.0.1 or [::1])"
    );
    Err(invalid(loaded, key, problem))
}

fn brokers(loaded: &Loaded) -> Result<(), ConfigError> {
    let kafka = &loaded.config.kafka;
    if loaded.config.memory && !kafka.brokers.is_empty() {
        let problem = "exclude each other: topics are kept either in memory or in Kafka; leave one out".to_owned();
        return Err(conflict(loaded, "memory", "kafka.brokers", problem));
    }
    if let Some(broker) = kafka.brokers.iter().find(|broker| !is_host_and_port(broker)) {
        let problem = format!("must hold HOST:PORT, such as \"broker:9092\", not {broker:?}");
        return Err(invalid(loaded, "kafka.brokers", problem));
    }
    if kafka.linger_ms > MAX_LINGER_MS {
        let problem =
            format!("must be from 0 to {MAX_LINGER_MS}, not {}: every call would wait that long", kafka.linger_ms);
        return Err(invalid(loaded, "kafka.linger_ms", problem));
    }
    Ok(())
}

/// librdkafka would also take `SSL://host:port` and a missing port; the protocol is a property, and a guess is no help.
fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.is_empty() && !host.contains([':', '/', '[', ']']);
    (bracketed || plain) && !broker.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn limits(loaded: &Loaded) -> Result<(), ConfigError> {
    let limits = &loaded.config.limits;
    if let Some(Value::Table(table)) = to_table(&loaded.config).get("limits")
        && let Some((name, _)) = table.iter().find(|(_, value)| is_zero(value))
    {
        return Err(invalid(
            loaded,
            &format!("limits.{name}"),
            "must be more than 0: no limit can be switched off".to_owned(),
        ));
    }
    if limits.frame_size < limits.message_size {
        let problem = format!(
            "do not fit: a message of {} comes in one frame, and frames end at {}; raise `limits.frame_size` with it",
            format_size(limits.message_size),
            format_size(limits.frame_size)
        );
        return Err(conflict(loaded, "limits.message_size", "limits.frame_size", problem));
    }
    if limits.delivery_timeout > MAX_DELIVERY_TIMEOUT {
        let problem = format!("must be at most {}: no client waits longer", format_duration(MAX_DELIVERY_TIMEOUT));
        return Err(invalid(loaded, "limits.delivery_timeout", problem));
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number == 0,
        Value::String(text) => text == "0s" || text == "0B",
        _ => false,
    }
}

fn invalid(loaded: &Loaded, key: &str, problem: String) -> ConfigError {
    ConfigError::Invalid { setting: placed(loaded, key), problem }
}

fn conflict(loaded: &Loaded, first: &str, second: &str, problem: String) -> ConfigError {
    ConfigError::Conflict { settings: Box::new([placed(loaded, first), placed(loaded, second)]), problem }
}

fn placed(loaded: &Loaded, key: &str) -> Placed {
    Placed { key: key.to_owned(), origin: loaded.origin(key) }
}

const MAX_LINGER_MS: u32 = 5;
const MAX_DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
