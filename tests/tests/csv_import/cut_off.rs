//! Imports that are cut off, by Ctrl-C, by `kill -9` of the importer or of its server, and go on.

use std::io::Write;
use std::time::{Duration, Instant};

use e2e::program::Program;
use e2e::seed::seed;
use e2e::stage::shared_kafka;
use e2e::wait::{own_topic, until};
use tempfile::TempDir;

use crate::files::{Numbered, many, numbers};

#[tokio::test(flavor = "multi_thread")]
async fn after_ctrl_c_the_rest_is_imported_and_nothing_twice() {
    let program = Program::serve(&[]).await;
    let file = Numbered::new(many());
    let import = file.start("t", &["--url", &program.url, SLOWLY]);
    until("some rows are there", async || !numbers(&program.url, "t").await.is_empty()).await;
    import.interrupt();
    let (code, said) = import.wait().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("error: interrupted (") && said.ends_with("; --resume goes on\n"), "{said}");
    assert!(file.beside(".checkpoint").exists());

    let again = e2e::program::failed(&file.import("t", &["--url", &program.url]), "").await;
    assert!(again.contains("was cut off after") && again.contains("--resume goes on"), "{again}");
    file.import_rest("t", &["--url", &program.url]).await;
    file.assert_complete(&program.url, "t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_loop_the_file_comes_again_and_again_until_ctrl_c() {
    let program = Program::serve(&[]).await;
    let file = Numbered::new(3);
    let import = file.start("t", &["--url", &program.url, "--loop"]);
    until("three times", async || numbers(&program.url, "t").await.len() >= 9).await;
    import.interrupt();
    let (code, said) = import.wait().await;
    assert_eq!(code, Some(1), "{said}");
    let (passes, end) = said.trim_end().rsplit_once('\n').unwrap();
    assert!(
        passes.lines().all(|line| line == "3 rows acknowledged") && end.starts_with("error: interrupted"),
        "{said}"
    );
    let numbers = numbers(&program.url, "t").await;
    assert!(numbers.chunks(3).all(|pass| pass == &[0, 1, 2][..pass.len()]), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_imports_every_row_once() {
    let program = Program::serve(&[]).await;
    killed_at_random(&program, "killed", &["--url", &program.url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_over_kafka_it_imports_every_row_once() {
    let kafka = shared_kafka().await;
    let program = Program::serve(&["--kafka", &kafka]).await;
    let topic = own_topic("csv-killed");
    e2e::program::printed(&["topic", "create", &topic, "--partitions", "2", "--url", &program.url], "").await;
    killed_at_random(&program, &topic, &["--url", &program.url]).await;
}

/// Kills the importer at random points until it comes to its end.
async fn killed_at_random(program: &Program, topic: &str, to: &[&str]) {
    let mut dice = seed();
    let mut roll = move |below: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % below
    };
    let file = Numbered::new(many());
    let begun = Instant::now();
    file_copy(&file, program, to).await;
    let whole = begun.elapsed().as_micros() as u64;
    let mut kills = 0;
    for _ in 0..rounds() {
        let resume: &[&str] = if file.beside(".checkpoint").exists() { &["--resume"] } else { &[] };
        // The first is not done before it is killed.
        let speed: &[&str] = if kills == 0 { &[SLOWLY] } else { &[] };
        let mut import = file.start(topic, &[to, resume, speed].concat());
        until("it has begun", async || file.beside(".checkpoint").exists()).await;
        let moment = if kills == 0 { 0 } else { roll(whole / 2 + 1) };
        let alive = tokio::time::timeout(Duration::from_micros(moment), import.ended()).await.is_err();
        if !alive {
            break;
        }
        import.kill().await;
        kills += 1;
    }
    if numbers(&program.url, topic).await.len() < file.rows as usize || file.beside(".checkpoint").exists() {
        file.import_rest(topic, to).await;
    }
    eprintln!("killed {kills} times");
    file.assert_complete(&program.url, topic).await;
}

/// How long it takes uncut.
async fn file_copy(file: &Numbered, program: &Program, to: &[&str]) {
    let topic = own_topic("csv-uncut");
    e2e::program::printed(&["topic", "create", &topic, "--url", &program.url], "").await;
    file.import_rest(&topic, to).await;
}

/// A row each millisecond: whoever acts when it has begun acts before it ends.
const SLOWLY: &str = "--speed=1x";

fn rounds() -> u32 {
    std::env::var("STREAMGATE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let program = Program::serve(&["--data", data]).await;
    let (url, address) = (program.url.clone(), program.address().to_owned());
    let file = Numbered::new(many());
    let import = file.start("t", &["--url", &url]);
    until("some rows are there", async || !numbers(&url, "t").await.is_empty()).await;
    program.kill().await;
    let again = ["--listen", &address, "--admin-listen", "127.0.0.1:0", "--kafka-listen", "off", "--data", data];
    let program = Program::serve_as_told(&again).await;
    let (code, said) = import.wait().await;
    assert_eq!((code, said), (Some(0), format!("{} rows acknowledged\n", file.rows)));
    file.assert_complete(&program.url, "t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_file_or_topic_is_not_gone_on_with() {
    let program = Program::serve(&[]).await;
    let file = Numbered::new(many());
    let import = file.start("t", &["--url", &program.url, SLOWLY]);
    until("a checkpoint is there", async || file.beside(".checkpoint").exists()).await;
    import.kill().await;
    let refused =
        async |topic: &str| e2e::program::failed(&file.import(topic, &["--url", &program.url, "--resume"]), "").await;
    assert!(refused("other").await.contains("it is of stream 's' of topic 't'"));
    std::fs::write(&file.path, "time,n,speed,note\n").unwrap();
    assert!(refused("t").await.contains("the file has changed since this checkpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_while_it_is_imported_is_no_success() {
    let program = Program::serve(&[]).await;
    let file = Numbered::new(2_000);
    // Two seconds of rows.
    let import = file.start("t", &["--url", &program.url, "--speed", "1x"]);
    until("some rows are there", async || !numbers(&program.url, "t").await.is_empty()).await;
    std::fs::File::options().append(true).open(&file.path).unwrap().write_all(b"\n").unwrap();
    let (code, said) = import.wait().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("changed while it was imported; "), "{said}");
    assert!(file.beside(".checkpoint").exists());
}
