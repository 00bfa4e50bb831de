//! Where a program cannot be helped, it ends, and its last words say why and what to do.

use std::time::Duration;

use access::TokenRequest;
use e2e::kafka::Kafka;
use e2e::ports::lasting_ports;
use e2e::program::{Program, printed};
use e2e::python::Python;
use e2e::wait::own_topic;

use crate::place::{SECRET, environment, signer, token};
use crate::script::Script;

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_and_missing_rights_are_told() {
    let settings = format!("auth.secret = \"{SECRET}\"");
    let program = Program::serve_with_settings(&settings, &["--kafka-listen", "127.0.0.1:0"]).await;
    let expired = TokenRequest { scope: ALL.to_owned(), ..TokenRequest::lasting(Duration::from_secs(1)) };
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let expired = signer().sign(&expired, long_ago).unwrap();
    let rows = [
        ("of nobody", "a-token-of-elsewhere".to_owned(), "Set Quix__Sdk__Token to a token of this server"),
        ("expired", expired, "The token is missing, not known here, or over."),
        ("of a page", token("read:* write:* create_topics"), "This token may not use Kafka. Give it the right `kafka`"),
        ("without creation", token("kafka read:* write:*"), "This token may not create topics, and there is no topic"),
        ("of other topics", token("kafka create_topics write:f1-*"), "it needs the scope write:"),
    ];
    for generation in Generation::ALL {
        for (what, token, says) in &rows {
            generation.fails(&environment(&program.url, token), says, what).await;
        }
        let all = environment(&program.url, &token(ALL));
        generation.write(&own_topic("allowed"), &all).await.succeed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_were_made_before_need_no_right_to_make_them() {
    let settings = format!("auth.secret = \"{SECRET}\"");
    let program = Program::serve_with_settings(&settings, &["--kafka-listen", "127.0.0.1:0"]).await;
    for generation in Generation::ALL {
        let topic = own_topic("made-before");
        let maker = token(&format!("create_topics write:{topic}"));
        printed(&["topic", "create", &topic, "--url", &program.url, "--token", &maker], "").await;
        let writer = environment(&program.url, &token(&format!("kafka write:{topic}")));
        for name in [topic.clone(), format!("local-{topic}")] {
            generation.write(&name, &writer).await.succeed().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_kafka_for_programs_is_told() {
    let no_listener = Program::serve(&[]).await;
    let off = Program::serve_with_settings("portal.enabled = false", &["--kafka-listen", "127.0.0.1:0"]).await;
    let [nobody] = lasting_ports();
    let away = Program::serve_with_settings(
        "[portal]\nkafka_address = \"kafka.example:9092\"\n[limits]\ndelivery_timeout = \"1s\"",
        &["--kafka", &format!("127.0.0.1:{nobody}")],
    )
    .await;
    for generation in Generation::ALL {
        for (program, says) in [
            (&no_listener, "This server runs on its embedded broker, which Kafka clients cannot reach."),
            (&off, "This server has no portal: it is switched off by the setting portal.enabled."),
            (&away, "The broker cannot be reached. Try again when the server is ready."),
        ] {
            generation.fails(&environment(&program.url, "any"), says, says).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_whose_address_for_programs_nobody_named_is_told() {
    let kafka = Kafka::start().await;
    let program = Program::serve(&["--kafka", &kafka.bootstrap()]).await;
    for generation in Generation::ALL {
        let says = "This server does not know at which address programs reach Kafka. Set portal.kafka_address";
        generation.fails(&environment(&program.url, "any"), says, "no address").await;
    }
}

/// A program of each generation that writes.
#[derive(Debug, Clone, Copy)]
enum Generation {
    V05,
    V3,
}

impl Generation {
    const ALL: [Self; 2] = [Self::V05, Self::V3];

    async fn write(self, topic: &str, environment: &[(&str, String)]) -> Script {
        let python = match self {
            Self::V05 => Python::quix_0_5().await,
            Self::V3 => Python::quix_3().await,
        };
        Script::start(&python, "portal.py", &["write", topic], environment)
    }

    /// Runs it, which must fail with this in its last line.
    async fn fails(self, environment: &[(&str, String)], says: &str, what: &str) {
        let end = self.write(&own_topic("refused"), environment).await.end().await;
        let last = end.said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        assert!(end.code != Some(0) && last.contains(says), "{self:?}, {what}: {:?}: {}", end.code, end.said);
    }
}

const ALL: &str = "kafka create_topics read:* write:*";
