//! What can be seen at `/metrics`: every family of this version, in a text that Prometheus takes.

use std::collections::HashMap;

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::wait::{until, within};
use serde_json::json;

use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted() {
    let program = Program::serve(&["--memory"]).await;
    let management = program.management();
    let hub = format!("{}/hub", program.url);
    let (reader, writer) = (HubClient::connect(&hub).await.unwrap(), HubClient::connect(&hub).await.unwrap());
    reader.invoke("SubscribeToPackages", &("m",)).await.unwrap();
    let event = json!([{ "timestamp": 1, "id": "E", "value": "v" }]);
    for _ in 0..3 {
        writer.invoke("SendEventData", &("m", "s", &event)).await.unwrap();
        within("the package", reader.next_call_of("PackageReceived")).await.unwrap();
    }
    writer.invoke("SendEventData", &("m", "s".repeat(2000), &event)).await.unwrap_err();
    let has = async |sample: &str, least: f64| {
        until(&format!("{sample} ≥ {least}"), async || metric(&management, sample).await >= least).await;
    };
    let version = env!("CARGO_PKG_VERSION");
    has(&format!("streamgate_build_info{{version=\"{version}\"}}"), 1.0).await;
    has("streamgate_connections", 2.0).await;
    has("streamgate_connections_opened_total", 2.0).await;
    has("streamgate_invocations_total{method=\"SendEventData\",outcome=\"ok\"}", 3.0).await;
    has("streamgate_invocations_total{method=\"SendEventData\",outcome=\"error\"}", 1.0).await;
    has("streamgate_call_seconds_count{method=\"SendEventData\"}", 3.0).await;
    has("streamgate_appends_acknowledged_total", 3.0).await;
    has("streamgate_acknowledgement_seconds_count", 3.0).await;
    has("streamgate_packages_total{topic=\"m\"}", 3.0).await;
    has("streamgate_deliveries_total{topic=\"m\"}", 3.0).await;
    has("streamgate_delivered_bytes_total{topic=\"m\"}", 300.0).await;
    has("streamgate_delivery_seconds_count", 1.0).await;
    has("streamgate_subscriptions{topic=\"m\"}", 1.0).await;
    has("streamgate_limit_hits_total{limit=\"names\"}", 1.0).await;
    has("streamgate_writes_refused_total{cause=\"name_too_long\"}", 1.0).await;
    reader.close().await;
    drop(writer);
    has("streamgate_connections_closed_total{reason=\"client\"}", 2.0).await;
    for sample in ["streamgate_connections", "streamgate_subscriptions{topic=\"m\"}", "streamgate_output_queued_bytes"]
    {
        until(&format!("{sample} is back at 0"), async || metric(&management, sample).await == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_its_size_its_syncs_and_what_waits() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let management = program.management();
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let event = json!([{ "timestamp": 1, "id": "E", "value": "x".repeat(10_000) }]);
    for _ in 0..3 {
        client.invoke("SendEventData", &("m", "s", &event)).await.unwrap();
    }
    for (sample, least) in [
        ("streamgate_log_bytes", 30_000.0),
        ("streamgate_log_sync_seconds_count", 3.0),
        ("streamgate_log_group_appends_count", 3.0),
        ("streamgate_log_last_sync_timestamp_seconds", 1.7e9),
        ("streamgate_appends_acknowledged_total", 3.0),
    ] {
        assert!(metric(&management, sample).await >= least, "{sample}");
    }
    for sample in ["streamgate_write_backlog_messages", "streamgate_write_backlog_age_seconds"] {
        until(&format!("{sample} is 0"), async || metric(&management, sample).await == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_can_read_it() {
    for arguments in [["--memory"].as_slice(), &["--kafka-listen", "127.0.0.1:0"]] {
        can_be_read(Program::serve(arguments).await).await;
    }
}

async fn can_be_read(program: Program) {
    let response = reqwest::get(format!("{}/metrics", program.management())).await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.text().await.unwrap();
    assert!(text.ends_with("# EOF\n"));
    let mut kinds = HashMap::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (family, kind) = declared.split_once(' ').unwrap();
            assert_eq!(kinds.insert(family, kind), None, "{family} is declared once");
        } else if !line.starts_with('#') {
            samples.push(line);
        }
    }
    for sample in samples {
        let (name_and_labels, value) = sample.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{sample}");
        let (name, labels) = name_and_labels.split_once('{').unwrap_or((name_and_labels, "}"));
        assert!(labels.ends_with('}'), "{sample}");
        assert!(name.starts_with("streamgate_"), "{sample}");
        let suffixes = ["_total", "_bucket", "_count", "_sum", "_info", ""];
        let family = suffixes.iter().find_map(|suffix| kinds.get_key_value(name.strip_suffix(suffix)?));
        let (family, kind) = family.unwrap_or_else(|| panic!("{name} is not declared"));
        let suffix = name.strip_prefix(family).unwrap();
        let fits = match *kind {
            "counter" => suffix == "_total",
            "gauge" => suffix.is_empty(),
            "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix),
            "info" => suffix == "_info",
            other => panic!("{other}"),
        };
        assert!(fits, "{sample} of a {kind}");
    }
    // What stays empty until it happens is declared all the same.
    for (family, kind) in [
        ("streamgate_appends_acknowledged", "counter"),
        ("streamgate_write_backlog_bytes", "gauge"),
        ("streamgate_write_backlog_messages", "gauge"),
        ("streamgate_acknowledgement_seconds", "histogram"),
        ("streamgate_delivery_seconds", "histogram"),
        ("streamgate_call_seconds", "histogram"),
        ("streamgate_output_queued_bytes", "gauge"),
        ("streamgate_panics", "counter"),
        ("streamgate_kafka_unsafe_topics", "gauge"),
        ("streamgate_log_bytes", "gauge"),
        ("streamgate_log_sync_seconds", "histogram"),
    ] {
        assert_eq!(kinds.get(family), Some(&kind), "{family}");
    }
    assert!(!text.contains("gateway_limit_hits") && !text.contains("broker_limit_hits"), "one family for all limits");
}
