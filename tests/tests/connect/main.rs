//! `docs/connect.md` as its reader follows it: each section in an empty folder, every block as it stands but for the ports, which
//! are free ones; and `docs/compatibility.md`, whose cells name tests that there are.
#![allow(clippy::unwrap_used)]

mod compatibility;
mod document;
mod pattern;
mod reader;
mod shell;
#[path = "../recipes/telegraf.rs"]
mod telegraf;

use std::path::Path;

use document::{Step, sections};
use e2e::python::Python;
use reader::follow;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_started() {
    follow("Start", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn a_connector_reads_a_file() {
    follow("1 Prebuilt connector", &[telegraf::folder().await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_is_polled() {
    follow("2 Polling", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_delivered() {
    follow("3 Inbound webhook", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_writes_and_reads() {
    follow("4 HTTP API", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_hello_to_another() {
    follow("5 Websockets", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_quix_streams_runs() {
    follow("6 Quix Streams", &[Python::quix_3().await.commands_folder()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_file_is_imported() {
    follow("7 CSV", &[]).await;
}

#[test]
fn each_section_with_a_block_is_followed_and_shows_something() {
    for section in sections().iter().filter(|section| !section.steps.is_empty()) {
        let call = format!("follow(\"{}\", ", section.heading);
        assert!(include_str!("main.rs").contains(&call), "no test for {}", section.heading);
        let shown = section.steps.iter().filter(|step| matches!(step, Step::Shown(_)));
        assert!(shown.count() > 0, "{} has nothing to see", section.heading);
    }
}

#[test]
fn what_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/connect.md")).unwrap();
    let makefile = std::fs::read_to_string(root.join("Makefile")).unwrap();
    for target in page.split("`make ").skip(1).filter_map(|rest| rest.split('`').next()) {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
    for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"))
    {
        match link.strip_prefix('#') {
            None => assert!(root.join("docs").join(link).exists(), "{link}"),
            Some(place) => {
                let is_it = |heading: &str| heading.to_lowercase().replace(' ', "-") == place;
                assert!(sections().iter().any(|section| is_it(&section.heading)), "#{place}");
            }
        }
    }
}
