//! What `serve` prints when it is up: where everything is, what is kept, what is insecure, what to try next.

use std::fmt;
use std::net::SocketAddr;

use crate::config::Config;
use crate::server::Server;

pub(crate) struct Banner<'a> {
    pub(crate) config: &'a Config,
    /// For people: kind and address of the broker.
    pub(crate) broker: &'a str,
    pub(crate) server: &'a Server,
    /// The management address that was not free.
    pub(crate) unmanaged: Option<SocketAddr>,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.server.public;
        let kept = self.config.kafka.brokers.is_empty();
        writeln!(f, "  Streamgate {}  {}", env!("CARGO_PKG_VERSION"), self.broker)?;
        if kept {
            row(f, "topics", "in memory: nothing is kept when the server stops", "keep them with --kafka HOST:PORT")?;
        }
        row(f, "demo", &format!("http://{public}/demo/"), "draw here, watch it there")?;
        row(f, "hub", &format!("http://{public}/hub"), "no authentication: this machine only")?;
        match (self.server.management, self.unmanaged) {
            (Some(address), _) => row(f, "metrics", &format!("http://{address}/metrics"), "")?,
            (None, Some(address)) => row(
                f,
                "metrics",
                &format!("off: another program has {address}"),
                "name another address with --admin-listen",
            )?,
            (None, None) => {}
        }
        if self.config.makes_topics() {
            row(f, "note", "any client may make topics by using them", "--create-topics=false forbids it")?;
        }
        let url = if public.port() == 8080 { String::new() } else { format!(" --url http://{public}") };
        writeln!(f, "  next: streamgate tail websocket-topic{url} · streamgate serve --kafka HOST:PORT")
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, what: &str, remark: &str) -> fmt::Result {
    writeln!(f, "{}", format!("    {name:<9} {what:<36} {remark}").trim_end())
}
