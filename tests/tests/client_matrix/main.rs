//! Official and other clients × transports × encodings × kinds of call, against the conformance server. Each client does
//! all of it by its own means and tells what it checked; a cell without a check needs a reason of the list here.
#![allow(clippy::unwrap_used)]

mod cells;
mod reasons;
mod table;

use std::pin::pin;
use std::time::Instant;

use e2e::conformance::ConformanceServer;
use e2e::report;
use futures::StreamExt;

use cells::Cell;
use table::Table;

#[tokio::test(flavor = "multi_thread")]
async fn every_client_makes_every_kind_of_call_over_every_transport_in_every_encoding() {
    let begin = Instant::now();
    let server = ConformanceServer::start().await;
    let run = async |cell: Cell| (cell, cell.run(&server.url).await);
    let mut table = Table::default();
    {
        let mut runs = pin!(futures::stream::iter(Cell::all()).map(run).buffered(AT_ONCE));
        while let Some((cell, outcomes)) = runs.next().await {
            table.add(cell, outcomes);
        }
    }
    report::show("client-matrix.txt", &format!("{table}\nin {:.0?}", begin.elapsed()));
    assert_eq!(server.terminate().await, Some(0), "the server has outlived them all and ends when told");
    assert_eq!(table.faults(), Vec::<String>::new());
}

const AT_ONCE: usize = 3;
