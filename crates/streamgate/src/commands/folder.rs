//! Data folders that cannot be used: one sentence, with what to do.

use std::path::Path;

use embedded_log::OpenError;

use super::CommandError;

/// What to do while another process has the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// For a server.
    OtherFolder,
    /// For a client command.
    AskServer,
    /// For `log`.
    StopServer,
}

/// Why a folder is not used, and what helps.
pub(crate) fn refused(error: &OpenError, folder: &Path, busy: Busy) -> CommandError {
    let folder = folder.display();
    let help = match (error, busy) {
        (OpenError::Locked { .. }, Busy::OtherFolder) => "stop that one, or name another folder with --data".to_owned(),
        (OpenError::Locked { .. }, Busy::AskServer) => "talk to its server with --url".to_owned(),
        (OpenError::Locked { .. }, Busy::StopServer) => "stop its server first".to_owned(),
        (OpenError::Damaged { .. }, Busy::StopServer) => "nothing was changed".to_owned(),
        (OpenError::Damaged { .. }, _) => format!(
            "nothing was changed: `streamgate log check --data {folder}` says what is affected, `streamgate log repair` \
             moves it aside"
        ),
        _ => return CommandError::Folder(error.to_string()),
    };
    CommandError::Folder(format!("{error}; {help}"))
}
