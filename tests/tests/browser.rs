//! The demo pages in headless Chromium: the mouse really moves, and pixels really turn red on the other page.

use e2e::node;
use e2e::stage::Stage;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn drawing_on_one_page_shows_on_the_other_over_memory() {
    let server = Stage::Memory.server().await;
    node::run("browser.mjs", &server.url(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drawing_on_one_page_shows_on_the_other_over_kafka() {
    let server = Stage::Kafka.server().await;
    node::run("browser.mjs", &server.url(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_source_cut_off_again_and_again_sees_each_event_once() {
    let server = Stage::Memory.server().await;
    node::run("tails.mjs", &server.url(), &["--topic", "tail"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_dropped_on_the_import_page_is_in_the_topic_and_a_cancel_stops_it() {
    let server = Stage::Memory.server().await;
    let folder = tempfile::TempDir::new().unwrap();
    let (file, big) = (folder.path().join("laps.csv"), folder.path().join("rows.csv"));
    let laps = "timestamp;lap;speed;note\n1700000000000;1;7.5;\"a\nb\"\n1700000000100;1;8;é\nnever;2;9;c\n1700000000300;2;10\n";
    std::fs::write(&file, laps).unwrap();
    let line = |number: u64| format!("{},{number},{}\n", 1_700_000_000_000 + number, "x".repeat(90));
    let text: String = std::iter::once("time,n,note\n".to_owned()).chain((0..200_000).map(line)).collect();
    std::fs::write(&big, text).unwrap();
    let arguments = ["--topic", "laps", "--file", file.to_str().unwrap(), "--big", big.to_str().unwrap()];
    let told = node::run("import.mjs", &server.url(), &arguments).await;
    assert_eq!((&told["imported"]["rows"], &told["imported"]["bar"]), (&json!("2"), &json!(1)));
    let expected = json!([
        ["5", "column 'timestamp' holds 'never', which is no time in milliseconds"],
        ["6", "it has 3 cells instead of 4"],
    ]);
    assert_eq!(told["imported"]["rejects"], expected);

    let values = async |topic: &str| -> Vec<Value> {
        let address = format!("{}/topics/{topic}/packages?from=earliest&until_end=true", server.url());
        let text = reqwest::get(address).await.unwrap().text().await.unwrap();
        let package = |line: &str| serde_json::from_str::<Value>(line).unwrap()["value"].as_str().unwrap().to_owned();
        text.lines().map(|line| serde_json::from_str(&package(line)).unwrap()).collect()
    };
    let laps = values("laps").await;
    assert_eq!(laps.len(), 1);
    assert_eq!(laps[0]["StringValues"]["note"], json!(["a\nb", "é"]));
    assert_eq!(laps[0]["TagValues"]["lap"], json!(["1", "1"]));
    let big: usize = values("laps-big").await.iter().map(|data| data["Timestamps"].as_array().unwrap().len()).sum();
    let shown = told["cancelled"].as_u64().unwrap() as usize;
    assert!((shown..200_000).contains(&big), "{big} rows, {shown} of them acknowledged before the cancel");
}
