//! Why a run of the load generator failed.

/// A run that cannot go on. Loss and disorder are results, not errors.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A socket, a timer, or the process under load.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Connections did not open.
    #[error("{opened} of {wanted} connections opened: {reason}")]
    NotOpened {
        /// So many did.
        opened: usize,
        /// Of so many.
        wanted: usize,
        /// What the first failed one was told.
        reason: String,
    },
    /// The server refused a message of a run that waits for each.
    #[error("the server refused to publish: {0}")]
    Refused(String),
}
