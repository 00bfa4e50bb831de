//! Standard input as batches: what is there at once goes together, an interactive line goes alone, the order stays.

use std::{
    io::{BufRead, BufReader, Read},
    thread,
    time::SystemTime,
};

use tokio::sync::mpsc;

use super::{
    CommandError,
    event::{Defaults, encode},
};

/// Events for one request, as NDJSON.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) body: String,
    pub(super) lines: u64,
    /// Bytes of input that the lines took, for the progress bar.
    pub(super) input_bytes: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.lines >= MAX_LINES || self.body.len() >= MAX_BYTES
    }

    /// Whether that much more still goes into one request; anything goes into an empty one.
    fn has_room(&self, lines: u64, bytes: usize) -> bool {
        self.lines == 0 || (self.lines + lines <= MAX_LINES && self.body.len() + bytes <= MAX_BYTES)
    }

    fn append(&mut self, other: &Self) {
        self.body.push_str(&other.body);
        self.lines += other.lines;
        self.input_bytes += other.input_bytes;
    }
}

/// The batches of an input, read on a thread of its own: a blocked read of a terminal cannot be cancelled, and must not
/// keep the process from ending.
pub(super) struct Batches {
    receiver: mpsc::Receiver<Result<Batch, CommandError>>,
    waiting: Option<Result<Batch, CommandError>>,
}

impl Batches {
    pub(super) fn read(input: impl Read + Send + 'static, defaults: Defaults) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUED_BATCHES);
        thread::spawn(move || {
            let mut reader = Lines { reader: BufReader::with_capacity(READ_BUFFER, input), number: 0, defaults };
            // A closed channel means that nobody wants the rest.
            let send = |batch| sender.blocking_send(Ok(batch)).is_ok();
            if let Err(error) = reader.batches(send) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        Self { receiver, waiting: None }
    }

    /// The next request's worth, joined from what was read meanwhile. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Result<Batch, CommandError>> {
        let first = match self.waiting.take() {
            Some(waiting) => waiting,
            None => self.receiver.recv().await?,
        };
        let Ok(mut batch) = first else {
            return Some(first);
        };
        while let Ok(more) = self.receiver.try_recv() {
            match more {
                Ok(more) if batch.has_room(more.lines, more.body.len()) => batch.append(&more),
                other => {
                    self.waiting = Some(other);
                    break;
                }
            }
        }
        Some(Ok(batch))
    }
}

struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    defaults: Defaults,
}

impl<R: Read> Lines<R> {
    /// Hands out all batches; lines before a bad one are handed out before the error.
    fn batches(&mut self, mut send: impl FnMut(Batch) -> bool) -> Result<(), CommandError> {
        let mut batch = Batch::default();
        loop {
            let line = self.line();
            if let Ok(Some(line)) = &line {
                if !batch.has_room(line.lines, line.body.len()) && !send(std::mem::take(&mut batch)) {
                    return Ok(());
                }
                batch.append(line);
                if !batch.is_full() && self.reader.buffer().contains(&b'\n') {
                    continue;
                }
            }
            if batch.lines > 0 && !send(std::mem::take(&mut batch)) {
                return Ok(());
            }
            if line?.is_none() {
                return Ok(());
            }
        }
    }

    /// One line as a batch of one, or `None` at the end of input.
    fn line(&mut self) -> Result<Option<Batch>, CommandError> {
        let mut bytes = Vec::new();
        self.number += 1;
        let read = self.reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes);
        let read = read.map_err(|error| self.bad(format!("cannot be read: {error}")))? as u64;
        if read == 0 {
            return Ok(None);
        }
        if read == MAX_LINE_BYTES && bytes.last() != Some(&b'\n') {
            return Err(self.bad(format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        let text = bytes.strip_suffix(b"\n").map_or(bytes.as_slice(), |line| line.strip_suffix(b"\r").unwrap_or(line));
        let text =
            std::str::from_utf8(text).map_err(|_| self.bad("not UTF-8, so it cannot be sent unchanged".to_owned()))?;
        let mut body = encode(text, &self.defaults, now()).map_err(|error| self.bad(error.to_string()))?;
        body.push('\n');
        Ok(Some(Batch { body, lines: 1, input_bytes: read }))
    }

    fn bad(&self, problem: String) -> CommandError {
        CommandError::Input { line: self.number, problem }
    }
}

/// Nanoseconds since 1970, the unit of event timestamps.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Of one request.
const MAX_LINES: u64 = 1_000;
const MAX_BYTES: usize = 1 << 20;

/// Beyond any server's limit for an event; the server says what its own is.
const MAX_LINE_BYTES: u64 = 64 << 20;

const READ_BUFFER: usize = 256 << 10;

/// Few: while a request is on its way, the next one's worth is enough.
const QUEUED_BATCHES: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn batches_of(input: impl Into<Vec<u8>>) -> (Vec<Batch>, Option<String>) {
        let defaults = Defaults { stream: "s".to_owned(), id: "i".to_owned() };
        let reader = BufReader::with_capacity(READ_BUFFER, Cursor::new(input.into()));
        let mut batches = Vec::new();
        let end = Lines { reader, number: 0, defaults }.batches(|batch| {
            batches.push(batch);
            true
        });
        (batches, end.err().map(|error| error.to_string()))
    }

    fn values(batches: &[Batch]) -> Vec<String> {
        let lines = batches.iter().flat_map(|batch| batch.body.lines());
        let value =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_str().unwrap().to_owned();
        lines.map(value).collect()
    }

    #[test]
    fn what_is_there_goes_together_in_order() {
        let (batches, end) = batches_of("a\nb\r\n\nlast");
        assert_eq!(end, None);
        assert_eq!(values(&batches), ["a", "b", "", "last"]);
        // The last line has no line break, so it is not known to be whole when the others are.
        assert_eq!(batches.iter().map(|batch| batch.lines).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(batches.iter().map(|batch| batch.input_bytes).sum::<u64>(), 10);
    }

    #[test]
    fn a_request_holds_1000_lines_or_a_mebibyte() {
        let (batches, _) = batches_of("x\n".repeat(2_500));
        assert_eq!(batches.iter().map(|batch| batch.lines).collect::<Vec<_>>(), [1_000, 1_000, 500]);

        let (batches, _) = batches_of(format!("{}\n", "y".repeat(100_000)).repeat(25));
        assert_eq!(batches.iter().map(|batch| batch.lines).sum::<u64>(), 25);
        assert!(batches.iter().all(|batch| batch.body.len() <= 1_048_576));

        let (batches, _) = batches_of(format!("a\n{}\nb\n", "z".repeat(2 << 20)));
        assert_eq!(batches.iter().map(|batch| batch.lines).sum::<u64>(), 3);
        assert!(batches.iter().all(|batch| batch.body.len() <= 1_048_576 || batch.lines == 1));
    }

    #[test]
    fn lines_before_a_bad_one_are_not_lost() {
        let (batches, end) = batches_of(b"good\n\xff\xfe\nnever\n".as_slice());
        assert_eq!(values(&batches), ["good"]);
        assert_eq!(end.as_deref(), Some("standard input, line 2: not UTF-8, so it cannot be sent unchanged"));
    }

    #[tokio::test]
    async fn what_was_read_meanwhile_is_joined() {
        let (sender, receiver) = mpsc::channel(QUEUED_BATCHES);
        let one = |lines| Batch { body: "e\n".repeat(lines), lines: lines as u64, input_bytes: 2 };
        for lines in [1, 2, 998] {
            sender.send(Ok(one(lines))).await.unwrap();
        }
        drop(sender);
        let mut batches = Batches { receiver, waiting: None };
        assert_eq!(batches.next().await.unwrap().unwrap().lines, 3);
        assert_eq!(batches.next().await.unwrap().unwrap().lines, 998);
        assert!(batches.next().await.is_none());
    }
}
