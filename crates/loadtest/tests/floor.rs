//! The floor as a process, under each kind of load, and the bench command with it alone.

#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadtest::load::churn;
use loadtest::load::fanout::{Fanout, Parties};
use loadtest::load::idle::{self, Carrier};
use loadtest::load::pacing::{Limit, Pacing};
use loadtest::load::target::{Dialect, Target};
use loadtest::process::CpuClock;
use loadtest::progress::Progress;

#[test]
fn the_floor_delivers_frames_of_the_size_asked_for() {
    for gather in [false, true] {
        let floor = Floor::start(gather);
        let parties = Parties { subscribers: 20, publishers: 2, payload_bytes: 100, seed: 1 };
        let mut fanout = Fanout::open(&floor.target, parties).unwrap();
        for pacing in [Pacing::OneAtATime, Pacing::InFlight(16)] {
            let clock = CpuClock::of(floor.child.id()).ok();
            let report = fanout.run(pacing, Limit::Messages(200), clock, &mut Progress::hidden()).unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!((report.counts.delivered, report.acknowledged), (4000, 200));
            assert!((700.0..701.0).contains(&report.bytes_per_delivery), "answers are small: {report:?}");
            assert!(report.server_ns_per_delivery.unwrap() > 0.0);
        }
    }
}

#[test]
fn connections_come_go_and_stay() {
    let floor = Floor::start(false);
    let clock = CpuClock::of(floor.child.id()).ok();
    let report = churn::run(&floor.target, 200, 8, clock, &mut Progress::hidden()).unwrap();
    assert_eq!((report.connections, report.failed), (200, 0), "{report:?}");
    let hold = Duration::from_millis(100);
    let report = idle::run(&floor.target, Carrier::Websockets, 100, hold, Some(floor.child.id())).unwrap();
    assert_eq!((report.connections, report.disconnects), (100, 0));
    assert!(report.bytes_per_connection.unwrap() < 100_000.0);
}

#[test]
fn a_bench_of_the_floor_alone_prints_its_figures() {
    let bench = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["bench", "--floor", env!("CARGO_BIN_EXE_floor"), "--only", "churn", "--rounds", "2", "--json", "-"])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&bench.stdout).unwrap();
    assert_eq!(json["comparisons"][0]["name"], "churn");
    assert_eq!(json["comparisons"][0]["floor"].as_array().unwrap().len(), 2);
    assert!(bench.status.success() && String::from_utf8_lossy(&bench.stderr).contains("floor µs"));
}

/// A floor on a free port; ends with the test.
struct Floor {
    child: Child,
    target: Target,
}

impl Floor {
    fn start(gather: bool) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_floor"))
            .args(["--frame-bytes", "700"])
            .args(gather.then_some("--gather"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().unwrap();
        let target = Target::new(url, Dialect::Bare, "none", None).unwrap();
        Self { child, target }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
