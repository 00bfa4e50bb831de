//! Histories of one connection, each from a seed: a client in memory that does anything at any moment, a stopped clock, and
//! a model of what either side may see.
//!
//! `SIMULATION_SEED=n` replays one, `SIMULATION_SEEDS=n` runs so many.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not know as such")]

mod checks;
mod client;
mod history;
mod hub;
mod pipe;
mod random;
mod replay;
mod steps;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use steps::Steps;
use watch::Watch;

#[test]
fn whatever_happens_to_a_connection_nothing_is_lost_doubled_or_left() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("SIMULATION_SEED") {
        return run(seed).unwrap_or_else(|told| panic!("{told}"));
    }
    let (next, count) = (AtomicU64::new(0), number("SIMULATION_SEEDS").unwrap_or(10_000));
    let (failure, watch) = (Mutex::new(None), Watch::begin());
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed @ 0.. = next.fetch_add(1, Ordering::Relaxed)
                    && seed < count
                {
                    if let Err(told) = watch.during(seed, || run(seed)) {
                        next.store(count, Ordering::Relaxed);
                        failure.lock().unwrap().get_or_insert(told);
                    }
                }
            });
        }
    });
    if let Some(told) = failure.into_inner().unwrap() {
        panic!("{told}");
    }
}

/// Runs one history; the steps of one that fails.
fn run(seed: u64) -> Result<(), String> {
    let steps = Steps::default();
    let history = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(history::run(seed, steps.clone()));
    };
    catch_unwind(AssertUnwindSafe(history)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("{}\nreplay it with SIMULATION_SEED={seed}: {}", steps, text.unwrap_or_default())
    })
}
