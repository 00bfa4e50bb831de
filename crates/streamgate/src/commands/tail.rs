//! `streamgate tail`: the packages of a topic, one per line, as they come.

use std::io::{self, Write};

use reqwest::Response;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    CommandError,
    client::Client,
    interrupted,
    package::{self, Gap},
    quiet_on_closed_pipe,
    target::{Missing, Target},
    text::escape,
};
use crate::args::TailArgs;

/// Prints to standard output until the end, Ctrl-C, or until nobody reads it any more.
pub async fn run(args: &TailArgs) -> Result<(), CommandError> {
    let (mut out, mut remarks) = (io::BufWriter::new(io::stdout()), io::stderr());
    let result = tokio::select! {
        result = run_to(args, &mut out, &mut remarks) => result,
        () = interrupted() => Ok(()),
    };
    quiet_on_closed_pipe(result)
}

/// The same with outputs of choice, for packages and for remarks about them, until the stream ends.
pub async fn run_to(args: &TailArgs, out: &mut impl Write, remarks: &mut impl Write) -> Result<(), CommandError> {
    let Target { client, .. } = &Target::reach(&args.server, Missing::Refuse).await?;
    let mut url = client.url(&["topics", &args.topic, "packages"]);
    url.query_pairs_mut().append_pair("from", args.start());
    if args.until_end {
        url.query_pairs_mut().append_pair("until_end", "true");
    }
    match client.send(client.http.get(url)).await {
        Ok(response) => Printer { client, json: args.json, out, remarks }.follow(response, args.until_end).await,
        Err(error) => Err(client.explain(&args.topic, error).await),
    }
}

struct Printer<'a, W, R> {
    client: &'a Client,
    json: bool,
    out: &'a mut W,
    remarks: &'a mut R,
}

impl<W: Write, R: Write> Printer<'_, W, R> {
    async fn follow(mut self, mut response: Response, until_end: bool) -> Result<(), CommandError> {
        let mut pending = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.client.failed(&error))? {
            pending.extend_from_slice(&chunk);
            let complete = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let printed = self.lines(&pending[..complete]);
            // What came before a broken line is good, and a terminal shows it now.
            self.out.flush()?;
            printed?;
            pending.drain(..complete);
            if pending.len() > MAX_LINE_BYTES {
                return Err(self.client.not_streamgate(format!("a line of more than {MAX_LINE_BYTES} bytes")));
            }
        }
        if !pending.is_empty() {
            return Err(CommandError::StreamEnded("in the middle of a package".to_owned()));
        }
        if until_end {
            Ok(())
        } else {
            Err(CommandError::StreamEnded("it is stopping, or the topic is gone".to_owned()))
        }
    }

    fn lines(&mut self, complete: &[u8]) -> Result<(), CommandError> {
        let lines = complete.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty()).try_for_each(|line| self.line(line))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), CommandError> {
        let kind: Line = serde_json::from_slice(line).map_err(|error| self.bad(&error))?;
        match (kind.offset, kind.error, kind.gap) {
            (None, Some(error), _) => {
                return Err(CommandError::StreamEnded(escape(error.trim_end_matches('.')).into_owned()));
            }
            (None, None, Some(gap)) => {
                // Packages before it are shown before it. Nobody may read remarks; the packages go on all the same.
                self.out.flush()?;
                let _ = writeln!(self.remarks, "note: {gap}");
                return Ok(());
            }
            _ => {}
        }
        if self.json {
            self.out.write_all(line)?;
            self.out.write_all(b"\n")?;
        } else {
            let package = serde_json::from_slice(line).map_err(|error| self.bad(&error))?;
            package::print(&package, self.out)?;
        }
        Ok(())
    }

    fn bad(&self, error: &serde_json::Error) -> CommandError {
        self.client.not_streamgate(format!("a line that is no package: {error}"))
    }
}

/// Enough of a line to tell a package, which has an offset, from a gap and from the error that ends a stream.
#[derive(Deserialize)]
struct Line {
    offset: Option<IgnoredAny>,
    error: Option<String>,
    gap: Option<Gap>,
}

/// More than any message a broker is set up for; something that sends no line breaks must not fill the memory.
const MAX_LINE_BYTES: usize = 256 << 20;
