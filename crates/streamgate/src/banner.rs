//! What `serve` prints when it is up: where everything is, what is kept, what is insecure, what to try next.

use std::net::SocketAddr;

use crate::config::{AllowedOrigin, Config};

pub(crate) struct Banner<'a> {
    pub(crate) config: &'a Config,
    /// For people: kind and address of the broker.
    pub(crate) broker: &'a str,
    pub(crate) public: SocketAddr,
    /// `None` if its port was taken.
    pub(crate) management: Option<SocketAddr>,
}

/// Name, what is there, and what to know about it.
struct Row(&'static str, String, String);

impl Banner<'_> {
    /// The whole text; `styled` for a terminal.
    pub(crate) fn text(&self, styled: bool) -> String {
        let (bold, dim, warn, plain) =
            if styled { ("\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[0m") } else { ("", "", "", "") };
        let (places, risks) = (self.places(), self.risks());
        let remarked = places.iter().chain(&risks).filter(|Row(_, _, remark)| !remark.is_empty());
        let width = remarked.map(|Row(_, what, _)| what.len()).max().unwrap_or(0);
        let mut text = format!("\n  {bold}Streamgate {}{plain}\n\n", env!("CARGO_PKG_VERSION"));
        for (rows, style) in [(&places, ""), (&risks, warn)] {
            for Row(name, what, remark) in rows {
                let line = format!("    {style}{name:NAME_WIDTH$}{what:width$}{plain}  {dim}{remark}{plain}");
                text += &format!("{}\n", line.trim_end());
            }
            text += "\n";
        }
        text + &format!("  next: {}\n\n", self.next())
    }

    fn places(&self) -> Vec<Row> {
        let public = self.public;
        let topics = if self.is_memory() {
            Row("topics", "in memory".into(), "they end with the server; keep them with --kafka HOST:PORT".into())
        } else {
            Row("topics", self.broker.into(), String::new())
        };
        let metrics = match self.management {
            Some(address) => {
                Row("metrics", format!("http://{address}/metrics"), "also /health/live and /health/ready".into())
            }
            None => {
                let taken = self.config.admin_listen;
                Row("metrics", "off".into(), format!("another program has {taken}; choose with --admin-listen"))
            }
        };
        vec![
            topics,
            Row("demo", format!("http://{public}/demo/"), "draw here, watch it there".into()),
            Row("hub", format!("http://{public}/hub"), "for SignalR clients".into()),
            Row("api", format!("http://{public}/topics"), "for curl, and the commands below".into()),
            metrics,
        ]
    }

    /// Every insecure setting by name.
    fn risks(&self) -> Vec<Row> {
        let mut risks = vec![("no authentication", "whoever is on this machine may read and write".to_owned())];
        if self.config.makes_topics() {
            risks.push(("create_topics", "any client may make topics; --create-topics=false forbids it".to_owned()));
        }
        let foreign = self.config.allowed_origins.iter().filter_map(|origin| match origin {
            AllowedOrigin::Loopback => None,
            AllowedOrigin::Null => Some("null (any page can be that)"),
            AllowedOrigin::Exact(origin) => Some(origin.as_str()),
        });
        let foreign: Vec<_> = foreign.collect();
        if !foreign.is_empty() {
            risks.push(("allowed_origins", format!("pages of these may read and write: {}", foreign.join(", "))));
        }
        if self.config.detailed_errors {
            risks.push(("detailed_errors", "clients are told the texts of internal errors".to_owned()));
        }
        for (name, unsafe_value) in UNSAFE_PROPERTIES {
            let value = self.config.kafka.properties.get(name).map(|value| value.reveal());
            if value.is_some_and(|value| value.trim().eq_ignore_ascii_case(unsafe_value)) {
                risks.push(("kafka.properties", format!("{name} = {unsafe_value}: any server may pose as Kafka")));
            }
        }
        let mut label = "insecure";
        let row = |(what, remark): (&str, String)| Row(std::mem::take(&mut label), what.to_owned(), remark);
        risks.into_iter().map(row).collect()
    }

    fn next(&self) -> String {
        let url = if self.public.port() == 8080 { String::new() } else { format!(" --url http://{}", self.public) };
        if self.is_memory() {
            format!("streamgate tail websocket-topic{url} · streamgate serve --kafka HOST:PORT")
        } else {
            format!("streamgate topic list{url} · streamgate tail TOPIC{url}")
        }
    }

    fn is_memory(&self) -> bool {
        self.config.kafka.brokers.is_empty()
    }
}

const NAME_WIDTH: usize = 10;

/// Properties of librdkafka, and the value that switches their protection off.
const UNSAFE_PROPERTIES: [(&str, &str); 2] =
    [("enable.ssl.certificate.verification", "false"), ("ssl.endpoint.identification.algorithm", "none")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn columns_are_straight_and_every_risk_is_named() {
        let mut config = Config { detailed_errors: true, ..Config::default() };
        config.allowed_origins.extend([AllowedOrigin::Null, AllowedOrigin::Exact("https://a.example".to_owned())]);
        let property = "enable.ssl.certificate.verification".to_owned();
        config.kafka.properties.insert(property, Secret::from("false".to_owned()));
        let banner = Banner { config: &config, broker: "memory", public: config.listen, management: None };
        let text = banner.text(false);
        let expected = "
  Streamgate VERSION

    topics    in memory                     they end with the server; keep them with --kafka HOST:PORT
    demo      http://127.0.0.1:8080/demo/   draw here, watch it there
    hub       http://127.0.0.1:8080/hub     for SignalR clients
    api       http://127.0.0.1:8080/topics  for curl, and the commands below
    metrics   off                           another program has 127.0.0.1:9090; choose with --admin-listen

    insecure  no authentication             whoever is on this machine may read and write
              create_topics                 any client may make topics; --create-topics=false forbids it
              allowed_origins               pages of these may read and write: null (any page can be that), https://a.example
              detailed_errors               clients are told the texts of internal errors
              kafka.properties              enable.ssl.certificate.verification = false: any server may pose as Kafka

  next: streamgate tail websocket-topic · streamgate serve --kafka HOST:PORT

";
        assert_eq!(text, expected.replace("VERSION", env!("CARGO_PKG_VERSION")));
        let styled = banner.text(true);
        assert!(styled.contains("\x1b[33minsecure"), "{styled}");
    }
}
