//! Errors of hub methods, and the one place that turns them into the texts of completions.

use signalr_proto::{BindError, EncodeError, ErrorDetail};

/// Why a hub method failed.
///
/// The caller reads `An unexpected error occurred invoking 'T' on the server. KIND: TEXT`; the part after the first
/// sentence only if the error was raised for the caller, or with detailed errors on. Source: ASP.NET Core.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct HubError {
    kind: &'static str,
    text: String,
    for_caller: bool,
}

impl HubError {
    /// An error raised for the caller, of the kind `HubException`; its text is always told.
    pub fn new(text: impl Into<String>) -> Self {
        Self::of_kind("HubException", text)
    }

    /// An error raised for the caller under a kind of its own, which programs can tell apart; its text is always told.
    pub fn of_kind(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), for_caller: true }
    }

    /// A fault inside; the caller is told that there was one, and with [`ErrorDetail::All`] which.
    pub fn internal(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), for_caller: false }
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether it was raised for the caller, who is then always told.
    pub fn is_for_caller(&self) -> bool {
        self.for_caller
    }

    /// Its text, without the kind.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Something could not be sent because it could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("cannot send '{target}': {cause}")]
pub struct SendError {
    pub(crate) target: String,
    pub(crate) cause: EncodeError,
}

impl From<SendError> for HubError {
    fn from(error: SendError) -> Self {
        Self::internal("SerializationException", error.to_string())
    }
}

/// Why a call is answered with an error.
#[derive(Debug)]
pub(crate) enum CallError {
    UnknownTarget,
    Arguments(BindError),
    Unauthorized,
    PlainByStream,
    StreamByPlain,
    UploadStreams {
        sent: usize,
        expected: usize,
    },
    /// A stream of this id runs already.
    IdInUse(String),
    Method(HubError),
    /// A stream failed after it had begun.
    Streaming(HubError),
    Result(EncodeError),
}

impl CallError {
    /// The text of the completion, by ASP.NET Core's wording.
    pub(crate) fn text(&self, target: &str, detail: ErrorDetail) -> String {
        match self {
            Self::UnknownTarget => {
                format!(
                    "Failed to invoke '{target}' due to an error on the server. HubException: Method does not exist."
                )
            }
            Self::Arguments(error) => {
                let text = format!("Failed to invoke '{target}' due to an error on the server.");
                match (error, detail) {
                    (_, ErrorDetail::Hidden) => text,
                    (BindError::Count { .. }, _) => format!("{text} InvalidDataException: {error}"),
                    (BindError::Type { .. }, _) => format!(
                        "{text} InvalidDataException: Error binding arguments. Make sure that the types of the provided \
                         values match the types of the hub method being invoked. {error}"
                    ),
                }
            }
            Self::Unauthorized => format!("Failed to invoke '{target}' because user is unauthorized"),
            Self::PlainByStream => format!(
                "The client attempted to invoke the non-streaming '{target}' method with a streaming invocation."
            ),
            Self::StreamByPlain => format!(
                "The client attempted to invoke the streaming '{target}' method with a non-streaming invocation."
            ),
            Self::UploadStreams { sent, expected } => format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {sent} \
                 stream(s), Hub method expects {expected}."
            ),
            Self::IdInUse(id) => format!("Invocation ID '{id}' is already in use."),
            Self::Method(error) => {
                let text = format!("An unexpected error occurred invoking '{target}' on the server.");
                with_details(text, error, detail)
            }
            Self::Streaming(error) => {
                with_details("An error occurred on the server while streaming results.".to_owned(), error, detail)
            }
            Self::Result(error) => {
                let text = format!("An unexpected error occurred invoking '{target}' on the server.");
                if detail == ErrorDetail::All { format!("{text} SerializationException: {error}") } else { text }
            }
        }
    }

    /// Closed set of labels for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::UnknownTarget => "unknown_method",
            Self::Unauthorized => "unauthorized",
            Self::Arguments(_)
            | Self::PlainByStream
            | Self::StreamByPlain
            | Self::UploadStreams { .. }
            | Self::IdInUse(_) => "bad_arguments",
            Self::Method(_) | Self::Streaming(_) | Self::Result(_) => "error",
        }
    }
}

fn with_details(text: String, error: &HubError, detail: ErrorDetail) -> String {
    if error.for_caller || detail == ErrorDetail::All { format!("{text} {error}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_the_original() {
        let count = || CallError::Arguments(BindError::Count { provided: 2, expected: 1 });
        let own = CallError::Method(HubError::of_kind("NotWritten", "Full."));
        let internal = || CallError::Method(HubError::internal("IoError", "disk"));
        let rows = [
            (
                CallError::UnknownTarget,
                ErrorDetail::Hidden,
                "Failed to invoke 'T' due to an error on the server. HubException: Method does not exist.",
            ),
            (count(), ErrorDetail::Hidden, "Failed to invoke 'T' due to an error on the server."),
            (
                count(),
                ErrorDetail::ClientFaults,
                "Failed to invoke 'T' due to an error on the server. InvalidDataException: Invocation provides 2 \
                 argument(s) but target expects 1.",
            ),
            (own, ErrorDetail::Hidden, "An unexpected error occurred invoking 'T' on the server. NotWritten: Full."),
            (internal(), ErrorDetail::ClientFaults, "An unexpected error occurred invoking 'T' on the server."),
            (internal(), ErrorDetail::All, "An unexpected error occurred invoking 'T' on the server. IoError: disk"),
            (
                CallError::UploadStreams { sent: 2, expected: 0 },
                ErrorDetail::Hidden,
                "An unexpected error occurred invoking 'T' on the server. HubException: Client sent 2 stream(s), Hub \
                 method expects 0.",
            ),
            (CallError::Unauthorized, ErrorDetail::All, "Failed to invoke 'T' because user is unauthorized"),
            (CallError::IdInUse("x".into()), ErrorDetail::All, "Invocation ID 'x' is already in use."),
        ];
        for (error, detail, text) in rows {
            assert_eq!(error.text("T", detail), text);
        }
    }
}
