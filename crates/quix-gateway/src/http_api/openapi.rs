//! The OpenAPI document of the routes, and the Swagger UI that shows it, at the addresses where Quix has them.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_swagger_ui::{Config, Url};

use super::schemas;
use crate::errors::Problem;

/// What the document says before the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Streamgate",
        version = "1.0",
        description = "The HTTP API of the Quix Streaming Writer, and routes of our own for tools. Websockets are at `/hub`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "Writer", description = "Quix's Streaming Writer API."),
        (name = "Tools", description = "Ours: topics, and whole topics as lines."),
    ),
    components(schemas(schemas::Problem)),
    security((), ("token" = [])),
    modifiers(&Token),
)]
struct Head;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

pub(super) fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The routes below `/swagger`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(document: &utoipa::openapi::OpenApi) -> Router<S> {
    let json = Bytes::from(document.to_json().expect("a document of texts and numbers always serialises"));
    let document = move || async move { ([(header::CONTENT_TYPE, "application/json")], json) };
    // Relative, for proxies that put the server below a path of their own.
    Router::new()
        .route("/swagger", get(async || Redirect::temporary("swagger/index.html")))
        .route("/swagger/", get(async || Redirect::temporary("index.html")))
        .route("/swagger/v1/swagger.json", get(document))
        .route("/swagger/{*file}", get(async |Path(file): Path<String>| page(&file)))
}

fn page(file: &str) -> Response {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        let versions = [Url::new("v1", "v1/swagger.json")];
        // It would send the document's address to others.
        Arc::new(Config::new(versions).validator_url("none"))
    });
    match utoipa_swagger_ui::serve(file, CONFIG.clone()) {
        Ok(Some(file)) => {
            let headers = [(header::CONTENT_TYPE, &*file.content_type), (header::CONTENT_SECURITY_POLICY, POLICY)];
            (headers, file.bytes.into_owned()).into_response()
        }
        Ok(None) => Problem::nowhere().into_response(),
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The UI draws icons from `data:` addresses and sets styles in its markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
