//! Files of one folder, and their content types.

use std::io;
use std::path::{Component, Path, PathBuf};

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use signalr_server::Body;

#[derive(Debug)]
pub(crate) struct StaticFiles {
    folder: PathBuf,
}

impl StaticFiles {
    pub(crate) fn below(folder: &Path) -> io::Result<Self> {
        let found = folder.canonicalize();
        let found = found.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot serve files of {}: {error}", folder.display()))
        });
        Ok(Self { folder: found? })
    }

    /// The file a request asks for, if there is one.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if request.method() != Method::GET {
            return None;
        }
        let name = match request.uri().path() {
            "/" => "default.html",
            path => path.strip_prefix('/')?,
        };
        let name = Path::new(name);
        // Nothing leads out of the folder.
        if !name.components().all(|component| matches!(component, Component::Normal(_))) {
            return None;
        }
        let path = self.folder.join(name);
        let bytes = tokio::task::spawn_blocking(move || std::fs::read(path)).await.ok()?.ok()?;
        let mut response = Response::new(Body::from(bytes));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        Some(response)
    }
}

fn content_type(name: &Path) -> &'static str {
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("js" | "mjs") => "text/javascript",
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}
