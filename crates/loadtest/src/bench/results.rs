//! The figures of a bench: collected, compared, described.

use loadtest::load::churn::ChurnReport;
use loadtest::load::fanout::FanoutReport;
use loadtest::load::idle::IdleReport;
use loadtest::report::{Spread, count, table, time};
use serde::Serialize;

use super::scenario::Scenario;
use super::writes::{self, WriteResult};

/// One run of one scenario on one subject.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// Server CPU per delivery or connection.
    pub(crate) cost_ns: f64,
    per_second: f64,
    p99_us: Option<f64>,
    client_cores: f64,
    other_cores: f64,
    fault: Option<String>,
}

/// Everything a bench found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) idle: Vec<IdleResult>,
    pub(crate) writes: Vec<WriteResult>,
    /// Size of a delivery, the same for server and floor.
    pub(crate) frame_bytes: usize,
    pub(crate) seconds: f64,
    /// Losses and the like; the figures mean nothing if there are any.
    pub(crate) faults: Vec<String>,
}

/// One scenario on server and floor.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    name: &'static str,
    unit: &'static str,
    expected_ratio: f64,
    /// Server by floor, and whether that is as expected; known once the bench has ended.
    ratio: Option<Spread>,
    met: Option<bool>,
    server: Vec<Measured>,
    floor: Vec<Measured>,
}

/// Memory of idle connections on one subject.
#[derive(Debug, Serialize)]
pub(crate) struct IdleResult {
    subject: &'static str,
    expected_bytes: Option<f64>,
    met: Option<bool>,
    #[serde(flatten)]
    report: IdleReport,
}

impl Measured {
    /// `None` if CPU was not measured.
    pub(crate) fn of_fanout(report: &FanoutReport) -> Option<Self> {
        let fault = || {
            let counts = report.counts;
            format!(
                "{} lost, {} twice, {} out of order, {} gaps, {} disconnected",
                report.lost, counts.duplicated, counts.out_of_order, counts.gaps, report.disconnects
            )
        };
        Some(Self {
            cost_ns: report.server_ns_per_delivery?,
            per_second: report.deliveries_per_s,
            p99_us: Some(report.latency.p99_us),
            client_cores: report.cpu.client_cores,
            other_cores: report.cpu.other_cores,
            fault: (!report.is_clean()).then(fault),
        })
    }

    /// `None` if CPU was not measured.
    pub(crate) fn of_churn(report: &ChurnReport) -> Option<Self> {
        let told = report.first_failure.as_deref().unwrap_or("");
        Some(Self {
            cost_ns: report.server_ns_per_connection?,
            per_second: report.connections_per_s,
            p99_us: None,
            client_cores: report.cpu.client_cores,
            other_cores: report.cpu.other_cores,
            fault: (report.failed > 0).then(|| format!("{} failed: {told}", report.failed)),
        })
    }
}

impl Results {
    /// Adds a run; runs of one round are added before those of the next.
    pub(crate) fn add(&mut self, scenario: &Scenario, is_server: bool, measured: Measured) {
        let who = if is_server { "server" } else { "floor" };
        if let Some(fault) = &measured.fault {
            self.faults.push(format!("{} on the {who}: {fault}", scenario.name));
        }
        let found = self.comparisons.iter().position(|known| known.name == scenario.name);
        let index = found.unwrap_or_else(|| {
            self.comparisons.push(Comparison {
                name: scenario.name,
                unit: scenario.unit,
                expected_ratio: scenario.expected,
                ratio: None,
                met: None,
                server: Vec::new(),
                floor: Vec::new(),
            });
            self.comparisons.len() - 1
        });
        let comparison = &mut self.comparisons[index];
        match is_server {
            true => comparison.server.push(measured),
            false => comparison.floor.push(measured),
        }
    }

    /// Compares, once all runs are in.
    pub(crate) fn finish(&mut self, seconds: f64) {
        self.seconds = seconds;
        for comparison in &mut self.comparisons {
            comparison.compare();
        }
    }

    /// As tables, after [`finish`](Self::finish).
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        if !self.comparisons.is_empty() {
            let rounds = self.comparisons.iter().map(|known| known.floor.len()).min();
            text += &format!(
                "CPU per delivery or connection, median (min–max) of {} rounds; deliveries of {} bytes\n\n",
                rounds.unwrap_or(0),
                self.frame_bytes
            );
            let mut rows = vec![words(&[
                "scenario",
                "server µs",
                "floor µs",
                "ratio",
                "expected",
                "",
                "server/s",
                "floor/s",
                "server p99",
                "floor p99",
                "others",
            ])];
            rows.extend(self.comparisons.iter().map(Comparison::row));
            text += &table(&rows);
        }
        if !self.idle.is_empty() {
            let mut rows = vec![words(&["idle", "connections", "KiB each", "expected", "", "opened in", "idle cores"])];
            rows.extend(self.idle.iter().map(IdleResult::row));
            text += &format!("\n{}", table(&rows));
        }
        if !self.writes.is_empty() {
            text += &format!("\n{}", writes::describe(&self.writes));
        }
        text + &format!("\n{:.0} s in all\n", self.seconds)
    }
}

impl Comparison {
    /// Server by floor, each pair from the same round.
    fn compare(&mut self) {
        let pairs = self.server.iter().zip(&self.floor);
        self.ratio = Spread::of(pairs.map(|(server, floor)| server.cost_ns / floor.cost_ns));
        self.met = self.ratio.map(|ratio| ratio.median <= self.expected_ratio);
    }

    fn row(&self) -> Vec<String> {
        let cost = |runs: &[Measured]| {
            let spread = Spread::of(runs.iter().map(|run| run.cost_ns / 1e3));
            spread.map_or(String::new(), |spread| spread.show(|us| format!("{us:.2}")))
        };
        let rate = |runs: &[Measured]| {
            let spread = Spread::of(runs.iter().map(|run| run.per_second));
            spread.map_or(String::new(), |spread| count(spread.median))
        };
        let p99 = |runs: &[Measured]| {
            let spread = Spread::of(runs.iter().filter_map(|run| run.p99_us));
            spread.map_or(String::new(), |spread| time(spread.median))
        };
        let runs = self.server.iter().chain(&self.floor);
        let others = Spread::of(runs.map(|run| run.other_cores));
        vec![
            self.name.to_owned(),
            cost(&self.server),
            cost(&self.floor),
            self.ratio.map_or(String::new(), |ratio| ratio.show(|ratio| format!("{ratio:.2}"))),
            format!("≤ {:.1}", self.expected_ratio),
            verdict(self.met).to_owned(),
            rate(&self.server),
            rate(&self.floor),
            p99(&self.server),
            p99(&self.floor),
            others.map_or(String::new(), |others| format!("{:.2}", others.median)),
        ]
    }
}

impl IdleResult {
    pub(crate) fn new(subject: &'static str, report: IdleReport, expected_bytes: Option<f64>) -> Self {
        let met = expected_bytes.zip(report.bytes_per_connection).map(|(expected, each)| each <= expected);
        Self { subject, expected_bytes, met, report }
    }

    fn row(&self) -> Vec<String> {
        let each = self.report.bytes_per_connection;
        let kibibytes = |bytes: f64| format!("{:.2}", bytes / 1024.0);
        let expected = self.expected_bytes;
        vec![
            format!("{}, {}", self.subject, self.report.carrier),
            self.report.connections.to_string(),
            each.map_or(String::new(), kibibytes),
            expected.map_or(String::new(), |bytes| format!("≤ {:.1}", bytes / 1024.0)),
            verdict(self.met).to_owned(),
            format!("{:.2} s", self.report.open_s),
            self.report.idle_server_cores.map_or(String::new(), |cores| format!("{cores:.4}")),
        ]
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scenario::scenarios;
    use super::*;

    fn measured(cost_ns: f64) -> Measured {
        Measured {
            cost_ns,
            per_second: 20_000.0,
            p99_us: Some(1500.0),
            client_cores: 0.5,
            other_cores: 0.25,
            fault: None,
        }
    }

    #[test]
    fn the_ratio_is_taken_within_rounds_so_that_a_slow_round_does_not_count_twice() {
        let mut results = Results::default();
        let strict = &scenarios()[0];
        // The machine was three times slower in the second round, for both.
        for (server, floor) in [(2400.0, 2000.0), (7200.0, 6000.0), (2500.0, 2000.0)] {
            results.add(strict, true, measured(server));
            results.add(strict, false, measured(floor));
        }
        results.finish(1.0);
        let ratio = results.comparisons[0].ratio.unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (1.2, 1.2, 1.25));
        let row = results.comparisons[0].row();
        assert_eq!(
            row[..6],
            ["strict-100", "2.50 (2.40–7.20)", "2.00 (2.00–6.00)", "1.20 (1.20–1.25)", "≤ 1.3", "met"]
        );
        assert_eq!(row[6..], ["20.0k", "20.0k", "1.5 ms", "1.5 ms", "0.25"]);
    }

    #[test]
    fn what_is_missed_and_what_is_broken_is_told() {
        let mut results = Results::default();
        let strict = &scenarios()[0];
        results.add(strict, true, Measured { fault: Some("3 lost".into()), ..measured(2700.0) });
        results.add(strict, false, measured(2000.0));
        results.finish(1.0);
        assert!(results.describe().contains("MISSED"));
        assert_eq!(results.faults, ["strict-100 on the server: 3 lost"]);
    }

    #[test]
    fn a_floor_alone_meets_and_misses_nothing() {
        let mut results = Results::default();
        results.add(&scenarios()[0], false, measured(2000.0));
        results.finish(1.0);
        assert_eq!((results.comparisons[0].ratio, results.comparisons[0].met), (None, None));
        let table = results.describe();
        assert!(!table.contains("met") && !table.contains("MISSED"), "{table}");
    }
}
