//! `Sender`: pieces of a file to a server, one after the other, each until it is acknowledged. After any doubt the import is
//! claimed anew, by which the server finds out which rows it has; then the same piece goes again.

use std::time::{Duration, Instant};

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ways::csv::Mapping;

use super::bar::Bar;
use super::checkpoint::Checkpoint;
use crate::commands::CommandError;
use crate::commands::target::Target;

pub(super) struct Sender<'a> {
    target: &'a Target,
    topic: String,
    url: Url,
    mapping: Mapping,
    place: Option<Box<RawValue>>,
    /// `None`: to be claimed before the next piece.
    claim: Option<String>,
}

/// A part of the file, from the beginning of a row on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    /// As the answer to the piece before had it.
    pub(super) next: Option<&'a str>,
    pub(super) is_last: bool,
}

/// To a piece: all up to `consumed` is stored or rejected.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) consumed: usize,
    pub(super) next: String,
    pub(super) rows: u64,
    pub(super) rejected: Vec<Rejected>,
    /// Where to look for what comes after, should the import be claimed anew; `None`: as before.
    pub(super) place: Option<Box<RawValue>>,
}

/// A row that was not written.
#[derive(Debug, Deserialize)]
pub(super) struct Rejected {
    /// Of the file, from 1.
    pub(super) line: u64,
    /// Where it stands in the piece.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) reason: String,
}

#[derive(Serialize)]
struct Ask<'a> {
    mapping: &'a Mapping,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: &'a Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Claimed {
    claim: String,
    place: Option<Box<RawValue>>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(target: &'a Target, topic: &str, stream: &str, checkpoint: &Checkpoint) -> Self {
        let url = target.client.url(&["topics", topic, "streams", stream, "imports", &checkpoint.import]);
        let (mapping, place) = (checkpoint.mapping.clone(), checkpoint.place.clone());
        Self { target, topic: topic.to_owned(), url, mapping, place, claim: None }
    }

    /// Where the server is to look for what the import wrote.
    pub(super) fn place(&self) -> Option<Box<RawValue>> {
        self.place.clone()
    }

    /// Takes the import before its first piece, from whoever had it. A server that is not ready is waited for; one that
    /// does not answer may be the wrong one.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) async fn begin(&mut self, bar: &Bar) -> Result<(), CommandError> {
        let mut patience = Patience::new();
        while let Err(error) = self.claim().await {
            patience.wait(error, is_not_ready, bar).await?;
        }
        bar.say("");
        Ok(())
    }

    async fn claim(&mut self) -> Result<(), CommandError> {
        let client = &self.target.client;
        let request = client.http.put(self.url.clone()).json(&Ask { mapping: &self.mapping, place: &self.place });
        let response = match client.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(client.explain(&self.topic, error).await),
        };
        let claimed: Claimed = client.json(response).await?;
        self.claim = Some(claimed.claim);
        self.place = claimed.place;
        Ok(())
    }

    /// Sends a piece until it is acknowledged. The bar says while it has to wait for the server.
    ///
    /// # Errors
    /// What another try would not change, or what has lasted for [`PATIENCE`].
    pub(super) async fn send(&mut self, piece: Piece<'_>, bar: &Bar) -> Result<Answer, CommandError> {
        let mut patience = Patience::new();
        loop {
            match self.try_send(piece).await {
                Ok(answer) => {
                    if answer.place.is_some() {
                        self.place.clone_from(&answer.place);
                    }
                    return Ok(answer);
                }
                Err(error) => {
                    self.claim = None;
                    patience.wait(error, may_pass, bar).await?;
                }
            }
        }
    }

    async fn try_send(&mut self, piece: Piece<'_>) -> Result<Answer, CommandError> {
        if self.claim.is_none() {
            self.claim().await?;
        }
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("claim", self.claim.as_deref().unwrap_or_default());
            if let Some(next) = piece.next {
                query.append_pair("next", next);
            }
            query.append_pair("last", if piece.is_last { "true" } else { "false" });
        }
        let client = &self.target.client;
        let request = client.http.post(url).header("content-type", "text/csv").body(piece.bytes.to_vec());
        let answer: Answer = client.json(client.send(request).await?).await?;
        if answer.consumed > piece.bytes.len() {
            return Err(client.not_streamgate("it read more than was sent".to_owned()));
        }
        Ok(answer)
    }
}

/// With a server that is away or not ready: tries are farther and farther apart, and come to an end.
struct Patience {
    begun: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { begun: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Waits until the next try.
    ///
    /// # Errors
    /// The same, if it will not pass or has lasted for [`PATIENCE`].
    async fn wait(
        &mut self,
        error: CommandError,
        may_pass: fn(&CommandError) -> bool,
        bar: &Bar,
    ) -> Result<(), CommandError> {
        let said = format!("{error}; trying again");
        let pause = self.pause(error, may_pass, Instant::now())?;
        bar.say(&said);
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn pause(
        &mut self,
        error: CommandError,
        may_pass: fn(&CommandError) -> bool,
        now: Instant,
    ) -> Result<Duration, CommandError> {
        if !may_pass(&error) {
            return Err(error);
        }
        if now > self.begun + PATIENCE {
            return Err(if is_taken(&error) { taken() } else { error });
        }
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        Ok(pause)
    }
}

/// Whether the same may be taken later. Whether it was taken already, a new claim finds out.
fn may_pass(error: &CommandError) -> bool {
    match error {
        CommandError::Unreachable { .. } | CommandError::TimedOut { .. } | CommandError::Broken { .. } => true,
        _ => is_not_ready(error),
    }
}

fn is_not_ready(error: &CommandError) -> bool {
    matches!(error, CommandError::Refused(problem) if matches!(problem.status, 408 | 429 | 500..=599))
        || is_taken(error)
}

/// A later claim has come: of a request of ours that came late, or of another process, or the server has forgotten ours.
fn is_taken(error: &CommandError) -> bool {
    matches!(error, CommandError::Refused(problem) if problem.status == 409)
}

fn taken() -> CommandError {
    let why =
        "another process claims the same import again and again, by a copy of its checkpoint; let one of them end";
    CommandError::Import(why.to_owned())
}

/// How long a server may be away.
const PATIENCE: Duration = Duration::from_secs(120);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::error::Problem;

    #[test]
    fn a_claim_that_is_taken_is_made_again_and_only_at_the_end_somebody_else_is_said_to_be_there() {
        let refused = |status| CommandError::Refused(Box::new(Problem { status, ..Problem::default() }));
        let mut patience = Patience::new();
        let mut pauses = |status: u16, after: Duration| {
            let now = patience.begun + after;
            patience.pause(refused(status), is_not_ready, now).map_err(|error| error.to_string())
        };
        for status in [409, 503] {
            assert!(pauses(status, Duration::ZERO).is_ok());
            assert!(pauses(status, PATIENCE).unwrap() <= LONGEST_PAUSE);
            let said = pauses(status, PATIENCE + FIRST_PAUSE).unwrap_err();
            assert_eq!(said.starts_with("another process claims the same import again and again"), status == 409);
        }
        assert!(pauses(410, Duration::ZERO).is_err());
    }
}
