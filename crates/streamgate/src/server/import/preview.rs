//! `POST /import/preview`: the beginning of a file in, what its columns are and what the first rows become out.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use quix_gateway::{Body, Problem, WritingProblems};
use quix_model::{Outgoing, WriteForm, WriteSettings};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use ways::csv::{Choices, Content, Item, Piece, SniffError, Sniffed, Unit, sniff};

use super::{asked, bad};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ask {
    /// What was chosen, as JSON: any of `delimiter`, `as`, `time`, `unit`, `tags`, `strings`, `skip`.
    #[serde(default)]
    choices: Option<String>,
    /// Whether the body is all of the file. Default false.
    #[serde(default)]
    whole: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportPreview)]
pub(super) struct Answer {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    sniffed: Sniffed,
    /// Why rows cannot be imported so.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// What the first rows become, as the value of a record: a text, since scripts would round its times.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    /// Rows among the first that would be rejected.
    rejected: Vec<Rejected>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedInPreview)]
struct Rejected {
    line: u64,
    reason: String,
}

/// Finds out what the columns of a CSV file are, from its beginning, and what its first rows become
///
/// Takes a time column of numbers without a unit: the mapping is then without one too, and `problem` says so.
#[utoipa::path(
    post, path = "/import/preview", tag = "Tools", params(Ask),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What was found.", body = Answer), WritingProblems),
)]
pub(super) async fn preview(
    query: Result<Query<Ask>, QueryRejection>,
    Body(body): Body,
) -> Result<Json<Answer>, Problem> {
    let ask = asked(query)?;
    let choices: Choices = match &ask.choices {
        Some(text) => serde_json::from_str(text).map_err(|error| bad(format!("the parameter 'choices': {error}")))?,
        None => Choices::default(),
    };
    let sniffed = match sniff(&body, ask.whole, &choices) {
        Err(SniffError::NoUnit { .. }) => {
            // By any unit the other columns are found out.
            let guess = Choices { unit: Some(Unit::S), ..choices };
            sniff(&body, ask.whole, &guess).map(|mut sniffed| {
                sniffed.mapping.unit = None;
                sniffed
            })
        }
        sniffed => sniffed,
    };
    let sniffed = sniffed.map_err(bad)?;
    if let Err(problem) = sniffed.mapping.check() {
        return Ok(Json(Answer { sniffed, problem: Some(problem.to_string()), first: None, rejected: Vec::new() }));
    }
    let (first, rejected) = first_rows(&body, ask.whole, &sniffed);
    Ok(Json(Answer { sniffed, problem: None, first, rejected }))
}

fn first_rows(body: &[u8], whole: bool, sniffed: &Sniffed) -> (Option<String>, Vec<Rejected>) {
    let mut batches = sniffed.mapping.batches();
    let mut rejected = Vec::new();
    let mut taken = 0;
    let Ok(mut piece) = Piece::begin(&sniffed.mapping, body, whole, None) else { return (None, rejected) };
    while let Some(item) = piece.next() {
        let Item::Row(row) = item else { continue };
        match if taken < SHOWN_ROWS { batches.push(&row) } else { batches.check(&row) } {
            Ok(()) => taken += 1,
            Err(reason) => rejected.push(Rejected { line: row.spot.line, reason: reason.to_string() }),
        }
        if rejected.len() == SHOWN_REJECTS {
            break;
        }
    }
    (batches.take().and_then(|batch| shown(&batch.content)), rejected)
}

/// The value of the first record, as JSON.
pub(crate) fn shown(content: &Content) -> Option<String> {
    match content {
        Content::Json(rows) => rows.first().cloned(),
        Content::Parameters(data) => value(Outgoing::ParameterData(data)),
        Content::Events(events) => value(Outgoing::Events(events)),
    }
}

/// The model alone, without what is around it in a record.
fn value(outgoing: Outgoing<'_>) -> Option<String> {
    let settings = WriteSettings { form: WriteForm::Headers, ..WriteSettings::default() };
    let records = settings.records(outgoing, "", 0).ok()?;
    String::from_utf8(records.into_iter().next()?.value).ok()
}

const SHOWN_ROWS: usize = 3;
const SHOWN_REJECTS: usize = 20;
