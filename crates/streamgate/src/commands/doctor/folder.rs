//! The data folder: whether it opens, or who has it.

use std::path::Path;
use std::time::Duration;

use embedded_log::OpenError;

use super::line::{Line, Subject};
use crate::commands::folder::{Busy, refused};
use crate::config::{Config, format_duration, format_size};
use crate::server::{ChoiceError, choose_broker};

/// Lines about it, and the topics in it where they can be told without its server.
pub(super) async fn look(config: &Config) -> (Vec<Line>, Option<Vec<String>>) {
    let folder = &config.data;
    if is_fresh(folder) {
        return (vec![Line::ok(Subject::Folder, format!("{} is made by the first start", folder.display()))], None);
    }
    let kept = format!(
        "records are kept {} or until all come to {}, the oldest go first",
        format_duration(config.log.retention_age),
        format_size(config.log.retention_bytes)
    );
    let mut looking = config.clone();
    // Looking deletes nothing, however old it is.
    (looking.log.retention_age, looking.log.retention_bytes) = (CENTURY, usize::MAX / 2);
    let opened = choose_broker(&looking).await;
    let mut topics = None;
    let line = match opened {
        Ok(choice) => {
            topics = choice.broker.topics().await.ok();
            let count = topics.as_ref().map_or(0, Vec::len);
            Line::ok(Subject::Folder, format!("{} opens and has {count} topics", folder.display()))
        }
        Err(ChoiceError::Folder(error)) => unopened(folder, &error),
        Err(ChoiceError::Settings(error)) => Line::fail(Subject::Folder, error, "correct the settings"),
    };
    let names = topics.map(|topics| topics.into_iter().map(|topic| topic.name).collect());
    (vec![line, Line::ok(Subject::Folder, kept)], names)
}

/// Opening would make a log in it.
fn is_fresh(folder: &Path) -> bool {
    !folder.exists() || folder.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

fn unopened(folder: &Path, error: &OpenError) -> Line {
    match error {
        OpenError::Locked { .. } => {
            Line::ok(Subject::Folder, format!("{} is in use by a running server", folder.display()))
        }
        error => {
            Line::fail(Subject::Folder, refused(error, folder, Busy::OtherFolder), "the server does not start with it")
        }
    }
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
