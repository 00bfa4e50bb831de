//! `Line`: what was found about one thing, and what to do.

use std::fmt::{self, Display};

use serde_json::{Value, json};

use crate::commands::text::escape;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) verdict: Verdict,
    pub(super) subject: Subject,
    what: String,
    /// Where it is not well.
    remedy: Option<String>,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and a promise is weaker by it.
    Warn,
    /// The server would not work, or not keep what it promises.
    Fail,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Program,
    Settings,
    Files,
    Server,
    Folder,
    Kafka,
    Topics,
    Clock,
}

impl Line {
    pub(super) fn ok(subject: Subject, what: impl Display) -> Self {
        Self { verdict: Verdict::Ok, subject, what: escape(&what.to_string()).into_owned(), remedy: None }
    }

    pub(super) fn warn(subject: Subject, what: impl Display, remedy: impl Display) -> Self {
        Self {
            verdict: Verdict::Warn,
            remedy: Some(escape(&remedy.to_string()).into_owned()),
            ..Self::ok(subject, what)
        }
    }

    pub(super) fn fail(subject: Subject, what: impl Display, remedy: impl Display) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(subject, what, remedy) }
    }

    /// The same, of these brokers only.
    pub(super) fn of(self, brokers: &[i32]) -> Self {
        let ids: Vec<_> = brokers.iter().map(i32::to_string).collect();
        let unit = if brokers.len() == 1 { "broker" } else { "brokers" };
        Self { what: format!("{unit} {}: {}", ids.join(", "), self.what), ..self }
    }

    /// One object; `remedy` only where there is one.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({ "verdict": self.verdict.word(), "subject": self.subject.word(), "what": self.what });
        if let Some(remedy) = &self.remedy {
            json["remedy"] = remedy.as_str().into();
        }
        json
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}  {:8}  {}", self.verdict.word(), self.subject.word(), self.what)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Settings => "settings",
            Self::Files => "files",
            Self::Server => "server",
            Self::Folder => "folder",
            Self::Kafka => "kafka",
            Self::Topics => "topics",
            Self::Clock => "clock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_columns_or_json_and_hold_no_control_characters() {
        for (line, text, json) in [
            (
                Line::ok(Subject::Kafka, "1 broker"),
                "ok    kafka     1 broker",
                json!({ "verdict": "ok", "subject": "kafka", "what": "1 broker" }),
            ),
            (
                Line::fail(Subject::Settings, "a\u{1b}[2Jb", "mend\nit"),
                "fail  settings  a\\u{1b}[2Jb; mend\\nit",
                json!({ "verdict": "fail", "subject": "settings", "what": "a\\u{1b}[2Jb", "remedy": "mend\\nit" }),
            ),
        ] {
            assert_eq!((line.to_string().as_str(), line.json()), (text, json));
        }
    }
}
