//! What a running program costs, as the system counts it, and its metrics.

use std::time::Duration;

use e2e::program::Program;
use e2e::wait::until;

pub const MIB: usize = 1024 * 1024;

/// Memory of its own that a process holds now, in bytes.
pub fn memory(program: &Program) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", program.pid())).expect("it runs");
    let pages =
        |field: usize| statm.split(' ').nth(field).and_then(|pages| pages.parse::<usize>().ok()).expect("a number");
    (pages(1) - pages(2)) * 4096
}

/// The processor's time it has used.
pub fn cpu(program: &Program) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.pid())).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Files it has open.
pub fn descriptors(program: &Program) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", program.pid())).expect("it runs").count()
}

/// All its metrics.
pub async fn metrics(management: &str) -> String {
    reqwest::get(format!("{management}/metrics")).await.expect("an answer").text().await.expect("a text")
}

/// The sum of a family's samples, all label values taken together; 0 if there is none.
pub async fn total(management: &str, family: &str) -> f64 {
    let text = metrics(management).await;
    let of_family = |line: &&str| line.strip_prefix(family).is_some_and(|rest| rest.starts_with([' ', '{']));
    let values = text.lines().filter(of_family).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// Times a limit was met.
pub async fn limit_hits(management: &str, limit: &str) -> f64 {
    let sample = format!("streamgate_limit_hits_total{{limit=\"{limit}\"}} ");
    metrics(management).await.lines().find_map(|line| line.strip_prefix(&sample)?.parse().ok()).unwrap_or(0.0)
}

/// Waits until all connections have ended but so many, and checks that none ended by a fault of the server's.
pub async fn settled(program: &Program, connections: usize) {
    let management = program.management();
    let left = format!("{connections} connections left");
    until(&left, async || total(&management, "streamgate_connections").await == connections as f64).await;
    assert_eq!(total(&management, "streamgate_panics_total").await, 0.0, "{}", program.log());
}
