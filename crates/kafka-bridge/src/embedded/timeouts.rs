//! `Timeouts`: appends of about the same moment share one timer; one each would cost more than the append.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt, Shared};

/// Resolves when an append has waited for too long.
pub(super) type Timeout = Shared<BoxFuture<'static, ()>>;

/// The timers of the appends on their way.
#[derive(Debug)]
pub(super) struct Timeouts {
    timeout: Duration,
    /// The newest one, and when it ends.
    newest: Mutex<Option<(Instant, Timeout)>>,
}

impl Timeouts {
    /// Of appends that may take so long, and up to [`COARSE`] more.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, newest: Mutex::default() }
    }

    /// Of an append that began at `since`.
    pub(super) fn of(&self, since: Instant) -> Timeout {
        let due = since + self.timeout;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((end, timeout)) = &*newest
            && *end >= due
        {
            return timeout.clone();
        }
        let end = due + COARSE;
        let timeout = tokio::time::sleep_until(end.into()).boxed().shared();
        *newest = Some((end, timeout.clone()));
        timeout
    }
}

/// Well below the second that an answer may be late (reliability W7).
const COARSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn appends_of_one_moment_share_a_timer_and_none_ends_early_or_much_too_late() {
        let timeouts = Timeouts::new(Duration::from_secs(30));
        let begun = tokio::time::Instant::now().into_std();
        let timers: Vec<_> = [0, 100, 250, 300].map(|ms| timeouts.of(begun + Duration::from_millis(ms))).into();
        assert!(timers[0].ptr_eq(&timers[1]) && timers[1].ptr_eq(&timers[2]) && !timers[2].ptr_eq(&timers[3]));
        for (timer, ends) in timers.into_iter().zip([30_250, 30_250, 30_250, 30_550]) {
            timer.await;
            let waited = tokio::time::Instant::now().into_std() - begun;
            assert!((0..=2).contains(&(waited.as_millis() as i64 - ends)), "{waited:?}");
        }
    }
}
