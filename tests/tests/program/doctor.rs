//! `streamgate doctor` over a data folder, beside its running server, over a real Kafka, and where nobody is.

use std::net::TcpListener;

use e2e::kafka::{Kafka, Options};
use e2e::program::{Program, printed, process};
use e2e::wait::own_topic;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_opens_or_is_in_use_by_a_server_whose_listener_is_reached() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("topics");
    let data = data.to_str().unwrap();
    let alone = ["--data", data, "--listen", "127.0.0.1:0", "--kafka-listen", "off"];
    let lines = said(&alone, 0).await;
    assert!(has(&lines, "ok    folder", "gets its files at the first start"), "{lines:#?}");
    assert!(!std::path::Path::new(data).exists(), "looking makes nothing");

    let program = Program::serve(&["--data", data, "--kafka-listen", "127.0.0.1:0"]).await;
    printed(&["topic", "create", "f1", "--url", &program.url], "").await;
    let (address, management, kafka) = (program.address().to_owned(), program.management(), program.kafka());
    let beside = [
        "--data",
        data,
        "--listen",
        &address,
        "--admin-listen",
        management.trim_start_matches("http://"),
        "--kafka-listen",
        &kafka,
    ];
    let lines = said(&beside, 0).await;
    assert!(has(&lines, "ok    server", "it runs and is ready"), "{lines:#?}");
    assert!(has(&lines, "ok    folder", "is in use by a running server"), "{lines:#?}");
    assert!(has(&lines, "ok    kafka", &format!("answers at {kafka}: 1 broker")), "{lines:#?}");
    assert!(has(&lines, "ok    kafka", &format!("is reached at {kafka}, which it tells its clients")), "{lines:#?}");

    let other =
        Program::serve(&["--data", home.path().join("other").to_str().unwrap(), "--kafka-listen", "127.0.0.1:0"]).await;
    let not_its_own: Vec<_> =
        beside.iter().map(|flag| if *flag == kafka { other.kafka() } else { (*flag).to_owned() }).collect();
    let lines = said(&not_its_own.iter().map(String::as_str).collect::<Vec<_>>(), 0).await;
    let expected = format!("what listens at {} is another Kafka", other.kafka());
    assert!(has(&lines, "warn  kafka", &expected), "{lines:#?}");

    program.kill().await;
    let before = files(data);
    let lines = said(&alone, 0).await;
    assert!(has(&lines, "ok    folder", "has a log"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("  kafka  ")), "nobody listens: {lines:#?}");
    assert_eq!(files(data), before, "looking changes nothing");

    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = foreign.local_addr().unwrap().to_string();
    let lines = said(&["--data", data, "--listen", "127.0.0.1:0", "--kafka-listen", &taken], 1).await;
    assert!(has(&lines, "fail  server", &format!("{taken} (kafka_listen) is taken by another program")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_sends_its_clients_where_nobody_is_fails() {
    let nowhere = nobody();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let advertised = ["--data", data, "--kafka-advertised", &nowhere];
    let program = Program::serve(&[&advertised[..], &["--kafka-listen", "127.0.0.1:0"]].concat()).await;
    let kafka = program.kafka();
    let flags = ["--listen", "127.0.0.1:0", "--kafka-listen", &kafka];
    let lines = said(&[&flags[..], &advertised].concat(), 1).await;
    let expected = format!("tells its clients to come to {nowhere}, which cannot be reached from here");
    assert!(has(&lines, "fail  kafka", &expected), "{lines:#?}");
    assert!(has(&lines, "fail  kafka", "--kafka-advertised"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_kafka_is_told_with_its_settings_its_topics_and_clocks() {
    let own = Kafka::start().await; // others' topics come and go
    let kafka = own.bootstrap();
    let topic = own_topic("doctor");
    let settings = format!("[[webhooks]]\npath = '/webhooks/x'\ntopic = '{topic}'\npreset = 'none'\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), settings).unwrap();
    let flags = ["--config", file.path().to_str().unwrap(), "--kafka", &kafka, "--listen", "127.0.0.1:0"];
    let lines = said(&flags, 1).await;
    let missing = format!("'{topic}', which the settings use, does not exist");
    assert!(has(&lines, "fail  topics", &missing), "{lines:#?}");
    assert!(has(&lines, "ok    kafka", &format!("broker 1 is reached at {kafka}")), "{lines:#?}");
    for (start, part) in [
        ("warn  kafka", "one broker: what is acknowledged outlives its process, not its machine"),
        ("ok    kafka", "unclean.leader.election.enable=false"),
        ("ok    kafka", "auto.create.topics.enable=false"),
        ("warn  kafka", "message.max.bytes=1048588"),
        ("ok    kafka", "records are kept 7d (log.retention.hours)"),
        ("ok    kafka", "acks=all"),
    ] {
        assert!(has(&lines, start, part), "{start} {part}: {lines:#?}");
    }

    printed(&["topic", "create", &topic, "--url", &Program::serve(&["--kafka", &kafka]).await.url], "").await;
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &kafka).create().unwrap();
    let hour_ahead = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64 + 3_600_000;
    let record = FutureRecord::<str, str>::to(&topic).payload("x").timestamp(hour_ahead);
    producer.send(record, Timeout::Never).await.unwrap();
    let lines = said(&flags, 0).await;
    assert!(has(&lines, "ok    topics", "those of webhooks, sources and destinations are there"), "{lines:#?}");
    assert!(has(&lines, "warn  clock", &topic), "{lines:#?}");

    std::fs::write(file.path(), "workspace = 'acme'\nworkspace_prefix = true").unwrap();
    let lines = said(&flags, 0).await;
    assert!(has(&lines, "ok    topics", "0 with 0 partitions"), "it is none of a server with a prefix: {lines:#?}");
    assert!(has(&lines, "ok    clock", ""), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_break_promises_fail() {
    let properties = [("unclean.leader.election.enable", "true"), ("min.insync.replicas", "2")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let kafka = Kafka::start_with(Options { properties, ..Options::default() }).await;
    let lines = said(&["--kafka", &kafka.bootstrap(), "--listen", "127.0.0.1:0"], 1).await;
    assert!(has(&lines, "fail  kafka", "unclean.leader.election.enable=true"), "{lines:#?}");
    assert!(has(&lines, "fail  kafka", "no write to a new topic can be acknowledged"), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_the_reason_and_the_remedy_are_said() {
    let nowhere = nobody();
    let lines = said(&["--kafka", &nowhere, "--listen", "127.0.0.1:0"], 1).await;
    assert!(has(&lines, "fail  kafka", &format!("no Kafka answers at {nowhere}")), "{lines:#?}");
    assert!(has(&lines, "fail  kafka", "refused"), "{lines:#?}");
    assert!(has(&lines, "fail  kafka", "start it, or name another with --kafka"), "{lines:#?}");

    let lines = said(&["--json", "--kafka", &nowhere, "--listen", "127.0.0.1:0"], 1).await;
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<_> = lines.iter().filter(|line| line["verdict"] == "fail").collect();
    assert_eq!((failed.len(), failed[0]["subject"].as_str()), (1, Some("kafka")), "{lines:#?}");
    assert!(failed[0]["remedy"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_for_quix_streams_are_taken_by_a_shell() {
    let printed =
        printed(&["doctor", "quix", "--listen", "127.0.0.1:8181", "--kafka-listen", "127.0.0.1:9393"], "").await;
    assert!(printed.contains("Application(broker_address=\"127.0.0.1:9393\")"), "{printed}");
    let mut shell = tokio::process::Command::new("sh");
    let script = format!("export Quix__Broker__Address=x\n{printed}\nenv | grep ^Quix__ | sort");
    let output = shell.arg("-c").arg(script).env_clear().env("PATH", "/usr/bin:/bin").output().await.unwrap();
    let set = String::from_utf8(output.stdout).unwrap();
    assert_eq!(set, "Quix__Portal__Api=http://127.0.0.1:8181\nQuix__Sdk__Token=any\n");
}

/// The lines of the doctor with these flags, and that it ends so.
async fn said(flags: &[&str], code: i32) -> Vec<String> {
    // Nobody's, unless the flags say otherwise: a server that happens to run here is not meant.
    let admin: &[&str] = if flags.contains(&"--admin-listen") { &[] } else { &["--admin-listen", "127.0.0.1:0"] };
    let home = tempfile::tempdir().unwrap();
    let output = process().arg("doctor").args(admin).args(flags).current_dir(&home).output().await.unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{lines}{said}");
    assert_eq!(code == 1, said.ends_with("of these must be mended\n"), "{said}");
    lines.lines().map(str::to_owned).collect()
}

fn has(lines: &[String], start: &str, part: &str) -> bool {
    lines.iter().any(|line| line.starts_with(start) && line.contains(part))
}

/// Port 1 is nobody's on a machine for tests.
fn nobody() -> String {
    "127.0.0.1:1".to_owned()
}

/// Names and bytes.
fn files(folder: &str) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}
