//! `loadtest fanout`: arguments, and its table.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use loadtest::load::fanout::{Fanout, FanoutReport, Parties};
use loadtest::load::latency::Summary;
use loadtest::load::pacing::{Limit, Pacing};
use loadtest::process::{Consumption, CpuClock};
use loadtest::progress::Progress;
use loadtest::report::{count, table, time};

use super::{Common, output};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Connections that get everything
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Connections that write, in turns, each to a stream of its own
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    #[command(flatten)]
    pace: Pace,
    /// Seconds to publish for
    #[arg(long, default_value_t = 10.0, conflicts_with = "messages")]
    duration: f64,
    /// Messages to publish, instead of a duration
    #[arg(long)]
    messages: Option<u64>,
    /// Length of each event's value
    #[arg(long, default_value_t = 500)]
    payload_bytes: usize,
    /// Repeats the payload's text
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
#[group(multiple = false)]
struct Pace {
    /// Messages per second of all publishers together, whatever comes back [default: 100]
    #[arg(long)]
    rate: Option<f64>,
    /// Publish the next message when the last has reached everyone
    #[arg(long)]
    one_at_a_time: bool,
    /// Keep so many messages on their way to everyone
    #[arg(long, value_name = "K")]
    in_flight: Option<usize>,
}

impl Pace {
    fn pacing(&self) -> anyhow::Result<Pacing> {
        Ok(match (self.in_flight, self.rate.unwrap_or(100.0)) {
            _ if self.one_at_a_time => Pacing::OneAtATime,
            (Some(count), _) => {
                ensure!(count > 0, "--in-flight must be positive");
                Pacing::InFlight(count)
            }
            (None, rate) => {
                ensure!(rate > 0.0, "--rate must be positive");
                Pacing::Rate(rate)
            }
        })
    }
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.subscribers > 0, "--subscribers must be positive");
    let pacing = options.pace.pacing()?;
    let duration = Duration::try_from_secs_f64(options.duration)?;
    let limit = options.messages.map_or(Limit::Time(duration), Limit::Messages);
    let parties = Parties {
        subscribers: options.subscribers,
        publishers: options.publishers,
        payload_bytes: options.payload_bytes,
        seed: options.seed,
    };
    let clock = options.common.pid.map(CpuClock::of).transpose()?;
    let mut fanout = Fanout::open(&options.common.target()?, parties)?;
    let mut progress = Progress::new("publishing", 1000);
    let report = fanout.run(pacing, limit, clock, &mut progress)?;
    drop(progress);
    output::put(&describe(&report), &report, options.common.json.as_ref())?;
    ensure!(report.is_clean(), "not everything arrived once and in order");
    Ok(())
}

/// The report as a table.
fn describe(report: &FanoutReport) -> String {
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let counts = report.counts;
    let mut rows = vec![
        row(
            "published",
            format!(
                "{} by {} in {:.2} s, {} refused",
                report.published, report.publishers, report.elapsed_s, report.refused
            ),
        ),
        row(
            "delivered",
            format!(
                "{} to {}, {} per second, {:.0} B each",
                counts.delivered,
                report.subscribers,
                count(report.deliveries_per_s),
                report.bytes_per_delivery
            ),
        ),
        row(
            "faults",
            format!(
                "{} lost, {} twice, {} out of order, {} gaps, {} disconnected",
                report.lost, counts.duplicated, counts.out_of_order, counts.gaps, report.disconnects
            ),
        ),
        row("latency", quantiles(&report.latency)),
        row("send lag", quantiles(&report.send_lag)),
        row("cores", cores(&report.cpu)),
    ];
    if let Some(nanoseconds) = report.server_ns_per_delivery {
        let text = format!("{:.2} µs per delivery", nanoseconds / 1e3);
        rows.push(row("server cpu", text));
    }
    let told = [&report.first_refusal, &report.first_disconnect];
    rows.extend(told.into_iter().flatten().map(|text| row("told", text.clone())));
    table(&left(rows))
}

fn quantiles(summary: &Summary) -> String {
    format!(
        "p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
        time(summary.p50_us),
        time(summary.p90_us),
        time(summary.p99_us),
        time(summary.p999_us),
        time(summary.max_us)
    )
}

/// Who kept the cores busy, with a warning if the measurement is about ourselves.
pub(super) fn cores(cpu: &Consumption) -> String {
    let server = cpu.server_cores.map_or(String::new(), |cores| format!("server {cores:.2}, "));
    let limit = match cpu.client_cores > 0.9 {
        true => "; this program was the limit",
        false => "",
    };
    format!("{server}client {:.2}, others {:.2}{limit}", cpu.client_cores, cpu.other_cores)
}

/// Pads the last column, so that a two-column table is left-aligned.
pub(super) fn left(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let width = rows.iter().filter_map(|row| Some(row.last()?.chars().count())).max().unwrap_or(0);
    for row in &mut rows {
        if let Some(cell) = row.last_mut() {
            *cell = format!("{cell:<width$}");
        }
    }
    rows
}
