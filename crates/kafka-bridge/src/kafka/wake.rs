//! `Wake`: a thread's sleep that others can cut short.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Woken, stopped, or left to sleep.
#[derive(Debug, Default)]
pub(super) struct Wake {
    flags: Mutex<Flags>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flags {
    woken: bool,
    stopped: bool,
}

impl Wake {
    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Sleeps until woken or `timeout` is over; `None` once stopped, else whether it was woken.
    pub(super) fn sleep(&self, timeout: Duration) -> Option<bool> {
        let wait = self.changed.wait_timeout_while(self.lock(), timeout, |flags| !flags.woken && !flags.stopped);
        let (mut flags, _) = wait.unwrap_or_else(PoisonError::into_inner);
        let woken = std::mem::take(&mut flags.woken);
        (!flags.stopped).then_some(woken)
    }

    fn lock(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
