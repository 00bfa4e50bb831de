//! Connections over each transport, as the load tester opens many of them.

use std::time::Duration;

use e2e::program::Program;
use loadtest::load::idle::{self, Carrier};
use loadtest::load::target::{Dialect, Target};

#[tokio::test(flavor = "multi_thread")]
async fn idle_subscribers_stay_over_each_transport() {
    let program = Program::serve(&[]).await;
    for carrier in [Carrier::Websockets, Carrier::Events, Carrier::Polling] {
        hold(&program, carrier, 100).await;
    }
}

/// Neither its requests nor its hub connection make one client two.
#[tokio::test(flavor = "multi_thread")]
async fn as_many_clients_fit_as_there_may_be_connections() {
    let program = Program::serve_with_settings("[limits]\nconnections = 40", &[]).await;
    hold(&program, Carrier::Polling, 40).await;
}

async fn hold(program: &Program, carrier: Carrier, connections: usize) {
    let target = Target::new(&format!("{}/hub", program.url), Dialect::SignalR, "idle", None).unwrap();
    let (time, pid) = (Duration::from_millis(200), Some(program.pid()));
    let held = tokio::task::spawn_blocking(move || idle::run(&target, carrier, connections, time, pid));
    let report = held.await.unwrap().unwrap();
    assert_eq!((report.connections, report.disconnects), (connections, 0), "{report:?}");
}
