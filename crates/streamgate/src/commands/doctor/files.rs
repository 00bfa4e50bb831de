//! Files that may be open: each connection is one.

use super::line::{Line, Subject};
use crate::descriptors;

/// `allowed` as the server raises it; `None` if the system does not tell.
pub(super) fn line(allowed: Option<u64>, connections: u32) -> Line {
    let Some(allowed) = allowed else {
        return Line::warn(
            Subject::Files,
            "the system does not tell how many files may be open",
            "see to it that they are more than limits.connections",
        );
    };
    let room = descriptors::connections(allowed);
    if room >= connections {
        return Line::ok(Subject::Files, format!("{allowed} may be open, enough for {connections} connections"));
    }
    let needed = u64::from(connections).saturating_mul(5).div_ceil(4);
    Line::warn(
        Subject::Files,
        format!("{allowed} may be open, enough for {room} connections and not for {connections} (limits.connections)"),
        format!("allow {needed}: LimitNOFILE={needed} in the unit of systemd, `ulimit -Hn {needed}` in a shell"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_must_fit() {
        for (allowed, connections, start) in [
            (Some(62_500), 50_000, "ok    files     62500 may be open, enough for 50000 connections"),
            (
                Some(62_499),
                50_000,
                "warn  files     62499 may be open, enough for 49999 connections and not for 50000 (limits.connections); \
                 allow 62500: LimitNOFILE=62500",
            ),
            (Some(u64::MAX), u32::MAX, "ok    files "),
            (None, 1, "warn  files     the system does not tell"),
        ] {
            let line = line(allowed, connections).to_string();
            assert!(line.starts_with(start), "{line}");
        }
    }
}
