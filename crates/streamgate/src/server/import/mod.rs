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

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use quix_gateway::{Gateway, Problem};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::claims::Claims;
pub(crate) use self::preview::shown as shown_rows;

/// `POST /import/preview`, and below a stream `PUT` and `POST …/imports/{import}`.
pub(super) fn router() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(preview::preview))
        .routes(routes!(claim::claim, write::write))
        .layer(Extension(Arc::<Claims>::default()))
}

/// Where a request goes.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
struct Address {
    /// Name or id of the topic.
    topic: String,
    /// Id of the stream.
    #[param(rename = "streamId")]
    stream: String,
    /// Id of the import, chosen by the client: 1 to 64 bytes that no other import of the stream has.
    import: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((topic, stream, import))| Self { topic, stream, import })
            .map_err(|error| Problem::not_written(error.status(), error.body_text()))
    }
}

/// What a query says.
fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(ask)| ask).map_err(|error| Problem::not_written(error.status(), error.body_text()))
}

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
