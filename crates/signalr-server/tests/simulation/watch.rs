//! `Watch`: names the seed of a history that does not end.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The histories under way, by their seeds, with their beginnings.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<BTreeMap<u64, Instant>>>);

impl Watch {
    /// Looks on as long as the process lives, and ends it should a history take a minute; most take milliseconds.
    pub(crate) fn begin() -> Self {
        let watch = Self::default();
        let watching = watch.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(MOST / 60);
                if let Some(seed) = watching.stuck() {
                    // Not by a macro, whose text would be kept for the end of the test.
                    let _ = writeln!(std::io::stderr(), "a history does not end; see it with SIMULATION_SEED={seed}");
                    std::process::exit(1);
                }
            }
        });
        watch
    }

    pub(crate) fn during<T>(&self, seed: u64, history: impl FnOnce() -> T) -> T {
        self.0.lock().unwrap().insert(seed, Instant::now());
        let ended = history();
        self.0.lock().unwrap().remove(&seed);
        ended
    }

    fn stuck(&self) -> Option<u64> {
        let histories = self.0.lock().unwrap();
        histories.iter().find(|(_, begun)| begun.elapsed() > MOST).map(|(seed, _)| *seed)
    }
}

const MOST: Duration = Duration::from_secs(60);
