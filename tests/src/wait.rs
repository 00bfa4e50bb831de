//! Waiting for conditions, with a bound that only a fault reaches.

use std::time::{Duration, Instant};

/// Looks again and again until the condition holds.
///
/// # Panics
/// If it does not within a minute.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits for a future.
///
/// # Panics
/// If it takes longer than a minute.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("still not: {what}"),
    }
}

/// A topic no other story uses.
pub fn own_topic(story: &str) -> String {
    static STORIES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = STORIES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{story}-{}-{number}", std::process::id())
}

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
