//! Few file descriptors: the program refuses before they run out, answers its operator, and does not spin.

use std::time::{Duration, Instant};

use e2e::client::HubClient;
use e2e::program::{Program, path};
use e2e::wait::{until, within};
use tokio::process::Command;

use crate::process::{cpu, descriptors, limit_hits, settled};
use crate::raw::Raw;
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn with_256_descriptors_a_flood_is_refused_and_nothing_spins() {
    let settings = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(settings.path(), "[limits]\nhead_timeout = \"3s\"\n").unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n 256 && exec "$@""#, "sh"]).arg(path()).args(["serve", "--memory", "--config"]);
    shell.arg(settings.path()).args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    shell.env_clear().current_dir(std::env::temp_dir());
    let program = Program::start(shell).await;
    let witness = Witness::start(&program.url).await;

    let mut flood = Vec::new();
    for _ in 0..600 {
        flood.push(Raw::connect(program.address()).await);
    }
    until("some are refused", async || limit_hits(&program.management(), "connections").await > 100.0).await;
    let held = descriptors(&program);
    assert!(held < 256, "{held} descriptors");
    let (before, begun) = (cpu(&program), Instant::now());
    let health = format!("{}/health/live", program.management());
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(reqwest::get(&health).await.unwrap().status(), 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (used, took) = (cpu(&program) - before, begun.elapsed());
    println!("full: {held} descriptors, {used:?} of processor time in {took:?}");
    // A loop without rest takes all of it.
    assert!(used < took.mul_f64(0.8), "{used:?} of {took:?}");

    // They say nothing, so their time is up soon: nobody has to give way by himself.
    let hub = format!("{}/hub", program.url);
    until("there is room", async || within("yes or no", HubClient::connect(&hub)).await.is_ok()).await;
    drop(flood);
    settled(&program, 2).await;
    witness.finish().await;
    until("descriptors are free", async || descriptors(&program) < 40).await;
}
