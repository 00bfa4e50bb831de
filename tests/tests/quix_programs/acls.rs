//! Kafka lets programs do what docs/portal.md advises and no more: that suffices, and what it forbids is told.

use e2e::kafka::Kafka;
use e2e::program::Program;
use e2e::python::Python;
use e2e::secured::SecuredKafka;
use e2e::wait::own_topic;

use crate::both_ways::{packages, write_from_page};
use crate::place::Place;
use crate::script::Script;

/// Topics are made by the server, whose user may do everything.
#[tokio::test(flavor = "multi_thread")]
async fn programs_need_no_more_of_kafka_than_their_topics_and_groups() {
    let python = Python::quix_3().await;
    let secured = SecuredKafka::start(&AUTHORIZER).await;
    allow(&python, &secured.kafka).await;
    for (mechanism, python, is_old) in [("PLAIN", Python::quix_0_5().await, true), ("SCRAM-SHA-256", python, false)] {
        let named = format!("workspace = \"acme\"\nworkspace_prefix = true\n{}", secured.portal(mechanism));
        let program = Program::serve_with_settings(&named, &["--kafka", &secured.kafka.bootstrap()]).await;
        let place = Place { program };
        let run = |arguments: &[&str]| Script::start(&python, "portal.py", arguments, &place.environment());
        run(&["write", &own_topic("f1-allowed")]).succeed().await;
        let back = own_topic("f1-back");
        let mut reader = run(&["read", &back, "2"]);
        write_from_page(&place, &back, &mut reader).await;
        assert_eq!(reader.succeed().await.len(), 2, "{mechanism}");

        // What is refused at Kafka no server can say: 0.5 logs it, 3 tells readers only. Nothing is stored.
        let other = own_topic("other");
        let said = run(&["write", &other]).end().await.said;
        let said = if is_old { said } else { said + &run(&["read", &other, "1"]).end().await.said };
        assert!(said.contains("Topic authorization failed"), "{mechanism}: {said}");
        assert_eq!(packages(&place, &other).await, [], "{mechanism}");
    }
}

/// What the documentation says, of topics `f1-…`.
async fn allow(python: &Python, kafka: &Kafka) {
    Script::start(python, "acls.py", &[&kafka.bootstrap(), "programs", "acme-f1-", "acme-"], &[]).succeed().await;
}

/// Whoever comes by the plain listener, as the server does, may do everything; others what they are allowed.
const AUTHORIZER: [(&str, &str); 2] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:ANONYMOUS"),
];
