//! Polling sources: the meaning of Quix's program that asks a REST API for users and publishes what `json_normalize` makes of
//! them.

use e2e::client::HubClient;
use e2e::program::{Program, failed, printed};
use e2e::receiver::{Receiver, Reply};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::reader::Reader;
use crate::support::{metric, packages};

/// As random-data-api.com gives one, shortened.
const USER: &str = r#"{"id":7157,"first_name":"Ann","employment":{"title":"Engineer","key_skill":"Rust"},
    "address":{"city":"Brno","coordinates":{"lat":49.19,"lng":16.61}},"subscription":{"plan":"Gold","status":"Active"}}"#;

fn settings(url: &str) -> String {
    format!(
        "[[sources.poll]]\nname = \"Users Stream\"\ntopic = \"users\"\nurl = \"{url}\"\nevery = \"1s\"\n\
         headers = {{ Authorization = \"Bearer ${{USERS_TOKEN}}\" }}\nas = \"parameters\"\nallow_http = true\nallow_private = true\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_the_parameters_of_users_that_the_server_polls() {
    let api = Receiver::start(|_, _| Reply::json(USER)).await;
    let settings = settings(&api.url("/api/v2/users")).replace("${USERS_TOKEN}", "file:TOKEN");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "Bearer top-secret-of-polling\n").unwrap();
    let settings = settings.replace("Bearer file:TOKEN", &format!("file:{}", token.path().display()));
    let program = Program::serve_with_settings(&settings, &["--memory"]).await;
    let page = Reader(HubClient::connect(&format!("{}/hub", program.url)).await.unwrap());
    for parameter in ["address.coordinates.lat", "employment.title"] {
        page.calls("SubscribeToParameter", ("users", "Users Stream", parameter)).await;
    }
    let mut got = page.next_of("ParameterDataReceived").await;
    while got["stringValues"] == json!({}) {
        got = page.next_of("ParameterDataReceived").await; // a poll came between the two subscriptions
    }
    assert_eq!(got["streamId"], "Users Stream");
    assert_eq!(got["numericValues"], json!({ "address.coordinates.lat": [49.19] }));
    assert_eq!(got["stringValues"], json!({ "employment.title": ["Engineer"] }));
    assert_eq!(api.asked()[0].headers["authorization"], "Bearer top-secret-of-polling");
    assert_eq!(api.asked()[0].line, "GET /api/v2/users");
    until("it is counted", async || {
        metric(&program.management(), r#"streamgate_polls_total{source="Users Stream",outcome="written"}"#).await >= 1.0
    })
    .await;
    assert!(!program.log().contains("top-secret-of-polling"));
    program.terminate();
    assert_eq!(program.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_a_record_for_each_user_under_its_id() {
    let api =
        Receiver::start(|_, _| Reply::json(&format!(r#"{{"results":[{USER},{{"id":2,"first_name":"Bob"}}]}}"#))).await;
    let settings = settings(&api.url("/"));
    let settings = settings.replace("headers", "items = \"/results\"\nkey = \"/id\"\nonly_changed = true\n# headers");
    let program = Program::serve_with_settings(&settings, &["--memory"]).await;
    until("three polls", async || api.asked().len() >= 3).await;
    let packages = packages(&program.url, "users").await;
    let mut streams: Vec<_> = packages.iter().map(|package| package["streamId"].as_str().unwrap()).collect();
    streams.sort_unstable();
    assert_eq!(streams, ["2", "7157"], "once each: nothing has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_tried_out_without_a_server_and_nothing_is_written_in_a_dry_run() {
    let api = Receiver::start(|_, _| Reply::json(USER)).await;
    let folder = tempfile::TempDir::new().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("settings.toml"));
    let settings = settings(&api.url("/")).replace("headers", "# headers");
    std::fs::write(&file, &settings).unwrap();
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    let flags = ["--config", file, "--data", data];
    let line = printed(&[&["poll", "Users Stream", "--once", "--dry-run"][..], &flags].concat(), "").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["topic"], &line["streamId"]), (&json!("users"), &json!("Users Stream")));
    assert!(line["record"].to_string().contains(r#""address.city":["Brno"]"#), "{line}");
    assert!(!std::path::Path::new(data).exists());

    printed(&["topic", "create", "users", "--data", data], "").await;
    printed(&[&["poll", "Users Stream", "--once"][..], &flags].concat(), "").await;
    let tailed = printed(&["tail", "users", "--until-end", "--json", "--data", data], "").await;
    assert_eq!(tailed.lines().count(), 1, "{tailed}");
    let said = failed(&[&["poll", "Users", "--once"][..], &flags].concat(), "").await;
    assert!(said.contains("the settings have no polling source \"Users\": there are Users Stream"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_told_at_the_start() {
    for (change, expected) in [
        (("every = \"1s\"", "every = \"10ms\""), "has an `every` of less than a second"),
        (("every = \"1s\"", "cron = \"often\""), "must be a pattern of cron"),
        (("as = ", "item = \"/x\"\nas = "), "has `item`, which is none of"),
        (("# none", ""), "the environment variable USERS_TOKEN is not set"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings("https://example.com/").replace(change.0, change.1)).unwrap();
        let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--memory"];
        let said = failed(&[&["serve", "--config", file.path().to_str().unwrap()][..], &ports].concat(), "").await;
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
