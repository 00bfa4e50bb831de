//! CSV imports over HTTP: what a file's columns are, who writes an import now, and pieces of it into a topic.
//!
//! An import is known by an id that its client chose, and each record of it says in a header which rows it holds. A client
//! first *claims* the import: claims before lose their right to write, what they handed over is waited for, and the rows
//! that the topic holds are read from it. Pieces that come by the new claim leave those rows out. So a client that does not
//! know what became of its requests, or was killed, claims anew and sends again from the last piece it knows of; each row is
//! written once. All that is kept here can be lost: whoever then comes with a claim is told to claim anew.

mod claim;
mod claims;
mod place;
mod preview;
mod write;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Extension, Router};
use quix_gateway::{Gateway, Problem};

use self::claims::Claims;
pub(crate) use self::preview::shown as shown_rows;

/// `POST /import/preview`, and below a stream `PUT` and `POST …/imports/{import}`.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    let write = put(claim::claim).post(write::write);
    Router::new()
        .route("/import/preview", post(preview::preview))
        .route("/topics/{topic}/streams/{stream}/imports/{import}", write)
        .layer(Extension(Arc::<Claims>::default()))
        .with_state(gateway)
}

/// The parts of an address.
type At = (String, String, String);

fn bad(detail: impl std::fmt::Display) -> Problem {
    Problem::not_written(StatusCode::BAD_REQUEST, sentence(&detail.to_string()))
}

/// A claim that is not the import's last one, or that this server knows nothing of.
fn claim_anew() -> Problem {
    let detail = "The import was claimed by another since, a request of it failed, or the server was started anew; claim it again.";
    Problem::not_written(StatusCode::CONFLICT, detail)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
