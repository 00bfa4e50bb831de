//! `streamgate doctor quix`: the lines to paste into the environment of a program on Quix Streams.

use std::fmt::Write;

use quix_gateway::portal::Security;

use super::reach;
use crate::config::{Config, Loaded, Storage};
use crate::quix_environment::quix_environment;
use crate::server::portal_address;

/// Lines for a shell; what is not to be pasted is behind `#`.
pub(super) fn text(loaded: &Loaded) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{}", Portal(loaded));
    let _ = write!(text, "\n{}", Broker(loaded));
    text
}

/// With nothing but the environment changed.
struct Portal<'a>(&'a Loaded);

impl std::fmt::Display for Portal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let config = &self.0.config;
        let kafka = match portal_address(config, self.0.kafka_listener()) {
            Ok(kafka) => kafka,
            Err(why) => return writeln!(f, "# Programs on Quix Streams that ask this server are told: {why}"),
        };
        let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
        let server = format!("{scheme}://{}", reach::from_here(config.portal.listen.unwrap_or(config.listen)));
        let token = config.auth.is_on().then_some("TOKEN");
        writeln!(
            f,
            "# Programs on Quix Streams 0.5, 2 and 3 ask this server where Kafka is, and need no other change."
        )?;
        writeln!(f, "# They are told {kafka}.")?;
        if scheme == "https" {
            writeln!(f, "# In place of the address put the name that the certificate is for: 0.5 refuses an address.")?;
        }
        match token {
            Some(token) => {
                writeln!(f, "# {token}: streamgate token new --read '*' --write '*' --scope 'kafka create_topics'")?;
            }
            None => writeln!(f, "# There is no authentication: any token will do.")?,
        }
        for (name, value) in quix_environment(&server, token) {
            writeln!(f, "export {name}='{value}'")?;
        }
        writeln!(f, "# It would win over both:")?;
        writeln!(f, "unset Quix__Broker__Address")
    }
}

/// Past the portal, for who can change a line of the program.
struct Broker<'a>(&'a Loaded);

impl std::fmt::Display for Broker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(address) = kafka_address(self.0) else {
            writeln!(
                f,
                "# There is no address for Kafka clients: such programs need one. --kafka-listen gives one to the"
            )?;
            return writeln!(
                f,
                "# topics of a data folder, beside authentication too; --kafka keeps topics in a Kafka."
            );
        };
        writeln!(f, "# Without the portal, from 2 on, the program says itself where Kafka is:")?;
        let prefix = self.0.config.topic_prefix();
        if !prefix.is_empty() {
            writeln!(f, "# There the topic NAME is called {prefix}NAME.")?;
        }
        if !is_protected(&self.0.config) {
            return writeln!(f, "#   Application(broker_address=\"{address}\")");
        }
        writeln!(f, "#   from quixstreams.kafka.configuration import ConnectionConfig")?;
        writeln!(
            f,
            "#   Application(broker_address=ConnectionConfig(bootstrap_servers=\"{address}\", security_protocol=…,"
        )?;
        writeln!(
            f,
            "#       sasl_mechanism=…, sasl_username=…, sasl_password=…))  # a user of the program's own, not this server's"
        )
    }
}

/// Whether Kafka wants more of its clients than an address.
fn is_protected(config: &Config) -> bool {
    if config.portal.kafka_address.is_some() {
        return config.portal.protection() != Security::PlainText;
    }
    let protocol = config.kafka.properties.get("security.protocol").filter(|_| config.storage() == Storage::Kafka);
    protocol.is_some_and(|protocol| !protocol.reveal().eq_ignore_ascii_case("plaintext"))
}

/// Where Kafka clients find the topics, as far as the configuration says.
fn kafka_address(loaded: &Loaded) -> Option<String> {
    let config = &loaded.config;
    if let Some(address) = &config.portal.kafka_address {
        return Some(address.clone());
    }
    if config.storage() == Storage::Kafka {
        return Some(config.kafka.brokers.join(","));
    }
    let listener = loaded.kafka_listener()?;
    Some(config.kafka_advertised.clone().unwrap_or_else(|| reach::from_here(listener).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, FileChoice, Sources};

    #[test]
    fn the_lines_are_those_of_the_configuration() {
        for (settings, there, not_there) in [
            (
                "",
                &[
                    "export Quix__Portal__Api='http://127.0.0.1:8080'\n",
                    "export Quix__Sdk__Token='any'\n",
                    "unset Quix__Broker__Address\n",
                    "#   Application(broker_address=\"127.0.0.1:9092\")\n",
                ][..],
                &["TOKEN", "https"][..],
            ),
            (
                "listen = '0.0.0.0:443'\nkafka_listen = '127.0.0.1:9092'\nkafka_advertised = 'plant:9092'\n[tls]\ncertificate = 'c'\nkey = 'k'\n[auth]\ntokens_file = 't'",
                &[
                    "export Quix__Portal__Api='https://127.0.0.1:443'\n",
                    "export Quix__Sdk__Token='TOKEN'\n",
                    "--scope 'kafka create_topics'",
                    "#   Application(broker_address=\"plant:9092\")\n",
                ],
                &["'any'"],
            ),
            ("kafka_listen = 'off'", &["# There is no address for Kafka clients"], &["broker_address", "export"]),
            ("memory = true", &["# There is no address for Kafka clients"], &["broker_address", "export"]),
            ("[auth]\ntokens_file = 't'", &["# There is no address for Kafka clients"], &["broker_address", "export"]),
            (
                "[kafka]\nbrokers = ['a:1', 'b:2']",
                &[
                    "are told: This server does not know at which address",
                    "#   Application(broker_address=\"a:1,b:2\")\n",
                ],
                &["ConnectionConfig", "export"],
            ),
            (
                "[kafka]\nbrokers = ['a:1']\n[portal]\nkafka_address = 'k.example:9093'\nsecurity = 'ssl'",
                &["# They are told k.example:9093.\n", "export", "bootstrap_servers=\"k.example:9093\""],
                &["a:1"],
            ),
            (
                "workspace = 'Acme'\nworkspace_prefix = true",
                &["# There the topic NAME is called acme-NAME.\n#   Application(broker_address="],
                &["Acme"],
            ),
            (
                "portal.listen = '127.0.0.1:8081'",
                &["export Quix__Portal__Api='http://127.0.0.1:8081'\n"],
                &["8080", "NAME is called"],
            ),
            ("[portal]\nenabled = false", &["portal is off", "broker_address=\"127.0.0.1:9092\""], &["export"]),
            (
                "[kafka]\nbrokers = ['a:1']\n[kafka.properties]\n'security.protocol' = 'sasl_ssl'\n'sasl.password' = 'hunter2'",
                &["ConnectionConfig(bootstrap_servers=\"a:1\""],
                &["hunter2"],
            ),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), settings).unwrap();
            let file = FileChoice::Named(file.path().to_owned());
            let text = text(&config::load(Sources { file, ..Sources::default() }).unwrap());
            assert!(there.iter().all(|line| text.contains(line)), "{settings}: {text}");
            assert!(not_there.iter().all(|line| !text.contains(line)), "{settings}: {text}");
            let pasted = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            assert!(pasted.clone().all(|line| line.starts_with("export Quix__") || line.starts_with("unset Quix__")));
        }
    }
}
