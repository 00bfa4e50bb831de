//! Measurements by Telegraf's output for Quix, which is told a portal and a token, and no broker.

use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::client::{ConnectOptions, HubClient};
use e2e::program::{Program, printed};
use e2e::secured::SecuredKafka;
use e2e::wait::within;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::engine::Engine;

/// The first is of a folder, whose listener asks nobody who they are.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn measurements_reach_pages_by_the_portal_also_those_written_while_the_engine_is_away() {
    let secured = SecuredKafka::start(&[]).await;
    let kafka = secured.kafka.bootstrap();
    let page_settings = settings_of_page().await;
    for (portal, arguments) in
        [(String::new(), ["--kafka-listen", "127.0.0.1:0"]), (secured.portal("SCRAM-SHA-256"), ["--kafka", &kafka])]
    {
        let folder = TempDir::new().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "a secret of this story, long enough").unwrap();
        let settings = format!("auth.secret_file = {secret:?}\n{page_settings}{portal}");
        let program = Program::serve_with_settings(&settings, &arguments).await;
        reach_pages(&program, &secret).await;
    }
}

async fn reach_pages(program: &Program, secret: &Path) {
    let writer = token(secret, &["--write", TOPIC, "--scope", "kafka create_topics"]).await;
    let reader = token(secret, &["--read", TOPIC]).await;
    printed(&["topic", "create", TOPIC, "--url", &program.url, "--token", &writer], "").await;
    let options = ConnectOptions { access_token: Some(reader.clone()), ..ConnectOptions::default() };
    let page = HubClient::connect_with(&format!("{}/hub", program.url), &options).await.unwrap();
    page.invoke("SubscribeToParameter", &(TOPIC, "telegraf", "fields.temperature")).await.unwrap();

    let (source, start) = (secret.with_file_name("weather.txt"), now());
    let source = source.to_str().unwrap();
    write(source, start, 0..100);
    let place = [("Quix__Portal__Api", program.url.as_str()), ("Quix__Sdk__Token", &writer), ("files", source)];
    let mut engine = Engine::start("quix-output", program, &place).await;
    sees(&page, start, 0..100).await;
    engine.stop().await;
    write(source, start, 100..200);
    engine.start_again().await;
    sees(&page, start, 100..200).await;

    let tail = ["tail", TOPIC, "--from", "earliest", "--until-end", "--json", "--url", &program.url];
    let packages = printed(&[&tail[..], &["--token", &reader]].concat(), "").await;
    assert_eq!(packages.lines().count(), 200);
    let first: Value = serde_json::from_str(packages.lines().next().unwrap()).unwrap();
    let value: Value = serde_json::from_str(first["value"].as_str().unwrap()).unwrap();
    let fields = json!({ "temperature": 0.5, "wind": 3 });
    let tags = json!({ "path": source, "station": "roof" });
    assert_eq!(value, json!({ "fields": fields, "name": "weather", "tags": tags, "timestamp": start }));
}

/// What the page of the recipe has of Streamgate's settings.
async fn settings_of_page() -> String {
    let page = printed(&["recipes", "show", "quix-output", "--file", "README.md"], "").await;
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

async fn token(secret: &Path, rights: &[&str]) -> String {
    let made = printed(&[&["token", "new", "--key", secret.to_str().unwrap()], rights].concat(), "").await;
    made.trim().to_owned()
}

async fn sees(page: &HubClient, start: u64, numbers: Range<u32>) {
    for number in numbers {
        let call = within("the measurement", page.next_call_of("ParameterDataReceived")).await.unwrap();
        let (data,): (Value,) = call.bind().unwrap();
        assert_eq!(data["timestamps"], json!([start + u64::from(number)]), "{number}");
        assert_eq!(data["numericValues"], json!({ "fields.temperature": [f64::from(number) + 0.5] }));
        assert_eq!(data["tagValues"], json!({ "name": ["weather"], "tags.station": ["roof"] }));
    }
}

fn write(path: &str, start: u64, numbers: Range<u32>) {
    let line = |number| format!("weather,station=roof temperature={number}.5,wind=3 {}\n", start + u64::from(number));
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(numbers.map(line).collect::<String>().as_bytes()).unwrap();
}

/// In nanoseconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}

const TOPIC: &str = "measurements";
