//! `POST /admin/revoke`, on the management listener only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, body};
use quix_gateway::Problem;
use serde::{Deserialize, Serialize};

use access::Revoked;

use super::{Credentials, entrance::Entrance};

/// The routes, for bearers of a token with the scope `admin`.
pub(super) fn router(credentials: Arc<Credentials>, entrance: Arc<Entrance>) -> Router {
    let routes = Router::new().route("/admin/revoke", post(revoke)).with_state(credentials);
    routes.layer(from_fn_with_state(entrance, let_in))
}

/// What is to be revoked; one of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// A token by its own id.
    jti: Option<String>,
    /// All tokens of a user.
    sub: Option<String>,
    /// A token.
    token: Option<String>,
    /// A token by its digest.
    sha256: Option<String>,
}

/// What was revoked, as the list of revocations has it, and whether there is a file that keeps it.
#[derive(Debug, Serialize)]
struct Done {
    revoked: String,
    kept: bool,
}

/// Pages of other origins have no business here, whatever token they know.
async fn let_in(Shared(entrance): Shared<Arc<Entrance>>, request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return Problem::new(StatusCode::FORBIDDEN, "Web pages may not administrate this server.").into_response();
    }
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let Some(client) = client else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let is_admin = match entrance.admit(&request, client) {
        Ok(visitor) => visitor.is_some_and(|visitor| visitor.grant().is_some_and(|grant| grant.scopes.admin)),
        Err(refused) => return *refused,
    };
    if !is_admin {
        let detail = "The token that was sent does not allow this; it needs the scope admin.";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

async fn revoke(Shared(credentials): Shared<Arc<Credentials>>, body: body::Body) -> Result<Json<Done>, Problem> {
    let body = body::to_bytes(body, MAX_BODY_BYTES).await;
    let body = body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."))?;
    let revoked = wanted(&body)?;
    let text = revoked.to_string();
    let kept = tokio::task::spawn_blocking(move || credentials.revoke(revoked)).await;
    match kept {
        Ok(Ok(kept)) => {
            tracing::info!(kept, "revoked: {}", text.escape_debug());
            Ok(Json(Done { revoked: text, kept }))
        }
        Ok(Err(error)) => {
            tracing::error!("nothing is revoked, as the file of auth.revocations_file cannot be written: {error}");
            let detail = "Nothing was revoked: the file of auth.revocations_file cannot be written.";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail))
        }
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Nothing was revoked.")),
    }
}

fn wanted(body: &Bytes) -> Result<Revoked, Problem> {
    let wrong = |why: &str| {
        let example = r#"{"jti": "ID"}, {"sub": "USER"}, {"token": "TOKEN"} or {"sha256": "DIGEST"}"#;
        Problem::new(StatusCode::BAD_REQUEST, format!("The body must be like {example}{why}"))
    };
    let wanted: Wanted = serde_json::from_slice(body).map_err(|_| wrong("."))?;
    // The list has a line for each.
    let is_line = |text: &String| !text.trim().is_empty() && text.trim() == *text && !text.contains(char::is_control);
    match wanted {
        Wanted { jti: Some(id), sub: None, token: None, sha256: None } if is_line(&id) => Ok(Revoked::TokenId(id)),
        Wanted { jti: None, sub: Some(user), token: None, sha256: None } if is_line(&user) => {
            Ok(Revoked::Subject(user))
        }
        Wanted { jti: None, sub: None, token: Some(token), sha256: None } => Ok(Revoked::of_token(&token)),
        Wanted { jti: None, sub: None, token: None, sha256: Some(digest) } => {
            digest.parse().map(Revoked::Token).map_err(|error| wrong(&format!("; the digest is {error}.")))
        }
        _ => Err(wrong(", one of them.")),
    }
}

const MAX_BODY_BYTES: usize = 16 * 1024;
