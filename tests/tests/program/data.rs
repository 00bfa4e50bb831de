//! Data folders: what is kept over kills and restarts, who may use a folder, and what is damaged in it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use e2e::client::HubClient;
use e2e::program::{Program, failed, printed, run};
use e2e::wait::within;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{packages, status, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_shows_everything_acknowledged_when_it_is_started_again() {
    let folder = TempDir::new().unwrap();
    let data = text(folder.path());
    let program = Program::serve(&["--data", data]).await;
    printed(&["topic", "create", "many", "--partitions", "3", "--url", &program.url], "").await;
    let page = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    for number in 0..200 {
        let event = json!([{ "timestamp": number, "id": "E", "value": number.to_string() }]);
        within("the send", page.invoke("SendEventData", &("t", "s", &event))).await.unwrap();
    }
    program.kill().await;

    let program = Program::serve(&["--data", data]).await;
    let expected: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(packages(&program.url, "t").await.iter().map(value).collect::<Vec<_>>(), expected);
    let listed = printed(&["topic", "list", "--url", &program.url], "").await;
    assert!(listed.contains("many           3  local-many"), "{listed}");
    printed(&["produce", "t", "--url", &program.url], "more\n").await;
    let last = packages(&program.url, "t").await.pop().unwrap();
    assert_eq!((value(&last).as_str(), &last["offset"]), ("more", &json!(200)));
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_banner_says_what_is_kept_where_and_for_how_long() {
    let folder = TempDir::new().unwrap();
    let settings = "[log]\nretention_age = \"36h\"\nretention_bytes = \"2GiB\"\n";
    let program = Program::serve_with_settings(settings, &["--data", text(folder.path())]).await;
    for expected in [text(folder.path()), "kept for 36h or 2GiB of all"] {
        assert!(program.banner.contains(expected), "{expected} is not in {}", program.banner);
    }
    assert!(!program.banner.contains("\n    kafka "), "not wanted: {}", program.banner);
    assert_eq!(status(&format!("{}/health/ready", program.url)).await, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_user_at_a_time_who_is_named_to_others() {
    let folder = TempDir::new().unwrap();
    let data = text(folder.path());
    let program = Program::serve(&["--data", data]).await;
    let holder = format!("{data} is in use by another process (pid {})", program.pid());
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--kafka-listen", "off"];
    let second = failed(&[&["serve", "--data", data][..], &ports].concat(), "").await;
    assert!(second.starts_with(&holder) && second.contains("name another folder with --data"), "{second}");
    for words in [&["topic", "list"][..], &["topic", "create", "t"], &["tail", "t"], &["produce", "t"]] {
        let said = failed(&[words, &["--data", data]].concat(), "line\n").await;
        assert!(said.starts_with(&holder) && said.contains("talk to its server with --url"), "{said}");
    }
    for words in [&["log", "check"][..], &["log", "repair", "--yes"]] {
        let said = failed(&[words, &["--data", data]].concat(), "").await;
        assert!(said.starts_with(&holder) && said.contains("stop its server first"), "{said}");
    }
    assert_eq!(status(&format!("{}/health/ready", program.url)).await, Some(200), "and it is not disturbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_on_a_folder_that_no_server_has() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("new");
    let data = text(&folder);
    let missing = failed(&["tail", "t", "--until-end", "--data", data], "").await;
    assert_eq!(missing, format!("there is no data folder {data}"));
    assert!(!folder.exists(), "looking makes nothing");
    printed(&["topic", "create", "f1", "--partitions", "2", "--data", data], "").await;
    printed(&["produce", "t", "--data", data], "one\ntwo\n").await;
    printed(&["produce", "t", "--data", data], "three\n").await;
    let listed: Value = serde_json::from_str(&printed(&["topic", "list", "--json", "--data", data], "").await).unwrap();
    assert_eq!(listed[0], json!({ "name": "f1", "id": "local-f1", "partitions": 2 }));
    let lines = printed(&["tail", "t", "--until-end", "--json", "--data", data], "").await;
    let values: Vec<_> = lines.lines().map(|line| value(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(values, ["one", "two", "three"]);
    let unknown = failed(&["tail", "f2", "--until-end", "--data", data], "").await;
    assert!(unknown.starts_with(&format!("topic 'f2' does not exist at {data}; did you mean 'f1'?")), "{unknown}");

    let program = Program::serve(&["--data", data]).await;
    assert_eq!(packages(&program.url, "t").await.len(), 3, "a server finds it all");
    let both = run(&["topic", "list", "--data", data, "--url", &program.url], "").await;
    assert_eq!(both.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_something_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--kafka-listen", "off"];
    let said = failed(&[&["serve", "--data", text(folder.path())][..], &ports].concat(), "").await;
    assert!(said.contains(text(folder.path())), "{said}");
    assert!(said.contains("'thesis.txt'") && said.contains("use an empty folder"), "{said}");
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let made: Vec<_> = names.filter(|name| name != "thesis.txt" && name != "lock").collect();
    assert!(made.is_empty(), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_folder_is_checked_and_found_good() {
    let folder = TempDir::new().unwrap();
    let data = text(folder.path());
    printed(&["produce", "t", "--data", data], "one\ntwo\n").await;
    let said = printed(&["log", "check", "--data", data], "").await;
    assert!(said.contains(" 2 records, 1 topic\n") && said.ends_with("nothing is damaged\n"), "{said}");
    let report: Value = serde_json::from_str(&printed(&["log", "check", "--json", "--data", data], "").await).unwrap();
    assert_eq!((&report["folder"], &report["findings"]), (&json!(data), &json!([])));
    assert!(report["segments"].as_u64() >= Some(1) && report["batches"].as_u64() >= Some(1), "{report}");
    let said = printed(&["log", "repair", "--data", data], "").await;
    assert!(said.ends_with("nothing is damaged\n"), "nothing to ask about: {said}");
    let missing = failed(&["log", "check", "--data", "/nowhere"], "").await;
    assert_eq!(missing, "there is no data folder /nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_folder_is_refused_told_of_and_repaired() {
    let folder = TempDir::new().unwrap();
    let data = text(folder.path());
    for line in ["before", "damaged", "behind"] {
        printed(&["produce", "t", "--data", data], &format!("{line}\n")).await;
    }
    let file = flip(folder.path(), b"damaged");
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--kafka-listen", "off"];
    let refused = failed(&[&["serve", "--data", data][..], &ports].concat(), "").await;
    assert!(refused.contains(&file) && refused.contains(" is damaged at byte "), "{refused}");
    assert!(refused.contains(&format!("`streamgate log check --data {data}`")), "{refused}");
    let refused = failed(&["tail", "t", "--until-end", "--data", data], "").await;
    assert!(refused.contains("`streamgate log repair`"), "{refused}");

    let checked = run(&["log", "check", "--data", data], "").await;
    let (said, error) = (String::from_utf8(checked.stdout).unwrap(), String::from_utf8(checked.stderr).unwrap());
    assert_eq!(checked.status.code(), Some(1));
    assert!(said.contains(&file), "{said}");
    assert!(error.starts_with("error: 1 place is damaged; `streamgate log repair"), "{error}");
    let checked = run(&["log", "check", "--json", "--data", data], "").await;
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((checked.status.code(), report["findings"].as_array().map(Vec::len)), (Some(1), Some(1)), "{report}");

    let before = contents(folder.path());
    let unasked = run(&["log", "repair", "--data", data], "y\n").await;
    assert_eq!(unasked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("needs --yes"), "{unasked:?}");
    assert!(contents(folder.path()) == before, "nothing was changed");

    let said = printed(&["log", "repair", "--yes", "--data", data], "").await;
    assert!(
        said.contains(&format!("kept as: damaged-{file}")) && said.contains("gone: t, partition 0: offsets 1 to 1"),
        "{said}"
    );
    assert!(said.ends_with("the folder can be used again\n"), "{said}");
    printed(&["log", "check", "--data", data], "").await;
    let program = Program::serve(&["--data", data]).await;
    let values: Vec<_> = packages(&program.url, "t").await.iter().map(value).collect();
    assert!(values.contains(&"before".to_owned()) && !values.contains(&"damaged".to_owned()), "{values:?}");
    printed(&["produce", "t", "--url", &program.url], "after\n").await;
    assert_eq!(packages(&program.url, "t").await.last().map(value), Some("after".to_owned()));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a text")
}

/// Changes a bit where this text stands, and gives the name of the file.
fn flip(folder: &Path, text: &[u8]) -> String {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
            return path.file_name().unwrap().to_str().unwrap().to_owned();
        }
    }
    panic!("it is in no file");
}

/// All files but the lock, which says who was there last.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| !path.ends_with("lock"));
    let mut contents: Vec<_> =
        files.map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default())).collect();
    contents.sort();
    contents
}
