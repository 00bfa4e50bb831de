//! What `serve` prints when it is up: where everything is, what is kept, what is insecure, what to try next.

use std::net::SocketAddr;

use crate::args::DEFAULT_URL;
use crate::config::{AllowedOrigin, Config, Storage, format_duration, format_size};

pub(crate) struct Banner<'a> {
    pub(crate) config: &'a Config,
    /// For people: kind and address of the broker.
    pub(crate) broker: &'a str,
    pub(crate) public: SocketAddr,
    /// `None` if its port was taken.
    pub(crate) management: Option<SocketAddr>,
    /// `None` if its port was taken, or if it was not wanted.
    pub(crate) kafka: Option<SocketAddr>,
    /// `None` if the portal has no address of its own.
    pub(crate) portal: Option<SocketAddr>,
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
        for (rows, style) in [(&places, ""), (&risks, warn)].into_iter().filter(|(rows, _)| !rows.is_empty()) {
            for Row(name, what, remark) in rows {
                let line = format!("    {style}{name:NAME_WIDTH$}{what:width$}{plain}  {dim}{remark}{plain}");
                text += &format!("{}\n", line.trim_end());
            }
            text += "\n";
        }
        text + &format!("  next: {}\n\n", self.next())
    }

    fn places(&self) -> Vec<Row> {
        let public = self.url();
        let topics = match self.config.storage() {
            Storage::Folder => Row("topics", format!("in {}", self.broker), self.retention()),
            Storage::Memory => {
                Row("topics", "in memory".into(), "they end with the server; without --memory they are kept".into())
            }
            Storage::Kafka => Row("topics", self.broker.into(), String::new()),
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
        let kafka = match (self.kafka, self.config.kafka_listener()) {
            (Some(address), _) => Some(Row("kafka", address.to_string(), "for any Kafka client".into())),
            (None, Some(taken)) => {
                let remark = match self.config.auth.is_on() {
                    true => "its clients need no token; ask for it with --kafka-listen".to_owned(),
                    false => format!("another program has {taken}; choose with --kafka-listen"),
                };
                Some(Row("kafka", "off".into(), remark))
            }
            (None, None) => None,
        };
        let access = self
            .config
            .auth
            .is_on()
            .then(|| Row("access", "with tokens only".into(), "`streamgate token new` makes one".into()));
        let rows = [
            Some(topics),
            Some(Row("demo", format!("{public}/demo/"), "draw here, watch it there".into())),
            Some(Row("hub", format!("{public}/hub"), "for SignalR clients".into())),
            Some(Row("api", format!("{public}/topics"), "for curl, and the commands below".into())),
            kafka,
            self.portal.map(|address| {
                Row("portal", format!("{}://{address}", self.scheme()), "for programs on Quix Streams".into())
            }),
            Some(metrics),
            access,
        ];
        rows.into_iter().flatten().collect()
    }

    fn retention(&self) -> String {
        let log = &self.config.log;
        format!("kept for {} or {} of all", format_duration(log.retention_age), format_size(log.retention_bytes))
    }

    /// Every insecure setting by name.
    fn risks(&self) -> Vec<Row> {
        let mut risks = Vec::new();
        if !self.config.auth.is_on() {
            let is_local = self.config.listen.ip().is_loopback() && self.portal.is_none_or(|at| at.ip().is_loopback());
            let whoever = if is_local { "is on this machine" } else { "reaches the server" };
            risks.push(("no authentication", format!("whoever {whoever} may read and write")));
        }
        if self.config.makes_topics() && !self.config.auth.is_on() {
            risks.push(("create_topics", "any client may make topics; --create-topics=false forbids it".to_owned()));
        }
        if let Some(address) = self.kafka.filter(|address| !address.ip().is_loopback()) {
            risks.push(("kafka_listen", format!("{address}: other machines may read and write, as any Kafka client")));
        }
        if let Some(address) = self.management.filter(|address| !address.ip().is_loopback()) {
            risks.push(("admin_listen", format!("{address}: other machines may read the metrics")));
        }
        let foreign = self.config.allowed_origins.iter().filter(|_| !self.config.auth.is_on());
        let foreign = foreign.filter_map(|origin| match origin {
            AllowedOrigin::Auto | AllowedOrigin::Any | AllowedOrigin::Loopback => None,
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

    fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.public)
    }

    fn scheme(&self) -> &'static str {
        if self.config.tls.certificate.is_some() { "https" } else { "http" }
    }

    fn next(&self) -> String {
        let url = self.url();
        let url = if url == DEFAULT_URL { String::new() } else { format!(" --url {url}") };
        if self.config.auth.is_on() {
            format!("streamgate token new --read '*' --write '*' · streamgate tail TOPIC --token TOKEN{url}")
        } else if self.config.storage() != Storage::Kafka {
            format!("streamgate tail websocket-topic{url} · streamgate serve --kafka HOST:PORT")
        } else {
            format!("streamgate topic list{url} · streamgate tail TOPIC{url}")
        }
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
        config.kafka_listen = Some(([0, 0, 0, 0], 9092).into());
        let kafka = config.kafka_listen;
        let banner = Banner {
            config: &config,
            broker: "streamgate-data",
            public: config.listen,
            management: None,
            kafka,
            portal: None,
        };
        let text = banner.text(false);
        let expected = "
  Streamgate VERSION

    topics    in streamgate-data            kept for 7d or 1GiB of all
    demo      http://127.0.0.1:8080/demo/   draw here, watch it there
    hub       http://127.0.0.1:8080/hub     for SignalR clients
    api       http://127.0.0.1:8080/topics  for curl, and the commands below
    kafka     0.0.0.0:9092                  for any Kafka client
    metrics   off                           another program has 127.0.0.1:9090; choose with --admin-listen

    insecure  no authentication             whoever is on this machine may read and write
              create_topics                 any client may make topics; --create-topics=false forbids it
              kafka_listen                  0.0.0.0:9092: other machines may read and write, as any Kafka client
              allowed_origins               pages of these may read and write: null (any page can be that), https://a.example
              detailed_errors               clients are told the texts of internal errors
              kafka.properties              enable.ssl.certificate.verification = false: any server may pose as Kafka

  next: streamgate tail websocket-topic · streamgate serve --kafka HOST:PORT

";
        assert_eq!(text, expected.replace("VERSION", env!("CARGO_PKG_VERSION")));
        let styled = banner.text(true);
        assert!(styled.contains("\x1b[33minsecure"), "{styled}");
    }

    #[test]
    fn with_tokens_that_is_said_and_no_risk_where_there_is_none() {
        let mut config = Config { memory: true, ..Config::default() };
        config.auth.secret = Some(Secret::from("hunter2".to_owned()));
        let text = |config: &Config| {
            let (public, management) = (config.listen, Some(config.admin_listen));
            let portal = config.portal.listen;
            Banner { config, broker: "d", public, management, kafka: None, portal }.text(false)
        };
        let said = text(&config);
        assert!(
            said.contains("    access    with tokens only ") && said.contains("next: streamgate token new"),
            "{said}"
        );
        assert!(!said.contains("insecure") && !said.contains("\n\n\n") && !said.contains("hunter2"), "{said}");
        config.admin_listen = ([0, 0, 0, 0], 9090).into();
        assert!(text(&config).contains("0.0.0.0:9090: other machines may read the metrics"));
        config.auth = crate::config::AuthConfig { insecure_no_auth: true, ..Default::default() };
        assert!(text(&config).contains("whoever is on this machine may read and write"));
        config.portal.listen = Some(([0, 0, 0, 0], 8081).into());
        config.tls.certificate = Some("c".into());
        assert!(text(&config).contains("    portal    https://0.0.0.0:8081 "), "{}", text(&config));
        config.tls.certificate = None;
        let said = text(&config);
        assert!(said.contains("    portal    http://0.0.0.0:8081 "), "{said}");
        assert!(said.contains("whoever reaches the server may read and write"), "{said}");
        config.portal.listen = None;
        config.listen = ([0, 0, 0, 0], 8080).into();
        assert!(text(&config).contains("whoever reaches the server may read and write"));
    }

    #[test]
    fn where_kafka_clients_are_served_is_said_where_they_could_be() {
        let text = |config: &Config, kafka| {
            let public = config.listen;
            Banner { config, broker: "d", public, management: None, kafka, portal: None }.text(false)
        };
        let (default, off) = (Config::default(), Config { kafka_listen: None, ..Config::default() });
        let memory = Config { memory: true, ..Config::default() };
        assert!(text(&default, default.kafka_listen).contains("    kafka     127.0.0.1:9092 "));
        assert!(!text(&default, default.kafka_listen).contains("other machines"));
        assert!(text(&default, None).contains("another program has 127.0.0.1:9092; choose with --kafka-listen"));
        assert!(!text(&off, None).contains("\n    kafka "));
        assert!(!text(&memory, None).contains("\n    kafka ") && text(&memory, None).contains("in memory"));
    }
}
