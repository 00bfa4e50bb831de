//! Other people's Kafka clients through Streamgate's Kafka listener. What they expect is what Apache Kafka does: with
//! `STREAMGATE_TEST_KAFKA_CONTROL=1` the same tests run against one.
#![allow(clippy::unwrap_used)]

mod broker;
mod clients;
mod group;
mod process;
mod quix;
mod quix_vectors;

use broker::Broker;
use clients::Client;

/// Each scenario as a test for each client.
macro_rules! scenarios_of {
    ($($module:ident: $client:expr;)*) => {$(
        mod $module {
            use crate::clients::Client;

            #[tokio::test(flavor = "multi_thread")]
            async fn records_keep_all_they_have_in_every_codec() {
                crate::records($client).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_out_of_bounds_is_refused_by_its_name() {
                crate::limits($client).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn transactions_are_refused_at_once() {
                crate::transactions($client).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_group_loses_nothing() {
                crate::group::group($client).await;
            }
        }
    )*};
}

scenarios_of! {
    confluent: Client::Confluent;
    kafka_python: Client::KafkaPython;
    aiokafka: Client::AioKafka;
    java: Client::Java;
}

async fn records(client: Client) {
    let broker = Broker::start().await;
    client.run("records", &broker.bootstrap(), &format!("records-{client:?}"), &[]).await;
}

async fn limits(client: Client) {
    let broker = Broker::start().await;
    client.run("limits", &broker.bootstrap(), &format!("limits-{client:?}"), &["--too-large", TOO_LARGE]).await;
}

async fn transactions(client: Client) {
    let broker = Broker::start().await;
    let expect = ["--expect", broker.transactions()];
    client.run("transactions", &broker.bootstrap(), &format!("transactions-{client:?}"), &expect).await;
}

/// Bytes of a record: more than Kafka's limit of 1 MiB and ours of 4 MiB and a bit.
const TOO_LARGE: &str = "6000000";
