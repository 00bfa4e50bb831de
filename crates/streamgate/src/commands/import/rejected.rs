//! `FILE.rejected`: rows that were not written, with their lines and reasons, as CSV.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::sender::Rejected;
use super::{beside, list, trouble};
use crate::commands::CommandError;

/// The file, made when the first row is rejected.
pub(super) struct Rejects {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    count: u64,
}

pub(super) fn path(file: &Path) -> PathBuf {
    beside(file, ".rejected")
}

impl Rejects {
    /// The first `bytes` of what is there stay: rows behind come again.
    pub(super) fn open(of: &Path, bytes: u64) -> Result<Self, CommandError> {
        let path = path(of);
        let mut rejects = Self { path, file: None, bytes, count: 0 };
        let opened = match bytes {
            0 => match std::fs::remove_file(&rejects.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(None),
            },
            _ => cut(&rejects.path, bytes).map(Some),
        };
        rejects.file = opened.map_err(|error| trouble(&rejects.path, &error))?;
        Ok(rejects)
    }

    /// Adds rows of a piece.
    pub(super) fn add(&mut self, piece: &[u8], rejected: &[Rejected]) -> Result<(), CommandError> {
        if rejected.is_empty() {
            return Ok(());
        }
        let mut lines = if self.bytes == 0 { b"line,reason,row\n".to_vec() } else { Vec::new() };
        for Rejected { line, reason, start, end } in rejected {
            let row = piece.get(*start..*end).unwrap_or_default();
            let row = row.strip_suffix(b"\n").unwrap_or(row);
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            lines.extend_from_slice(format!("{line},").as_bytes());
            push_quoted(&mut lines, reason.as_bytes());
            lines.push(b',');
            push_quoted(&mut lines, &row[..row.len().min(SHOWN_BYTES)]);
            lines.push(b'\n');
        }
        self.write(&lines).map_err(|error| trouble(&self.path, &error))?;
        self.count += rejected.len() as u64;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Since this process began.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn flush(&mut self) -> Result<(), CommandError> {
        self.file.as_ref().map_or(Ok(()), File::sync_data).map_err(|error| trouble(&self.path, &error))
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(File::create(&self.path)?);
            list(&self.path)?;
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(lines))?;
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

fn cut(path: &Path, bytes: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.set_len(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for byte in text {
        out.push(*byte);
        if *byte == b'"' {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// Of a row; the file that it comes from has the rest.
const SHOWN_BYTES: usize = 4096;
