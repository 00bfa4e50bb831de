//! The outcomes of all cells, to be read and to be judged.

use std::fmt;

use crate::cells::{Cell, KINDS, Outcome};
use crate::reasons;

#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(Cell, Vec<Outcome>)>,
}

impl Table {
    pub fn add(&mut self, cell: Cell, outcomes: Vec<Outcome>) {
        self.rows.push((cell, outcomes));
    }

    /// What must not be: failures, and cells that are empty without a reason of the list.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (cell, outcomes) in &self.rows {
            for (kind, outcome) in KINDS.iter().zip(outcomes) {
                match outcome {
                    Outcome::Checked(_) => {}
                    Outcome::Nothing { reason } if reasons::holds(reason, cell, kind) => {}
                    Outcome::Nothing { reason } => faults.push(format!("{cell} {kind}: empty, since {reason:?}")),
                    Outcome::Failed { error } => faults.push(format!("{cell} {kind}: {error}")),
                }
            }
        }
        faults
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what was checked, by client, transport, encoding and kind of call:\n{:38}", "")?;
        for kind in KINDS {
            write!(f, "{kind:>10}")?;
        }
        writeln!(f)?;
        let mut reasons: Vec<&str> = Vec::new();
        for (cell, outcomes) in &self.rows {
            write!(f, "{cell}")?;
            for outcome in outcomes {
                let shown = match outcome {
                    Outcome::Checked(count) => count.to_string(),
                    Outcome::Failed { .. } => "FAILED".to_owned(),
                    Outcome::Nothing { reason } => {
                        let known = reasons.iter().position(|known| known == reason);
                        let number = known.unwrap_or_else(|| {
                            reasons.push(reason);
                            reasons.len() - 1
                        });
                        format!("[{}]", number + 1)
                    }
                };
                write!(f, "{shown:>10}")?;
            }
            writeln!(f)?;
        }
        for (number, reason) in (1..).zip(reasons) {
            writeln!(f, "[{number}] {reason}")?;
        }
        Ok(())
    }
}
