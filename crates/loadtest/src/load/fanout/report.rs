//! What a fan-out run has shown.

use serde::Serialize;

use crate::load::latency::Summary;
use crate::load::tally::Counts;
use crate::process::Consumption;

/// What a run has shown.
#[derive(Debug, Clone, Serialize)]
pub struct FanoutReport {
    /// Connections that were to get everything.
    pub subscribers: usize,
    /// Connections that wrote.
    pub publishers: usize,
    /// Messages published.
    pub published: u64,
    /// Messages the server accepted.
    pub acknowledged: u64,
    /// Messages the server refused.
    pub refused: u64,
    /// Text of the first refusal.
    pub first_refusal: Option<String>,
    /// What arrived.
    #[serde(flatten)]
    pub counts: Counts,
    /// Deliveries that did not come; refused messages count as well.
    pub lost: u64,
    /// Connections that ended during the run.
    pub disconnects: u64,
    /// What the first of them was told.
    pub first_disconnect: Option<String>,
    /// From the first message to the last delivery.
    pub elapsed_s: f64,
    /// Per second.
    pub deliveries_per_s: f64,
    /// Bytes on the wire per delivery, answers to the publishers included.
    pub bytes_per_delivery: f64,
    /// From the intended send time to the arrival, of each delivery.
    pub latency: Summary,
    /// From the intended to the real send time: how far this program itself was behind.
    pub send_lag: Summary,
    /// CPU of the whole run.
    #[serde(flatten)]
    pub cpu: Consumption,
    /// CPU of the server per delivery in nanoseconds.
    pub server_ns_per_delivery: Option<f64>,
}

impl FanoutReport {
    /// Whether everything arrived, once and in order.
    pub fn is_clean(&self) -> bool {
        let Counts { duplicated, out_of_order, gaps, .. } = self.counts;
        self.lost + duplicated + out_of_order + gaps + self.refused + self.disconnects == 0
    }
}
