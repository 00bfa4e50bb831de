//! The data folder: whether a server could have it, or has it. Nothing in it is changed.

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
        Ok(Glance::Log { free, reserve }) if free.is_some_and(|free| free < reserve) => Line::fail(
            Subject::Folder,
            format!("{folder} has a log, and less than {} free: records are refused", shown(reserve)),
            "free some, or lower log.retention_bytes",
        ),
        Ok(Glance::Log { free, .. }) => {
            let free = free.map_or("an unknown number of bytes".to_owned(), shown);
            Line::ok(Subject::Folder, format!("{folder} has a log, and {free} free"))
        }
        Err(OpenError::Locked { .. }) => Line::ok(Subject::Folder, format!("{folder} is in use by a running server")),
        Err(error) => Line::fail(
            Subject::Folder,
            refused(&error, &config.data, Busy::OtherFolder),
            "the server does not start with it",
        ),
    };
    (vec![line, Line::ok(Subject::Folder, kept)], is_held)
}

/// In whole MiB.
fn shown(bytes: u64) -> String {
    format!("{}MiB", bytes >> 20)
}
