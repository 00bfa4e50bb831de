//! Connections over each transport, as the load tester opens many of them.

use std::time::Duration;

use e2e::program::Program;
use loadtest::load::idle::{self, Carrier};
use loadtest::load::target::{Dialect, Target};

#[tokio::test(flavor = "multi_thread")]
async fn idle_subscribers_stay_over_each_transport() {
    let program = Program::serve(&[]).await;
    for carrier in [Carrier::Websockets, Carrier::Events, Carrier::Polling] {
        let target = Target::new(&format!("{}/hub", program.url), Dialect::SignalR, "idle", None).unwrap();
        let (hold, pid) = (Duration::from_millis(200), Some(program.pid()));
        let held = tokio::task::spawn_blocking(move || idle::run(&target, carrier, 100, hold, pid));
        let report = held.await.unwrap().unwrap();
        assert_eq!((report.connections, report.disconnects), (100, 0), "{report:?}");
    }
}
