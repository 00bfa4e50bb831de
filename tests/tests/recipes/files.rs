//! From a file through a topic into another.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use e2e::wait::until;
use tempfile::TempDir;

use crate::engine::Engine;
use crate::topic::{held, program};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn lines_arrive_once_and_in_order_also_those_written_while_the_engines_are_away() {
    let (program, folder) = (program().await, TempDir::new().unwrap());
    let (source, target) = (folder.path().join("in.log"), folder.path().join("out.jsonl"));
    let (source, target) = (source.to_str().unwrap(), target.to_str().unwrap());
    write(source, 0..100);
    let mut reader = Engine::start("files-source", &program, &[("files", source)]).await;
    let mut writer = Engine::start("files-sink", &program, &[("file", target)]).await;
    until("what was there", async || fs::read_to_string(target).is_ok_and(|text| text == lines(0..100))).await;
    write(source, 100..200);
    until("what came", async || fs::read_to_string(target).unwrap() == lines(0..200)).await;

    reader.stop().await;
    writer.stop().await;
    assert!(reader.folder().join("files-source.state").exists());
    write(source, 200..300);
    reader.start_again().await;
    writer.start_again().await;
    until("the rest", async || fs::read_to_string(target).unwrap().lines().count() >= 300).await;
    assert_eq!(fs::read_to_string(target).unwrap(), lines(0..300));
    let held = held(&program, "file-lines").await;
    assert!(held.len() == 300 && held.iter().all(|(stream, _)| stream == source), "{held:?}");
}

fn write(path: impl AsRef<Path>, numbers: std::ops::Range<u32>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(lines(numbers).as_bytes()).unwrap();
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{{\"line\": {number}, \"text\": \"ä\"}}\n")).collect()
}
