//! The commands against a running server: topics, writing lines, reading them again.

use std::net::TcpListener;

use e2e::program::{Command, Program, failed, printed, run};
use serde_json::{Value, json};

use crate::support::{packages, value};

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_and_listed() {
    let program = Program::serve(&["--memory", "--create-topics=false"]).await;
    let url = ["--url", &program.url];
    let command = |words: &[&'static str]| [words, &url[..]].concat();
    assert_eq!(printed(&command(&["topic", "list", "--json"]), "").await, "[]\n");
    let made = "topic 'f1' is there: 3 partitions, id 'local-f1'\n";
    assert_eq!(printed(&command(&["topic", "create", "f1", "--partitions", "3"]), "").await, made);
    assert_eq!(printed(&command(&["topic", "create", "f1"]), "").await, made, "again is no error");
    printed(&command(&["topic", "create", "one"]), "").await;
    let listed: Value = serde_json::from_str(&printed(&command(&["topic", "list", "--json"]), "").await).unwrap();
    let expected = json!([
        { "name": "f1", "id": "local-f1", "partitions": 3 },
        { "name": "one", "id": "local-one", "partitions": 1 },
    ]);
    assert_eq!(listed, expected);
    let table = printed(&command(&["topic", "list"]), "").await;
    assert_eq!(table, "NAME  PARTITIONS  ID\nf1             3  local-f1\none            1  local-one\n");

    let other = failed(&command(&["topic", "create", "f1", "--partitions", "4"]), "").await;
    assert_eq!(other, "the server refused: Topic 'f1' exists already, with 3 partitions");
    for (words, typed) in
        [(vec!["tail", "f2"], "f2"), (vec!["tail", "f2", "--until-end"], "f2"), (vec!["produce", "f2"], "f2")]
    {
        let unknown = failed(&command(&words), "line\n").await;
        assert!(unknown.contains(&format!("topic '{typed}' does not exist")), "{unknown}");
        assert!(
            unknown.contains("did you mean 'f1'?") && unknown.contains("`streamgate topic create f2`"),
            "{unknown}"
        );
    }
    assert_eq!(run(&command(&["topic", "create", "no topic"]), "").await.status.code(), Some(2));
    assert!(failed(&command(&["topic", "create", "__mine"]), "").await.contains("__mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_by_writing_and_by_following_but_not_by_looking() {
    let program = Program::serve(&["--memory"]).await;
    let names = async || {
        let listed = printed(&["topic", "list", "--json", "--url", &program.url], "").await;
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        listed.iter().map(|topic| topic["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let unknown = failed(&["tail", "seen", "--until-end", "--url", &program.url], "").await;
    assert!(unknown.starts_with("topic 'seen' does not exist"), "{unknown}");
    assert!(names().await.is_empty());
    printed(&["produce", "written", "--url", &program.url], "line\n").await;
    let tail = Command::start(&["tail", "followed", "--url", &program.url]);
    e2e::wait::until("both are made", async || names().await == ["followed", "written"]).await;
    drop(tail);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_comes_out_unchanged() {
    let program = Program::serve(&["--memory"]).await;
    let lines = [
        "plain",
        "",
        "  spaces around  ",
        "Grüße, 東京 🚀 \u{1F469}\u{200D}\u{1F4BB}",
        "tab\tbell\u{7}escape\u{1b}[31m nul\u{0} del\u{7f} c1\u{9b} bom\u{feff} sep\u{2028}",
        "\"quoted\" \\back\\ <b>&amp;</b>",
        "{\"not\":\"an event\"}",
        "[1,2",
        "null",
    ];
    printed(
        &["produce", "odd", "--stream", "s \u{e9}", "--id", "line", "--url", &program.url],
        &(lines.join("\n") + "\n"),
    )
    .await;
    let packages = packages(&program.url, "local-odd").await;
    assert_eq!(packages.iter().map(value).collect::<Vec<_>>(), lines);
    for (offset, package) in packages.iter().enumerate() {
        assert_eq!((package["partition"].as_i64(), package["offset"].as_u64()), (Some(0), Some(offset as u64)));
        assert_eq!(package["streamId"], "s \u{e9}");
        assert_eq!((&package["topicName"], &package["topicId"]), (&json!("odd"), &json!("local-odd")));
        let members: Vec<_> = package.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["dateTime", "offset", "partition", "streamId", "topicId", "topicName", "type", "value"];
        assert_eq!(members, expected, "a PackageReceived object and its place");
    }
    let shown = printed(&["tail", "odd", "--until-end", "--url", &program.url], "").await;
    assert_eq!(shown.lines().count(), lines.len(), "one line each, whatever is in it");
    assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "nothing steers the terminal");
    assert!(shown.contains("Grüße, 東京 🚀"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_lines_keep_their_digits_and_get_what_they_lack() {
    let program = Program::serve(&["--memory"]).await;
    let lines = r#"{"id":"A","timestamp":1697025689418406001,"value":"v","tags":{"a":"b"}}
{"id":"B","value":"w"}
{"timestamp":5,"value":"x","streamId":"own"}
"#;
    printed(&["produce", "events", "--url", &program.url], lines).await;
    let packages = packages(&program.url, "events").await;
    let whole = r#"[{"Timestamp":1697025689418406001,"Tags":{"a":"b"},"Id":"A","Value":"v"}]"#;
    assert_eq!((&packages[0]["value"], &packages[0]["streamId"]), (&json!(whole), &json!("cli")));
    let event = |package: &Value| -> Value { serde_json::from_str(package["value"].as_str().unwrap()).unwrap() };
    let now_ns = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
    let age_ns = now_ns - event(&packages[1])[0]["Timestamp"].as_i64().unwrap();
    assert!((0..60_000_000_000).contains(&age_ns), "the time of the line in ns, {age_ns} ago");
    assert_eq!((&packages[2]["streamId"], &event(&packages[2])[0]["Id"]), (&json!("own"), &json!("line")));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_lines_stay_in_order() {
    let program = Program::serve(&["--memory"]).await;
    printed(&["topic", "create", "many", "--partitions", "4", "--url", &program.url], "").await;
    let lines: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    let output = run(&["produce", "many", "--url", &program.url], &lines).await;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "10000 lines acknowledged\n");
    let packages = packages(&program.url, "many").await;
    let numbers: Vec<_> = packages.iter().map(|package| value(package).parse::<usize>().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..10_000), "{} lines", numbers.len());
    let partition = &packages[0]["partition"];
    assert!(packages.iter().all(|package| package["partition"] == *partition), "one stream, one partition");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_begins_where_it_is_told() {
    let program = Program::serve(&["--memory"]).await;
    printed(&["produce", "t", "--url", &program.url], "0\n1\n2\n3\n").await;
    for (arguments, expected) in [
        (&["--from", "2", "--until-end"][..], vec!["2", "3"]),
        (&["--from", "earliest", "--until-end"], vec!["0", "1", "2", "3"]),
        (&["--until-end"], vec!["0", "1", "2", "3"]),
        (&["--from", "end", "--until-end"], vec![]),
        (&["--from", "4", "--until-end"], vec![]),
    ] {
        let printed = printed(&[&["tail", "t", "--json", "--url", &program.url], arguments].concat(), "").await;
        let values: Vec<_> = printed.lines().map(|line| value(&serde_json::from_str(line).unwrap())).collect();
        assert_eq!(values, expected, "{arguments:?}");
    }
    let beyond = run(&["tail", "t", "--from", "99", "--until-end", "--json", "--url", &program.url], "").await;
    assert_eq!(beyond.status.code(), Some(0));
    assert!(beyond.stdout.is_empty(), "only packages are printed as packages");
    let remark = "note: partition 0 ends before that offset; going on at 4\n";
    assert_eq!(String::from_utf8_lossy(&beyond.stderr), remark);
    for wrong in ["-1", "1.5", "now", ""] {
        let output = run(&["tail", "t", &format!("--from={wrong}"), "--url", &program.url], "").await;
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_shows_each_line_as_it_is_written() {
    let program = Program::serve(&["--memory"]).await;
    printed(&["produce", "live", "--url", &program.url], "before\n").await;
    let mut all = Command::start(&["tail", "live", "--from", "earliest", "--json", "--url", &program.url]);
    let parsed = |line: Option<String>| value(&serde_json::from_str(&line.expect("a line")).unwrap());
    assert_eq!(parsed(all.next_line().await), "before");
    let mut writer = Command::start(&["produce", "live", "--url", &program.url]);
    for number in 0..20 {
        writer.write_line(&number.to_string()).await;
        assert_eq!(parsed(all.next_line().await), number.to_string());
    }
    assert_eq!(writer.wait().await, (Some(0), "20 lines acknowledged\n".to_owned()));
    all.interrupt();
    assert_eq!(all.wait().await, (Some(0), String::new()), "Ctrl-C is how a tail is meant to end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_whose_reader_has_enough_ends_quietly() {
    let program = Program::serve(&["--memory"]).await;
    let lines = "line\n".repeat(5000);
    printed(&["produce", "long", "--url", &program.url], &lines).await;
    let mut tail = Command::start(&["tail", "long", "--from", "earliest", "--url", &program.url]);
    assert!(tail.next_line().await.is_some());
    tail.close_output();
    // Should all have been written before, this is what has nowhere to go.
    printed(&["produce", "long", "--url", &program.url], &lines).await;
    assert_eq!(tail.wait().await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_told_with_what_was() {
    let program = Program::serve(&["--memory"]).await;
    let long = "x".repeat(5 << 20);
    let said = failed(&["produce", "t", "--url", &program.url], &format!("good\n{long}\nnever\n")).await;
    assert!(said.starts_with("the server refused: The body is longer than 4194304 bytes"), "{said}");
    assert!(said.ends_with("(1 line is durable, none after)"), "{said}");
    let said = failed(&["produce", "t", "--stream", &"s".repeat(1025), "--url", &program.url], "line\n").await;
    assert_eq!(said, "the server refused: The stream id is longer than 1024 bytes (0 lines are durable, none after)");
    assert_eq!(packages(&program.url, "t").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_every_command_fails_with_one_sentence() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    for words in [&["topic", "list"][..], &["topic", "create", "t"], &["tail", "t"], &["produce", "t"]] {
        let said = failed(&[words, &["--url", &url]].concat(), "line\n").await;
        assert!(said.contains(&url) && said.contains("`streamgate serve`"), "{said}");
    }
}
