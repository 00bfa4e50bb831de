//! Names made by clients: of topics and streams, odd ones, and more of them than anybody can use.

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::wait::within;
use futures::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::process::{MIB, limit_hits, memory, metrics, settled};
use crate::witness::{Witness, event, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_never_a_path_nor_kafkas_own() {
    let program = Program::serve(&["--memory"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let http = Client::new();
    let long = "n".repeat(250);
    for name in [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "a/b",
        "a\\b",
        "a b",
        "a\0",
        "a\n",
        "\u{1b}[31m",
        "\u{1e}",
        "ä",
        "\u{202e}gpj",
        "*",
        "%2e%2e",
        "a?b",
        "a#b",
        "__consumer_offsets",
        "__transaction_state",
        "local-__consumer_offsets",
        "local-..",
        "local-.",
        "<script>",
        &long,
        &"n".repeat(1 << 20),
    ] {
        for (target, arguments) in [
            ("SendEventData", json!([name, "s", [event(1)]])),
            ("SubscribeToPackages", json!([name])),
            ("SubscribeToEvent", json!([name, "s", "e"])),
        ] {
            // To readers all topics, to writers none.
            if name == "*" && target != "SendEventData" {
                continue;
            }
            let error = within("an answer", client.invoke(target, &arguments)).await.expect_err(name).to_string();
            assert!(
                ["is not a topic name", "does not exist", "are not names"].iter().any(|text| error.contains(text)),
                "{name:.100}: {error}"
            );
            assert!(error.len() < 600, "{name:.100}: {} bytes of error", error.len());
        }
        let encoded: String = name.bytes().take(2000).map(|byte| format!("%{byte:02x}")).collect();
        for (method, path) in [(Method::PUT, ""), (Method::POST, "/packages"), (Method::GET, "/packages")] {
            let url = format!("{}/topics/{encoded}{path}", program.url);
            // Some clients take dots out of paths.
            let status = http.request(method.clone(), &url).body("").send().await.unwrap().status().as_u16();
            assert!([400, 404, 405].contains(&status), "{method} {name:.100}: {status}");
        }
    }
    let topics: Value = http.get(format!("{}/topics", program.url)).send().await.unwrap().json().await.unwrap();
    assert_eq!(topics, json!([]), "none was made");
    client.close().await;
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_have_any_name_and_it_comes_back_unchanged() {
    let program = Program::serve(&["--memory"]).await;
    let hub = format!("{}/hub", program.url);
    let (writer, reader) = (HubClient::connect(&hub).await.unwrap(), HubClient::connect(&hub).await.unwrap());
    reader.invoke("SubscribeToPackages", &("streams",)).await.unwrap();
    let long = "ä".repeat(512);
    let names = [
        "",
        "../../etc/passwd",
        "a\0b",
        "\u{1b}[31m\r\n",
        "\u{1e}{\"type\":7}\u{1e}",
        "\u{2028}</script>",
        "*",
        "\u{fffd}",
        "\u{1f680}",
        "__proto__",
        &long,
    ];
    for (number, name) in names.iter().enumerate() {
        writer.invoke("SendEventData", &("streams", name, [event(number)])).await.unwrap();
        let call = within("the package", reader.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!((package["streamId"].as_str(), value(&package)), (Some(*name), number.to_string()));
    }
    for refused in ["___KA___", &"ä".repeat(513)] {
        writer.invoke("SendEventData", &("streams", refused, [event(0)])).await.expect_err(refused);
    }
    let lone: Box<serde_json::value::RawValue> = serde_json::from_str(r#"["streams","\ud800",[]]"#).unwrap();
    writer.invoke("SendEventData", &lone).await.expect_err("no text");
    // None of it is a label.
    let text = metrics(&program.management()).await;
    assert!(!text.contains("passwd") && !text.contains("__proto__"));
    writer.close().await;
    reader.close().await;
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_unknown_topics_leave_nothing() {
    let program = Program::serve_with_settings("create_topics = false\n", &["--memory"]).await;
    let management = program.management();
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    // What the allocator keeps and the metrics that exist once something happened.
    ask_for_topics(&client, "warm", 1000).await;
    let (before, series) = (memory(&program), metrics(&management).await.lines().count());
    let refused = ask_for_topics(&client, "unknown", 10_000).await;
    assert_eq!(refused, 20_000);
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 8 * MIB, "{} KiB more", grown / 1024);
    assert_eq!(metrics(&management).await.lines().count(), series, "no series for what is not there");
    client.close().await;
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_made_by_use_end_at_their_limit_however_they_are_asked_for() {
    let program = Program::serve(&["--memory", "--create-topics"]).await;
    let witness = Witness::start(&program.url).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let refused = ask_for_topics(&client, "made", 1200).await;
    let http = Client::new();
    let put = |number: usize| {
        let request = http.put(format!("{}/topics/put-{number}", program.url)).body(r#"{"partitions":10000}"#);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    for number in 0..50 {
        assert_eq!(put(number).await, 403, "{number}");
    }
    let topics: Vec<Value> = http.get(format!("{}/topics", program.url)).send().await.unwrap().json().await.unwrap();
    assert_eq!(topics.len(), 1000);
    assert_eq!(refused, 2 * (1200 - 999), "one is the witness's");
    assert_eq!(limit_hits(&program.management(), "create_topics").await, (refused + 50) as f64);
    println!("1 000 topics: {} MiB", memory(&program) / MIB);
    witness.finish().await;
    client.close().await;
    settled(&program, 0).await;
}

/// Writes to and subscribes topics of so many names; how many calls were refused.
async fn ask_for_topics(client: &HubClient, prefix: &str, topics: usize) -> usize {
    let mut refused = 0;
    let names: Vec<usize> = (0..topics).collect();
    for some in names.chunks(500) {
        let calls = some.iter().flat_map(|number| {
            let topic = format!("{prefix}-{number}");
            [
                client.start("SendEventData", &(&topic, "s", [event(*number)])).unwrap(),
                client.start("SubscribeToPackages", &(&topic,)).unwrap(),
            ]
        });
        let answers = within("all answers", join_all(calls)).await;
        refused += answers.iter().filter(|answer| answer.is_err()).count();
    }
    refused
}
