//! Order, loss and duplicates of one publisher's stream as one subscriber sees it.

use std::ops::Range;

/// What an arrival is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one.
    InOrder,
    /// The next one but for some that have not come.
    AfterGap,
    /// One that was missing, behind its followers.
    Late,
    /// One that was here before.
    Duplicate,
}

/// The numbers seen so far of one stream.
#[derive(Debug, Clone, Default)]
pub struct StreamCheck {
    next: u32,
    /// Ascending, without overlap; empty on a good server.
    missing: Vec<Range<u32>>,
}

impl StreamCheck {
    /// Takes note of `number`.
    pub fn arrive(&mut self, number: u32) -> Arrival {
        if number == self.next {
            self.next += 1;
            return Arrival::InOrder;
        }
        if number > self.next {
            self.missing.push(self.next..number);
            self.next = number + 1;
            return Arrival::AfterGap;
        }
        match self.missing.iter().position(|gap| gap.contains(&number)) {
            Some(index) => {
                self.fill(index, number);
                Arrival::Late
            }
            None => Arrival::Duplicate,
        }
    }

    /// How many of the first `sent` numbers have not come.
    pub fn missing(&self, sent: u32) -> u64 {
        let gaps: u64 = self.missing.iter().map(|gap| gap.len() as u64).sum();
        gaps + u64::from(sent.saturating_sub(self.next))
    }

    fn fill(&mut self, index: usize, number: u32) {
        let gap = self.missing.remove(index);
        for rest in [number + 1..gap.end, gap.start..number] {
            if !rest.is_empty() {
                self.missing.insert(index, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::*;
    use super::*;

    fn arrivals(numbers: &[u32]) -> (Vec<Arrival>, StreamCheck) {
        let mut check = StreamCheck::default();
        let arrivals = numbers.iter().map(|number| check.arrive(*number)).collect();
        (arrivals, check)
    }

    #[test]
    fn a_good_stream_has_no_faults() {
        let (arrivals, check) = arrivals(&[0, 1, 2]);
        assert_eq!(arrivals, [InOrder; 3]);
        assert_eq!((check.missing(3), check.missing(5)), (0, 2), "the tail counts as well");
    }

    #[test]
    fn gaps_duplicates_and_late_ones_are_told_apart() {
        let (arrivals, check) = arrivals(&[0, 1, 1, 5, 3, 3, 0, 6]);
        assert_eq!(arrivals, [InOrder, InOrder, Duplicate, AfterGap, Late, Duplicate, Duplicate, InOrder]);
        assert_eq!(check.missing(7), 2, "2 and 4");
    }

    #[test]
    fn a_gap_filled_from_both_ends_and_the_middle_is_no_loss() {
        let (arrivals, check) = arrivals(&[5, 0, 4, 2, 1, 3]);
        assert_eq!(arrivals, [AfterGap, Late, Late, Late, Late, Late]);
        assert_eq!(check.missing(6), 0);
    }
}
