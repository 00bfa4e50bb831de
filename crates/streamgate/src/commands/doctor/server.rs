//! Whether a server of this configuration runs, and is ready; else whether it could have its port.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::line::{Line, Subject};
use super::reach;
use crate::args::changed_by;
use crate::commands::client::Client;
use crate::config::Loaded;

/// What is known of a port that it wants.
#[derive(Debug, PartialEq, Eq)]
enum Port {
    Free,
    Taken,
    /// The system does not give it to us.
    Refused(String),
}

/// `is_held`: whether a server has the data folder, where topics are kept in one; else a ready management listener tells.
pub(super) async fn look(loaded: &Loaded, is_held: Option<bool>) -> Vec<Line> {
    let config = &loaded.config;
    let readiness = readiness(config.admin_listen).await;
    if is_held.unwrap_or(readiness.is_some()) {
        return vec![running(config.admin_listen, readiness)];
    }
    let ports = [
        ("listen", Some(config.listen), true),
        ("admin_listen", Some(config.admin_listen), loaded.is_set("admin_listen")),
        ("kafka_listen", loaded.kafka_listener(), loaded.is_set("kafka_listen")),
        ("portal.listen", config.portal.own_listener(), true),
    ];
    let mut lines = Vec::new();
    for (setting, address, is_needed) in ports {
        // Any free port is free.
        if let Some(address) = address.filter(|address| address.port() != 0) {
            lines.push(line(setting, address, is_needed, port(address).await));
        }
    }
    lines
}

fn running(management: SocketAddr, readiness: Option<Option<String>>) -> Line {
    match readiness {
        Some(None) => Line::ok(Subject::Server, format!("it runs and is ready (http://{management})")),
        Some(Some(reason)) => Line::fail(
            Subject::Server,
            format!("it runs (http://{management}) and is not ready: {reason}"),
            "see its log, and the lines below",
        ),
        None => Line::warn(
            Subject::Server,
            format!("it runs, and does not answer at {management}"),
            "name its own address with --admin-listen to see whether it is ready",
        ),
    }
}

async fn port(address: SocketAddr) -> Port {
    match TcpListener::bind(address).await {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Port::Taken,
        Err(error) => Port::Refused(error.to_string()),
    }
}

/// Without a port that is not needed the server runs on.
fn line(setting: &str, address: SocketAddr, is_needed: bool, port: Port) -> Line {
    let what = match port {
        Port::Free => return Line::ok(Subject::Server, format!("none runs; {address} is free for it ({setting})")),
        Port::Taken => format!("{address} ({setting}) is taken by another program"),
        Port::Refused(reason) => format!("it could not listen at {address} ({setting}): {reason}"),
    };
    let remedy = format!("choose another address with {}", changed_by(setting));
    if is_needed {
        return Line::fail(Subject::Server, what, remedy);
    }
    Line::warn(Subject::Server, format!("{what}, and the server would run without it"), remedy)
}

/// Of a management listener of ours; `None` if there is none.
async fn readiness(management: SocketAddr) -> Option<Option<String>> {
    let url = format!("http://{}/health/ready", reach::from_here(management)).parse().ok()?;
    let client = Client::new(&url, None).ok()?;
    let text = client.http.get(url).timeout(TIMEOUT).send().await.ok()?.text().await.ok()?;
    if text == "ready\n" {
        return Some(None);
    }
    text.strip_prefix("not ready: ").map(|reason| Some(reason.trim_end().to_owned()))
}

const TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_line() {
        let address = "127.0.0.1:8080".parse().unwrap();
        for (line, start) in [
            (running(address, Some(None)), "ok    server    it runs and is ready (http://127.0.0.1:8080)"),
            (
                running(address, Some(Some("the disk is full".into()))),
                "fail  server    it runs (http://127.0.0.1:8080) and is not ready: the disk is full; see",
            ),
            (running(address, None), "warn  server    it runs, and does not answer at 127.0.0.1:8080; name"),
            (line("listen", address, true, Port::Free), "ok    server    none runs; 127.0.0.1:8080 is free for it"),
            (
                line("kafka_listen", address, true, Port::Taken),
                "fail  server    127.0.0.1:8080 (kafka_listen) is taken by another program; choose another address with --kafka-listen",
            ),
            (
                line("portal.listen", address, true, Port::Taken),
                "fail  server    127.0.0.1:8080 (portal.listen) is taken by another program; choose another address with the setting portal.listen",
            ),
            (
                line("admin_listen", address, false, Port::Taken),
                "warn  server    127.0.0.1:8080 (admin_listen) is taken by another program, and the server would run without it; ",
            ),
            (
                line("listen", address, true, Port::Refused("no".into())),
                "fail  server    it could not listen at 127.0.0.1:8080 (listen): no; choose",
            ),
        ] {
            assert!(line.to_string().starts_with(start), "{line}");
        }
    }
}
