//! `FILE.checkpoint`: how far an import of a file has come, as its server acknowledged it. Written before the first row and
//! about once a second; an older one is as good, since the server knows which rows behind it are stored.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ways::csv::Mapping;

use super::file::Identity;
use super::sender::Answer;
use super::{beside, list, trouble};
use crate::args::CsvArgs;
use crate::commands::CommandError;

/// What a later run needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Id of the import.
    pub(super) import: String,
    topic: String,
    stream: String,
    file: Identity,
    pub(super) mapping: Mapping,
    /// Bytes of the file, unpacked, that are done with.
    pub(super) offset: u64,
    /// For the server, with the next piece; `None`: it is the first.
    pub(super) next: Option<String>,
    /// Where the server is to look for what came after; `None`: the import was not claimed yet.
    pub(super) place: Option<Box<RawValue>>,
    /// Rows acknowledged.
    pub(super) rows: u64,
    /// Rows rejected.
    pub(super) rejected: u64,
    /// Length of `FILE.rejected`.
    pub(super) rejected_bytes: u64,
}

impl Checkpoint {
    pub(super) fn new(args: &CsvArgs, file: Identity, mapping: Mapping) -> Result<Self, CommandError> {
        let random = getrandom::u64().map_err(|error| CommandError::System(io::Error::other(error)))?;
        Ok(Self {
            import: format!("{random:016x}"),
            topic: args.topic.clone(),
            stream: args.stream.clone(),
            file,
            mapping,
            offset: 0,
            next: None,
            place: None,
            rows: 0,
            rejected: 0,
            rejected_bytes: 0,
        })
    }

    /// The same, if it is of this file, topic and stream.
    pub(super) fn of(self, args: &CsvArgs, file: &Identity) -> Result<Self, CommandError> {
        let wrong = |what: &str| {
            let path = path(&args.file);
            Err(CommandError::Import(format!("{}: {what}; remove it to begin a new import", path.display())))
        };
        if self.file != *file {
            return wrong("the file has changed since this checkpoint");
        }
        if (&self.topic, &self.stream) != (&args.topic, &args.stream) {
            return wrong(&format!("it is of stream '{}' of topic '{}'", self.stream, self.topic));
        }
        Ok(self)
    }

    pub(super) fn placed(self, place: Option<Box<RawValue>>) -> Self {
        Self { place, ..self }
    }

    /// A piece was acknowledged.
    pub(super) fn advance(&mut self, answer: &Answer, rejected_bytes: u64) {
        self.offset += answer.consumed as u64;
        self.next = Some(answer.next.clone());
        self.rows += answer.rows;
        self.rejected += answer.rejected.len() as u64;
        self.rejected_bytes = rejected_bytes;
        if answer.place.is_some() {
            self.place.clone_from(&answer.place);
        }
    }
}

pub(super) fn path(file: &Path) -> PathBuf {
    beside(file, ".checkpoint")
}

pub(super) fn unfinished(file: &Path, checkpoint: &Checkpoint) -> CommandError {
    CommandError::Import(format!(
        "an import of {} was cut off after {} rows: --resume goes on; to begin a new one, which writes them again, remove {}",
        file.display(),
        checkpoint.rows,
        path(file).display()
    ))
}

pub(super) fn changed(file: &Path, rows: u64) -> CommandError {
    CommandError::Import(format!(
        "{} changed while it was imported; {rows} rows are written, some perhaps of what it was before. To import all of it \
         again, remove {}",
        file.display(),
        path(file).display()
    ))
}

pub(super) fn nothing_to_resume(file: &Path) -> CommandError {
    CommandError::Import(format!("there is no {}, so there is nothing to resume", path(file).display()))
}

/// The file.
pub(super) struct Checkpoints {
    path: PathBuf,
    /// Whether the folder is known to list it even after a power cut.
    is_listed: bool,
    written: Instant,
}

impl Checkpoints {
    /// And the checkpoint in it, if there is one.
    pub(super) fn open(of: &Path) -> Result<(Self, Option<Checkpoint>), CommandError> {
        let path = path(of);
        let begun = match std::fs::read(&path) {
            Ok(text) => Some(serde_json::from_slice(&text).map_err(|error| {
                let path = path.display();
                CommandError::Import(format!("{path} is no checkpoint: {error}; remove it to begin a new import"))
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(trouble(&path, &error)),
        };
        Ok((Self { path, is_listed: false, written: Instant::now() }, begun))
    }

    /// Whether the last one is a while ago.
    pub(super) fn are_due(&self) -> bool {
        self.written.elapsed() >= INTERVAL
    }

    /// Replaces the last one, at once or not at all.
    pub(super) fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), CommandError> {
        let new = beside(&self.path, ".new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(checkpoint)?)?;
            file.sync_data()?;
            std::fs::rename(&new, &self.path)?;
            if self.is_listed { Ok(()) } else { list(&self.path) }
        };
        write().map_err(|error: io::Error| trouble(&self.path, &error))?;
        (self.is_listed, self.written) = (true, Instant::now());
        Ok(())
    }

    /// The import is done.
    pub(super) fn remove(self) -> Result<(), CommandError> {
        std::fs::remove_file(&self.path).map_err(|error| trouble(&self.path, &error))
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
