//! What is told of the one workspace and of Kafka: a table of texts for each kind of client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::settings::{Credentials, KafkaAccess};

/// A workspace as `GET /workspaces` lists it. Old clients refuse all of it for one word that they do not know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workspace<'a> {
    workspace_id: &'a str,
    name: &'a str,
    status: &'static str,
    broker_type: &'static str,
    broker_settings: BrokerSettings,
    broker: Broker<'a>,
    version: u8,
    environment_name: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerSettings {
    broker_type: &'static str,
    sync_topics: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker<'a> {
    address: &'a str,
    security_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sasl_mechanism: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    ssl_password: &'static str,
    has_certificate: bool,
}

impl<'a> Workspace<'a> {
    /// Of this id, whose broker is reached so by whoever is this at Kafka.
    pub(super) fn new(id: &'a str, kafka: &'a KafkaAccess, credentials: Option<&'a Credentials>) -> Self {
        let broker = Broker {
            address: &kafka.address,
            security_mode: kafka.security.quix(),
            sasl_mechanism: kafka.security.mechanism().map(|mechanism| mechanism.quix()),
            username: credentials.map(|credentials| credentials.username.as_str()),
            password: credentials.map(|credentials| credentials.password.as_str()),
            ssl_password: "",
            has_certificate: certificate(kafka).is_some(),
        };
        Self {
            workspace_id: id,
            name: id,
            status: "Ready",
            broker_type: "SelfHosted",
            broker_settings: BrokerSettings { broker_type: "SelfHosted", sync_topics: false },
            broker,
            version: 2,
            environment_name: id,
        }
    }
}

/// Settings of librdkafka, of a connection and nothing else: new clients refuse all of it for one key more.
#[derive(Debug, Serialize)]
pub(super) struct Connection<'a> {
    #[serde(rename = "bootstrap.servers")]
    address: &'a str,
    #[serde(rename = "security.protocol")]
    protocol: &'static str,
    #[serde(rename = "sasl.mechanism", skip_serializing_if = "Option::is_none")]
    mechanism: Option<&'static str>,
    #[serde(rename = "sasl.username", skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(rename = "sasl.password", skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    /// Quix's own: PEM in base64.
    #[serde(rename = "ssl.ca.cert", skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    #[serde(rename = "client.id")]
    client: &'a str,
}

impl<'a> Connection<'a> {
    /// To this Kafka, by a program of this workspace that is this there.
    pub(super) fn new(workspace: &'a str, kafka: &'a KafkaAccess, credentials: Option<&'a Credentials>) -> Self {
        Self {
            address: &kafka.address,
            protocol: kafka.security.kafka(),
            mechanism: kafka.security.mechanism().map(|mechanism| mechanism.kafka()),
            username: credentials.map(|credentials| credentials.username.as_str()),
            password: credentials.map(|credentials| credentials.password.as_str()),
            ca: certificate(kafka).map(|pem| STANDARD.encode(pem)),
            client: workspace,
        }
    }
}

/// What vouches for the brokers, where they prove themselves.
pub(super) fn certificate(kafka: &KafkaAccess) -> Option<&str> {
    kafka.ca.as_deref().filter(|_| kafka.security.is_encrypted())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::portal::settings::{Mechanism, Security};

    fn told(security: Security, ca: Option<&str>) -> (Value, Value) {
        let credentials = Credentials { username: "ann".into(), password: "secret".into() };
        let kafka = KafkaAccess {
            address: "kafka:9093".into(),
            is_for_this_machine: false,
            security,
            ca: ca.map(str::to_owned),
            credentials: None,
            of_users: Default::default(),
        };
        let credentials = security.mechanism().map(|_| &credentials);
        let workspace = serde_json::to_value(Workspace::new("acme", &kafka, credentials)).unwrap();
        (workspace, serde_json::to_value(Connection::new("acme", &kafka, credentials)).unwrap())
    }

    #[test]
    fn each_kind_of_listener_is_told_in_words_that_both_generations_know() {
        let broker = |more: Value| {
            let mut broker = json!({ "address": "kafka:9093", "sslPassword": "", "hasCertificate": false });
            broker.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            broker
        };
        let connection = |more: Value| {
            let mut connection = json!({ "bootstrap.servers": "kafka:9093", "client.id": "acme" });
            connection.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            connection
        };
        let rows = [
            (
                Security::PlainText,
                None,
                json!({ "securityMode": "PlainText" }),
                json!({ "security.protocol": "PLAINTEXT" }),
            ),
            (
                Security::PlainText,
                Some("PEM"),
                json!({ "securityMode": "PlainText" }),
                json!({ "security.protocol": "PLAINTEXT" }),
            ),
            (
                Security::Ssl,
                Some("PEM"),
                json!({ "securityMode": "Ssl", "hasCertificate": true }),
                json!({ "security.protocol": "SSL", "ssl.ca.cert": "UEVN" }),
            ),
            (
                Security::Sasl(Mechanism::Plain),
                None,
                json!({ "securityMode": "Sasl", "saslMechanism": "Plain", "username": "ann", "password": "secret" }),
                json!({
                    "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                    "sasl.username": "ann", "sasl.password": "secret",
                }),
            ),
            (
                Security::SaslSsl(Mechanism::ScramSha256),
                None,
                json!({
                    "securityMode": "SaslSsl", "saslMechanism": "ScramSha256", "username": "ann", "password": "secret",
                }),
                json!({
                    "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256",
                    "sasl.username": "ann", "sasl.password": "secret",
                }),
            ),
            (
                Security::SaslSsl(Mechanism::ScramSha512),
                Some("PEM"),
                json!({
                    "securityMode": "SaslSsl", "saslMechanism": "ScramSha512", "username": "ann", "password": "secret",
                    "hasCertificate": true,
                }),
                json!({
                    "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
                    "sasl.username": "ann", "sasl.password": "secret", "ssl.ca.cert": "UEVN",
                }),
            ),
        ];
        for (security, ca, of_broker, of_connection) in rows {
            let (workspace, told) = told(security, ca);
            assert_eq!(
                workspace,
                json!({
                    "workspaceId": "acme", "name": "acme", "status": "Ready", "brokerType": "SelfHosted",
                    "brokerSettings": { "brokerType": "SelfHosted", "syncTopics": false },
                    "broker": broker(of_broker), "version": 2, "environmentName": "acme",
                }),
                "{security:?}"
            );
            assert_eq!(told, connection(of_connection), "{security:?}");
        }
    }
}
