//! The demo pages in headless Chromium: the mouse really moves, and pixels really turn red on the other page.

use e2e::node;
use e2e::stage::Stage;

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
