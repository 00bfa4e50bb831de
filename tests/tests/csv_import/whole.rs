//! Files that are imported in one go.

use std::io::Write;

use e2e::program::{Program, failed, printed, run};
use e2e::stage::shared_kafka;
use e2e::wait::own_topic;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{Numbered, beside, packages};

const LAPS: &str = "\u{feff}timestamp;lap;speed;driver;zip\r\n\
    1700000000000;1;7.5;\"Ann\r\nB.\";007\r\n\
    1700000000100;1;;\"says \"\"hi\"\"; twice\";008\r\n\
    never;2;9;Bo;009\r\n\
    1700000000300;2;fast;Bo;010\r\n\
    1700000000400;2\r\n\
    1700000000500.25;2;1e3;é🚀;011";

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_parameters_and_the_others_are_listed_with_their_lines() {
    let program = Program::serve(&[]).await;
    let folder = TempDir::new().unwrap();
    let plain = folder.path().join("laps.csv");
    std::fs::write(&plain, LAPS).unwrap();
    let packed = folder.path().join("laps.csv.gz");
    let mut encoder = GzEncoder::new(std::fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(LAPS.as_bytes()).unwrap();
    encoder.finish().unwrap();

    for (path, topic) in [(&plain, "plain"), (&packed, "packed")] {
        let file = path.to_str().unwrap();
        let import = ["import", "csv", file, "--topic", topic, "--stream", "car-1", "--unit", "ms", "--tag", "lap"];
        let output = run(&[&import[..], &["--url", &program.url]].concat(), "").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said, format!("4 rows acknowledged, 2 rejected → {file}.rejected\n"));
        let rejected = std::fs::read_to_string(beside(path, ".rejected")).unwrap();
        let expected = "line,reason,row\n\
            5,\"column 'timestamp' holds 'never', which is no time in milliseconds\",\"never;2;9;Bo;009\"\n\
            7,\"it has 2 cells instead of 5\",\"1700000000400;2\"\n";
        assert_eq!(rejected, expected);

        let packages = packages(&program.url, topic).await;
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0]["streamId"], "car-1");
        let data: Value = serde_json::from_str(packages[0]["value"].as_str().unwrap()).unwrap();
        let times = [
            1_700_000_000_000_000_000_u64,
            1_700_000_000_100_000_000,
            1_700_000_000_300_000_000,
            1_700_000_000_500_250_000,
        ];
        let expected = json!({
            "Epoch": 0, "Timestamps": times, "NumericValues": {}, "BinaryValues": {},
            "StringValues": {
                "speed": ["7.5", null, "fast", "1e3"],
                "driver": ["Ann\r\nB.", "says \"hi\"; twice", "Bo", "é🚀"],
                "zip": ["007", "008", "010", "011"],
            },
            "TagValues": { "lap": ["1", "1", "2", "2"] },
        });
        assert_eq!(data, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_events_or_plain_json_with_all_their_digits() {
    let program = Program::serve(&[]).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ids.csv");
    std::fs::write(&path, "time,id,kind\n2026-11-27T10:00:00Z,9007199254740993,a\n2026-11-27 10:00:01,2,\n").unwrap();
    let file = path.to_str().unwrap();
    let import = ["import", "csv", file, "--url", &program.url, "--tag", "kind"];
    for kind in ["event", "json", "parameters"] {
        printed(&[&import[..], &["--topic", kind, "--as", kind]].concat(), "").await;
    }
    let values = async |topic: &str| -> Vec<Value> {
        let packages = packages(&program.url, topic).await;
        packages.iter().map(|package| serde_json::from_str(package["value"].as_str().unwrap()).unwrap()).collect()
    };
    let text = |package: &Value| package["value"].as_str().unwrap().to_owned();
    let events = values("event").await;
    assert_eq!(events.len(), 1, "rows of a record are one package");
    let expected = json!([
        { "Timestamp": 1_795_773_600_000_000_000_u64, "Tags": { "kind": "a" }, "Id": "row", "Value": "{\"id\":9007199254740993}" },
        { "Timestamp": 1_795_773_601_000_000_000_u64, "Tags": {}, "Id": "row", "Value": "{\"id\":2}" },
    ]);
    assert_eq!(events[0], expected);
    let rows: Vec<_> = packages(&program.url, "json").await.iter().map(text).collect();
    let expected = [
        r#"{"time":"2026-11-27T10:00:00Z","id":9007199254740993,"kind":"a"}"#,
        r#"{"time":"2026-11-27 10:00:01","id":2,"kind":null}"#,
    ];
    assert_eq!(rows, expected);
    let parameters = values("parameters").await;
    assert_eq!(parameters[0]["StringValues"]["id"], json!(["9007199254740993", "2"]), "no double has these digits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_would_be_and_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("laps.csv");
    std::fs::write(&path, LAPS).unwrap();
    let file = path.to_str().unwrap();
    let shown =
        printed(&["import", "csv", file, "--topic", "t", "--unit", "ms", "--tag", "lap", "--dry-run"], "").await;
    let expected = "5 columns, divided by semicolons, become parameter data\n\
        \x20 timestamp  time, milliseconds\n\
        \x20 lap        tag\n\
        \x20 speed      string\n\
        \x20 driver     string\n\
        \x20 zip        string\n\
        first rows, in stream 'csv' of topic 't':\n";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("4 rows can be written, 2 cannot\n  line 5: column 'timestamp' holds 'never'"), "{shown}");
    let wrong = async |more: &[&str]| failed(&[&["import", "csv", file, "--topic", "t"], more].concat(), "").await;
    assert!(wrong(&[]).await.contains("'timestamp' holds numbers such as 1700000000000; say what they are"));
    assert!(wrong(&["--unit", "ms", "--tag", "lop"]).await.contains("no column 'lop' among 'timestamp', 'lap'"));
    assert!(wrong(&["--unit", "ms", "--resume"]).await.contains("nothing to resume"));
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["laps.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_and_a_kafka_are_written_without_a_server() {
    let file = Numbered::new(2_500);
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    file.import_rest("numbers", &["--data", data.to_str().unwrap()]).await;
    let program = Program::serve(&["--data", data.to_str().unwrap()]).await;
    file.assert_complete(&program.url, "numbers").await;

    let kafka = shared_kafka().await;
    let topic = own_topic("csv");
    let program = Program::serve(&["--kafka", &kafka]).await;
    printed(&["topic", "create", &topic, "--partitions", "3", "--url", &program.url], "").await;
    file.import_rest(&topic, &["--kafka", &kafka]).await;
    file.assert_complete(&program.url, &topic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_to_write_is_enough_and_none_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("streamgate.toml");
    let settings = "[[auth.keys]]\nalgorithm = \"HS256\"\nsecret = \"a secret of thirty-two bytes at least\"\n";
    std::fs::write(&path, settings).unwrap();
    let config = ["--config", path.to_str().unwrap()];
    let program = Program::serve(&config).await;
    let file = Numbered::new(10);
    let refused = failed(&file.import("t", &["--url", &program.url]), "").await;
    assert!(refused.contains("wants a token"), "{refused}");
    let token = async |rights: &[&str]| {
        let printed = printed(&[&["token", "new"], rights, &config].concat(), "").await;
        printed.trim().to_owned()
    };
    let to_read = token(&["--read", "*"]).await;
    let refused = failed(&file.import("t", &["--url", &program.url, "--token", &to_read]), "").await;
    assert!(refused.contains("needs the scope write:t"), "{refused}");
    assert!(!file.beside(".checkpoint").exists(), "nothing was begun");
    let to_write = token(&["--write", "t", "--scope", "create_topics"]).await;
    file.import_rest("t", &["--url", &program.url, "--token", &to_write]).await;
}
