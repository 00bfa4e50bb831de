//! The data folder: whether a server could have it, or has it. Nothing in it is changed.

use std::fmt::Display;

use embedded_log::{Glance, OpenError, glance};

use super::line::{Line, Subject};
use crate::commands::folder::{Busy, refused};
use crate::config::{Config, format_duration, format_size};

/// Lines about it, and whether a server has it.
pub(super) fn look(config: &Config) -> (Vec<Line>, bool) {
    let folder = config.data.display();
    let kept = format!(
        "records are kept {} or until all come to {}, the oldest go first",
        format_duration(config.log.retention_age),
        format_size(config.log.retention_bytes)
    );
    let found = glance(&config.data);
    let is_held = matches!(found, Err(OpenError::Locked { .. }));
    let line = match found {
        Ok(Glance::Fresh) => Line::ok(Subject::Folder, format!("{folder} gets its files at the first start")),
        Ok(Glance::Log { free, reserve }) => room(&folder, free, config.log.reserve.map_or(reserve, |set| set as u64)),
        Err(OpenError::Locked { .. }) => Line::ok(Subject::Folder, format!("{folder} is in use by a running server")),
        Err(error) => Line::fail(
            Subject::Folder,
            refused(&error, &config.data, Busy::OtherFolder),
            "the server does not start with it",
        ),
    };
    (vec![line, Line::ok(Subject::Folder, kept)], is_held)
}

/// `reserve` is what has to stay free.
fn room(folder: impl Display, free: Option<u64>, reserve: u64) -> Line {
    match free {
        Some(free) if free < reserve => Line::fail(
            Subject::Folder,
            format!("{folder} has a log, and less than {} free (log.reserve): records are refused", shown(reserve)),
            "free some, or lower log.retention_bytes",
        ),
        Some(free) => Line::ok(Subject::Folder, format!("{folder} has a log, and {} free", shown(free))),
        None => Line::ok(Subject::Folder, format!("{folder} has a log, and an unknown number of bytes free")),
    }
}

/// In whole MiB.
fn shown(bytes: u64) -> String {
    format!("{}MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use embedded_log::{Log, Options};

    use super::super::line::Verdict;
    use super::*;

    #[test]
    fn room_below_the_reserve_refuses_records() {
        for (free, start) in [
            (
                Some((5 << 20) - 1),
                "fail  folder    f has a log, and less than 5MiB free (log.reserve): records are refused; free",
            ),
            (Some(5 << 20), "ok    folder    f has a log, and 5MiB free"),
            (None, "ok    folder    f has a log, and an unknown number of bytes free"),
        ] {
            let line = room("f", free, 5 << 20).to_string();
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn the_reserve_is_that_of_the_settings() {
        let data = tempfile::TempDir::new().unwrap();
        drop(Log::open(data.path(), Options::default()).unwrap());
        let mut config = Config { data: data.path().to_owned(), ..Config::default() };
        let begun = Instant::now();
        while look(&config).1 {
            assert!(begun.elapsed() < Duration::from_secs(60), "its writer ends by itself");
            std::thread::yield_now();
        }
        for (reserve, verdict) in [(Some(0), Verdict::Ok), (Some(usize::MAX), Verdict::Fail)] {
            config.log.reserve = reserve;
            let (lines, _) = look(&config);
            assert_eq!(lines[0].verdict, verdict, "{}", lines[0]);
        }
    }
}
