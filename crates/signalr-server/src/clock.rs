//! The time, from the clock that timers go by, so that a test can stop both.

use std::time::Instant;

/// The present.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
