//! `Pace`: rows no sooner than their times say, as they were recorded or faster.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use ways::csv::{Cursor, Item, Mapping, Piece};

/// Begins with the first row that has a time.
pub(super) struct Pace {
    factor: f64,
    mapping: Mapping,
    /// When, and at what time of the rows (ns).
    begun: Option<(Instant, i64)>,
}

impl Pace {
    pub(super) fn new(factor: f64, mapping: Mapping) -> Self {
        Self { factor, mapping, begun: None }
    }

    /// Waits until the first row is due, and gives how many bytes are due then or within [`SPAN`].
    pub(super) async fn due(&mut self, held: &[u8], is_end: bool, cursor: Option<&str>) -> usize {
        let cursor = cursor.and_then(|cursor| cursor.parse::<Cursor>().ok());
        // The server says what is wrong with it.
        let Ok(mut piece) = Piece::begin(&self.mapping, held, is_end, cursor) else { return held.len() };
        let mut until = None;
        let mut length = 0;
        while let Some(item) = piece.next() {
            let (time, end) = match item {
                Item::Row(row) => (self.mapping.time_of(&row), row.spot.end),
                Item::Oversized(spot) => (None, spot.end),
            };
            if let Some(time) = time {
                let due = due(&mut self.begun, self.factor, time);
                match until {
                    None => until = Some(due.max(Instant::now()) + SPAN),
                    Some(until) if due > until => break,
                    Some(_) => {}
                }
            }
            length = end;
        }
        if let Some(until) = until {
            sleep_until(until - SPAN).await;
        }
        if length == 0 { held.len() } else { length }
    }
}

fn due(begun: &mut Option<(Instant, i64)>, factor: f64, time: i64) -> Instant {
    let (start, first) = *begun.get_or_insert_with(|| (Instant::now(), time));
    let nanoseconds = time.saturating_sub(first).max(0) as f64 / factor;
    start + Duration::from_nanos(nanoseconds as u64).min(LONGEST)
}

/// Rows so close go together.
const SPAN: Duration = Duration::from_millis(100);

/// Beyond it a moment need not be told from another.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use ways::csv::{Choices, Unit, sniff};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rows_come_by_their_times_and_close_ones_together() {
        let file = b"time,a\n10000,1\n10050,2\n10400,3\nno,4\n10450,5\n9000,6\n12000,7\n";
        let mapping =
            sniff(&file[..20], false, &Choices { unit: Some(Unit::Ms), ..Choices::default() }).unwrap().mapping;
        let mut pace = Pace::new(2.0, mapping.clone());
        let begun = Instant::now();
        let (mut at, mut cursor, mut came) = (0, None::<String>, Vec::new());
        while at < file.len() {
            let rest = &file[at..];
            let length = pace.due(rest, true, cursor.as_deref()).await;
            let mut piece = Piece::begin(
                &mapping,
                &rest[..length],
                at + length == file.len(),
                cursor.map(|text| text.parse().unwrap()),
            )
            .unwrap();
            while piece.next().is_some() {}
            assert_eq!(piece.consumed(), length);
            cursor = Some(piece.cursor().to_string());
            let text = String::from_utf8(rest[..length].to_vec()).unwrap();
            came.push((begun.elapsed().as_millis() as u64, text));
            at += length;
        }
        let expected =
            [(0, "time,a\n10000,1\n10050,2\n"), (200, "10400,3\nno,4\n10450,5\n9000,6\n"), (1000, "12000,7\n")];
        assert_eq!(came, expected.map(|(time, text)| (time, text.to_owned())));
    }
}
