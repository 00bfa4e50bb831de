//! The figures: collected by scenario, compared within each round, judged.

use loadtest::load::calls::CallsReport;
use loadtest::load::latency::Summary;
use loadtest::report::Spread;
use serde::Serialize;

use super::disk::Disk;
use super::scenario::{Scenario, Subject};

/// One run of one scenario on one subject.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    /// Cores that the server kept busy, where it was measured.
    pub(crate) server_cores: Option<f64>,
    /// What a sync of the disk took right before, where latency is what matters.
    pub(crate) sync_p50_us: Option<f64>,
}

impl Measured {
    pub(crate) fn new(per_second: f64, latency: Option<Summary>) -> Self {
        let (p50_us, p99_us) = (latency.map(|latency| latency.p50_us), latency.map(|latency| latency.p99_us));
        Self { per_second, p50_us, p99_us, server_cores: None, sync_p50_us: None }
    }

    pub(crate) fn of_calls(report: &CallsReport) -> Self {
        Self { server_cores: report.cpu.server_cores, ..Self::new(report.per_second, Some(report.latency)) }
    }
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// Length of each value.
    pub(crate) value_bytes: usize,
    pub(crate) seconds: f64,
    /// One per round.
    pub(crate) disk: Vec<Disk>,
    pub(crate) figures: Vec<Figures>,
    pub(crate) verdicts: Vec<Verdict>,
}

/// A scenario on a subject, one run per round.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) scenario: Scenario,
    pub(crate) subject: Subject,
    pub(crate) rounds: Vec<Measured>,
    /// Its rate by Kafka's of the same round.
    pub(crate) rate_by_kafka: Option<Spread>,
}

/// Something expected, and whether it is so.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) expected: &'static str,
    pub(crate) of: String,
    /// Milliseconds, or a ratio.
    pub(crate) found: Spread,
    pub(crate) unit: &'static str,
    pub(crate) met: bool,
}

impl Results {
    pub(crate) fn new(value_bytes: usize) -> Self {
        Self { value_bytes, seconds: 0.0, disk: Vec::new(), figures: Vec::new(), verdicts: Vec::new() }
    }

    /// Adds a run; runs of one round are added before those of the next.
    pub(crate) fn add(&mut self, scenario: Scenario, subject: Subject, measured: Measured) {
        let found = self.figures.iter_mut().find(|known| known.scenario == scenario && known.subject == subject);
        match found {
            Some(figures) => figures.rounds.push(measured),
            None => self.figures.push(Figures { scenario, subject, rounds: vec![measured], rate_by_kafka: None }),
        }
    }

    /// Compares and judges, once all runs are in.
    pub(crate) fn finish(&mut self, seconds: f64) {
        self.seconds = seconds;
        let kafka: Vec<_> = self.figures.iter().filter(|figures| figures.subject == Subject::Kafka).collect();
        let ratio = |figures: &Figures| {
            let kafka = kafka.iter().find(|kafka| kafka.scenario == figures.scenario)?;
            let pairs = figures.rounds.iter().zip(&kafka.rounds);
            Spread::of(pairs.map(|(own, kafka)| own.per_second / kafka.per_second))
        };
        let ratios: Vec<_> = self.figures.iter().map(ratio).collect();
        for (figures, ratio) in self.figures.iter_mut().zip(ratios) {
            figures.rate_by_kafka = ratio.filter(|_| figures.subject != Subject::Kafka);
        }
        self.verdicts = self.figures.iter().flat_map(Self::judge).collect();
    }

    fn judge(figures: &Figures) -> Option<Verdict> {
        if figures.subject == Subject::Kafka {
            return None;
        }
        let of = format!("{}, {}", figures.scenario, figures.subject);
        if figures.scenario.is_quietest() {
            let above = |run: &Measured| Some((run.p50_us? - run.sync_p50_us?) / 1e3);
            let found = Spread::of(figures.rounds.iter().filter_map(above))?;
            let expected = "p50 of an acknowledgement above that of fdatasync by less than 1 ms";
            return Some(Verdict { expected, of, found, unit: " ms", met: found.median < 1.0 });
        }
        let found = figures.rate_by_kafka.filter(|_| figures.scenario.is_busiest())?;
        let expected = "as many per second as Kafka, or more";
        Some(Verdict { expected, of, found, unit: "×", met: found.median >= 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Scenario = Scenario::Calls { in_flight: 1, connections: 1 };
    const BUSY: Scenario = Scenario::Calls { in_flight: 6400, connections: 16 };

    #[test]
    fn rates_are_compared_within_rounds_and_latencies_with_the_disk() {
        let mut results = Results::new(100);
        let sync = |p50_us| Summary { p50_us, ..Summary::default() };
        for (rate, kafka, p50_us) in [(10.0, 20.0, 1500.0), (100.0, 50.0, 1700.0), (30.0, 10.0, 3500.0)] {
            results.add(BUSY, Subject::Embedded, Measured::new(rate, None));
            results.add(BUSY, Subject::Kafka, Measured::new(kafka, None));
            let measured = Measured::new(1.0, Some(sync(p50_us)));
            results.add(QUIET, Subject::Embedded, Measured { sync_p50_us: Some(1000.0), ..measured });
        }
        results.finish(1.0);
        let found: Vec<_> = results.verdicts.iter().map(|verdict| (verdict.found, verdict.met)).collect();
        let spread = |median, min, max| Spread { median, min, max };
        assert_eq!(found, [(spread(2.0, 0.5, 3.0), true), (spread(0.7, 0.5, 2.5), true)]);
    }
}
