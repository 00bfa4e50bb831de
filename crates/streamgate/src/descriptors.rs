//! File descriptors: as many as the system allows, and no more connections than they suffice for.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and gives what then holds; `None` if the system does not tell.
pub(crate) fn raise() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { Some(hard) } else { Some(soft) }
}

/// Of so many descriptors, those that connections may take: the rest is for the broker, files, and refusing politely.
pub(crate) fn connections(descriptors: u64) -> u32 {
    u32::try_from(descriptors.saturating_mul(4) / 5).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_four_fifths() {
        for (descriptors, most) in [(1024, 819), (20_000, 16_000), (0, 1), (u64::MAX, u32::MAX)] {
            assert_eq!(connections(descriptors), most, "{descriptors}");
        }
    }
}
