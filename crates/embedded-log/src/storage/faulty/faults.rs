//! `Faults`: which calls fail, and how.

use std::io;

/// A call of [`Storage`](crate::storage::Storage) or [`StorageFile`](crate::storage::StorageFile).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the methods' names
pub enum Call {
    Lock,
    List,
    Create,
    Open,
    Rename,
    Remove,
    SyncFolder,
    Room,
    Read,
    Write,
    Sync,
    Length,
    SetLength,
    Allocate,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`. A write may have left half of its bytes; what a sync should have kept is kept by no later one either.
    Io,
    /// `ENOSPC`, after half of the bytes of a write.
    Full,
    /// `EINTR`, before anything was done. Only reads and writes answer so: other calls are repeated below this trait.
    Interrupted,
    /// At most so many bytes are read or written. Other calls are made as they are.
    Short(usize),
    /// The process ends in this call, which was made, but nobody learns of it. Every later call fails without effect.
    End,
}

/// Calls that fail.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Calls of this kind only, or all.
    pub call: Option<Call>,
    /// How many of them go well before.
    pub after: u64,
    /// Whether those that follow fail too.
    pub lasting: bool,
    /// How.
    pub failure: Failure,
}

impl Fault {
    /// The call that comes after `after` others, of any kind.
    pub fn once(after: u64, failure: Failure) -> Self {
        Self { call: None, after, lasting: false, failure }
    }
}

/// Calls made, and what happens to those to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    planned: Vec<Fault>,
    pub(super) ended: bool,
    pub(super) made: Vec<Call>,
}

impl Faults {
    pub(super) fn plan(&mut self, fault: Fault) {
        self.planned.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
        self.ended = false;
    }

    /// Counts a call; gives what happens to it.
    pub(super) fn meet(&mut self, call: Call) -> io::Result<Option<Failure>> {
        if self.ended {
            return Err(io::Error::other("the process has ended"));
        }
        self.made.push(call);
        let mut met = None;
        self.planned.retain_mut(|fault| {
            if fault.call.is_some_and(|kind| kind != call) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            met = met.or(Some(fault.failure));
            fault.lasting
        });
        self.ended = met == Some(Failure::End);
        match met {
            Some(Failure::Interrupted) if !matches!(call, Call::Read | Call::Write) => Ok(None),
            met => Ok(met),
        }
    }
}

impl Failure {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::from_raw_os_error(5),
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::Interrupted => io::ErrorKind::Interrupted.into(),
            Self::Short(_) => io::ErrorKind::WriteZero.into(), // not asked for: it is no error
            Self::End => io::Error::other("the process ends"),
        }
    }
}
