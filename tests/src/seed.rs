//! Seeds of chance that repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// Another one each time; printed, and given again by `STREAMGATE_TEST_SEED`.
///
/// # Panics
/// If that is not a number.
pub fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64;
    let seed = std::env::var("STREAMGATE_TEST_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("a number"));
    eprintln!("STREAMGATE_TEST_SEED={seed}");
    seed
}
