//! Whether a server of this configuration runs, and is ready; else whether it could have its port.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::line::{Line, Subject};
use super::reach;
use crate::commands::client::Client;
use crate::config::Config;

/// What is known of it.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It runs; with the reason why it is not ready, if it is not.
    Running(Option<String>),
    /// Nobody has the port.
    Free,
    /// Somebody has it, and no server of ours is found.
    Taken,
    /// The system does not give it to us.
    Refused(String),
}

pub(super) async fn look(config: &Config) -> Option<Line> {
    // Any free port is free.
    let address = Some(config.listen).filter(|address| address.port() != 0)?;
    let found = match readiness(config.admin_listen).await {
        Some(unready) => Found::Running(unready),
        None => match TcpListener::bind(address).await {
            Ok(_) => Found::Free,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Found::Taken,
            Err(error) => Found::Refused(error.to_string()),
        },
    };
    Some(line(address, config.admin_listen, found))
}

fn line(address: SocketAddr, management: SocketAddr, found: Found) -> Line {
    match found {
        Found::Running(None) => Line::ok(Subject::Server, format!("it runs and is ready (http://{management})")),
        Found::Running(Some(reason)) => Line::fail(
            Subject::Server,
            format!("it runs (http://{management}) and is not ready: {reason}"),
            "see its log, and the lines below",
        ),
        Found::Free => Line::ok(Subject::Server, format!("none runs; {address} is free for it")),
        Found::Taken => Line::warn(
            Subject::Server,
            format!("something listens at {address}, and nothing of ours answers at {management}"),
            "if that is no streamgate, choose another address with --listen",
        ),
        Found::Refused(reason) => Line::fail(
            Subject::Server,
            format!("it could not listen at {address}: {reason}"),
            "choose another address with --listen",
        ),
    }
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
        for (found, start) in [
            (Found::Running(None), "ok    server    it runs and is ready (http://127.0.0.1:9090)"),
            (
                Found::Running(Some("the disk is full".into())),
                "fail  server    it runs (http://127.0.0.1:9090) and is not ready: the disk is full; see",
            ),
            (Found::Free, "ok    server    none runs; 127.0.0.1:8080 is free for it"),
            (Found::Taken, "warn  server    something listens at 127.0.0.1:8080, and nothing of ours answers at"),
            (Found::Refused("no".into()), "fail  server    it could not listen at 127.0.0.1:8080: no; choose"),
        ] {
            let (address, management) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:9090".parse().unwrap());
            let line = line(address, management, found).to_string();
            assert!(line.starts_with(start), "{line}");
        }
    }
}
