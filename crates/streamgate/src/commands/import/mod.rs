//! `streamgate import csv`: a file into a topic, each row once, however often it takes.

mod bar;
mod checkpoint;
mod dry_run;
mod file;
mod pace;
mod rejected;
mod sender;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use ways::csv::{Mapping, sniff};

use self::bar::Bar;
use self::checkpoint::{Checkpoint, Checkpoints};
use self::file::{Contents, Source};
use self::pace::Pace;
use self::rejected::Rejects;
use self::sender::{Piece, Sender};
use super::target::{Missing, Target};
use super::{CommandError, interrupted};
use crate::args::CsvArgs;

/// Imports the file and prints the number of acknowledged rows to standard error.
pub async fn run(args: &CsvArgs) -> Result<(), CommandError> {
    let mut source = Source::open(&args.file)?;
    if args.dry_run {
        let sample = source.sample()?;
        let mapping = mapping(args, &sample)?;
        return dry_run::print(args, &mapping, &sample, &mut io::stdout());
    }
    let target = match &args.kafka {
        Some(brokers) => Target::over_kafka(brokers).await?,
        None => Target::reach(&args.server, Missing::Make).await?,
    };
    // One for all passes: Ctrl-C between two of them counts too.
    let mut interrupted = std::pin::pin!(interrupted());
    loop {
        let counts = import(args, &source, &target, &mut interrupted).await?;
        // Whoever closed standard error does not want to know; the rows are written all the same.
        let _ = writeln!(io::stderr(), "{counts}");
        if !args.looped {
            return Ok(());
        }
        source = Source::open(&args.file)?;
    }
}

fn mapping(args: &CsvArgs, sample: &file::Sample) -> Result<Mapping, CommandError> {
    let name = args.file.display();
    let mapping = sniff(&sample.bytes, sample.is_whole, &args.choices());
    let mapping = mapping.map_err(|error| CommandError::Import(format!("{name}: {error}")))?.mapping;
    mapping.check().map_err(|error| CommandError::Import(format!("{name}: {error}")))?;
    Ok(mapping)
}

/// One pass over the file.
async fn import(
    args: &CsvArgs,
    source: &Source,
    target: &Target,
    interrupted: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Counts, CommandError> {
    source.lock()?;
    let identity = source.identity()?;
    let (mut checkpoints, begun) = Checkpoints::open(&args.file)?;
    let checkpoint = match (begun, args.resume) {
        (Some(checkpoint), true) => checkpoint.of(args, &identity)?,
        (Some(checkpoint), false) => return Err(checkpoint::unfinished(&args.file, &checkpoint)),
        (None, true) => return Err(checkpoint::nothing_to_resume(&args.file)),
        (None, false) => Checkpoint::new(args, identity.clone(), mapping(args, &source.sample()?)?)?,
    };
    let contents = Contents::of(source, checkpoint.offset)?;
    let rejects = Rejects::open(&args.file, checkpoint.rejected_bytes)?;
    let bar = Bar::new(&args.file, &contents, checkpoint.rows);
    let mut sender = Sender::new(target, &args.topic, &args.stream, &checkpoint);
    tokio::select! {
        biased;
        () = &mut *interrupted => return Err(CommandError::Interrupted),
        begun = sender.begin(&bar) => begun?,
    }
    let first = checkpoint.placed(sender.place());
    checkpoints.write(&first)?;
    let mut pass = Pass { args, contents, rejects, bar, sender, checkpoints: &mut checkpoints, checkpoint: first };
    let result = pass.run(interrupted).await;
    match result {
        Ok(()) if source.identity()? != identity => {
            pass.save()?;
            Err(checkpoint::changed(&args.file, pass.checkpoint.rows))
        }
        Ok(()) => {
            let counts = pass.counts();
            checkpoints.remove()?;
            Ok(counts)
        }
        Err(error) => {
            pass.save()?;
            Err(CommandError::Unfinished { cause: Box::new(error), rows: pass.checkpoint.rows })
        }
    }
}

/// A pass over a file under way.
struct Pass<'a> {
    args: &'a CsvArgs,
    contents: Contents,
    rejects: Rejects,
    bar: Bar,
    sender: Sender<'a>,
    checkpoints: &'a mut Checkpoints,
    checkpoint: Checkpoint,
}

impl Pass<'_> {
    async fn run(&mut self, interrupted: &mut (impl Future<Output = ()> + Unpin)) -> Result<(), CommandError> {
        let mut pace = self.args.speed.factor().map(|factor| Pace::new(factor, self.checkpoint.mapping.clone()));
        let mut is_done = false;
        while !is_done {
            is_done = tokio::select! {
                biased;
                () = &mut *interrupted => return Err(CommandError::Interrupted),
                step = self.step(pace.as_mut()) => step?,
            };
        }
        Ok(())
    }

    /// Sends the next piece. Dropped before it is done, it has changed nothing here. Whether it was the last.
    async fn step(&mut self, pace: Option<&mut Pace>) -> Result<bool, CommandError> {
        let is_end = self.contents.fill().await?;
        let held = self.contents.held();
        let cursor = self.checkpoint.next.as_deref();
        let length = match pace {
            Some(pace) => pace.due(held, is_end, cursor).await,
            None => held.len(),
        };
        let is_last = is_end && length == held.len();
        let answer = self.sender.send(Piece { bytes: &held[..length], next: cursor, is_last }, &self.bar).await?;
        self.rejects.add(held, &answer.rejected)?;
        self.contents.consume(answer.consumed);
        self.checkpoint.advance(&answer, self.rejects.bytes());
        self.bar.set(self.contents.position(), self.checkpoint.rows, self.rejects.count());
        if self.checkpoints.are_due() {
            self.save()?;
        }
        Ok(is_last && answer.consumed == length)
    }

    fn save(&mut self) -> Result<(), CommandError> {
        self.rejects.flush()?;
        self.checkpoints.write(&self.checkpoint)
    }

    fn counts(&self) -> Counts {
        Counts {
            rows: self.checkpoint.rows,
            rejected: self.checkpoint.rejected,
            file: rejected::path(&self.args.file).display().to_string(),
        }
    }
}

/// What became of a file.
struct Counts {
    rows: u64,
    rejected: u64,
    file: String,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = if self.rows == 1 { "row" } else { "rows" };
        write!(f, "{} {unit} acknowledged", self.rows)?;
        match self.rejected {
            0 => Ok(()),
            rejected => write!(f, ", {rejected} rejected → {}", self.file),
        }
    }
}

/// `FILE` and an ending.
fn beside(file: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes durable that the file is in its folder.
fn list(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn trouble(file: &Path, error: &io::Error) -> CommandError {
    CommandError::Import(format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_listed_in_whatever_folder() {
        let folder = tempfile::tempdir().unwrap();
        for file in [folder.path().join("a.csv"), "a.csv".into()] {
            list(&file).unwrap();
        }
        assert!(list(&folder.path().join("no folder/a.csv")).is_err());
    }
}
