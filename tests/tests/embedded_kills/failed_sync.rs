//! A sync that fails is not talked away: no more writes in this process, and nothing acknowledged is lost.

use std::process::Stdio;
use std::time::Duration;

use e2e::wait::{own_topic, until};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::caller::{Answer, Caller};
use crate::dice::Dice;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_the_log_takes_no_more_writes_until_the_next_start() {
    for call in ["fdatasync", "pwrite64"] {
        if !failed(call).await {
            return;
        }
    }
}

/// Tells whether it could be tried.
async fn failed(call: &str) -> bool {
    let mut dice = Dice::new();
    let mut server = Server::new(&[]);
    server.start().await;
    let topic = own_topic("failed");
    let mut caller = Caller::connect(&server, &topic).await;
    assert!(caller.is_acknowledged().await);
    let Some(injection) = Injection::attach(server.program().pid(), call, 1 + dice.below(30)).await else {
        return false;
    };
    let mut answers = Vec::new();
    until("a failure", async || {
        answers = caller.call(16, 100).await;
        answers.iter().any(|answer| *answer != Answer::Acknowledged)
    })
    .await;
    assert!(answers.contains(&Answer::Unknown), "what was being written is in doubt: {answers:?}");
    let first = answers.iter().position(|answer| *answer != Answer::Acknowledged).expect("one failed");
    assert!(!answers[first..].contains(&Answer::Acknowledged), "nothing after the failure: {answers:?}");

    drop(injection);
    // Syncs would succeed now, which proves nothing about the pages that were lost.
    for answer in caller.call(50, 100).await {
        assert!(matches!(answer, Answer::NotWritten(_)), "{answer:?}");
    }
    until("not ready", async || server.ready().await == 503).await;
    server.program().logs("Input/output error").await;
    caller.verdict(&server).await;

    server.kill().await;
    server.start().await;
    caller.reconnect(&server).await;
    caller.verdict(&server).await;
    until("ready again", async || server.ready().await == 200).await;
    assert!(caller.is_acknowledged().await);
    caller.verdict(&server).await;
    true
}

/// `strace` that lets one system call of a process fail.
struct Injection {
    _strace: Child,
}

impl Injection {
    /// The `nth` such call from now on fails with `EIO`. `None`, after saying why, where that cannot be had.
    async fn attach(pid: u32, call: &str, nth: u64) -> Option<Self> {
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--output=/dev/null", "--attach", &pid.to_string()]);
        strace.args([format!("--trace={call}"), format!("--inject={call}:error=EIO:when={nth}")]);
        let started = strace.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
        let mut strace = match started {
            Ok(strace) => strace,
            Err(error) => {
                eprintln!("SKIPPED: failures cannot be injected from outside: strace: {error}");
                return None;
            }
        };
        let mut said = BufReader::new(strace.stderr.take().expect("piped")).lines();
        let first = tokio::time::timeout(Duration::from_secs(30), said.next_line()).await;
        match first.expect("strace says something").expect("text") {
            Some(line) if line.contains("attached") => {
                // Its output is read, so that it never waits.
                tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
                Some(Self { _strace: strace })
            }
            said => {
                eprintln!("SKIPPED: failures cannot be injected from outside: {}", said.unwrap_or_default());
                None
            }
        }
    }
}
