//! `loadtest idle`: arguments, and its table.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use loadtest::load::idle::{self, Carrier};
use loadtest::report::table;

use super::fanout::left;
use super::{Common, output};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Connections to open, each subscribed
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// What carries them
    #[arg(long, value_enum, default_value_t = Carrier::Websockets)]
    transport: Carrier,
    /// Seconds to hold them
    #[arg(long, default_value_t = 2.0)]
    hold: f64,
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let hold = Duration::try_from_secs_f64(options.hold)?;
    let target = options.common.target()?;
    let report = idle::run(&target, options.transport, options.connections, hold, options.common.pid)?;
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let mut rows = vec![row(
        "connections",
        format!(
            "{} open within {:.2} s, {} ended by themselves",
            report.connections, report.open_s, report.disconnects
        ),
    )];
    if let (Some(each), Some(before), Some(after)) =
        (report.bytes_per_connection, report.before_bytes, report.after_bytes)
    {
        let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
        let text = format!(
            "{:.2} KiB per connection, from {:.1} to {:.1} MiB",
            each / 1024.0,
            mebibytes(before),
            mebibytes(after)
        );
        rows.push(row("memory", text));
    }
    if let Some(cores) = report.idle_server_cores {
        rows.push(row("server cores", format!("{cores:.4} while idle")));
    }
    output::put(&table(&left(rows)), &report, options.common.json.as_ref())?;
    ensure!(report.disconnects == 0, "idle connections ended by themselves");
    Ok(())
}
