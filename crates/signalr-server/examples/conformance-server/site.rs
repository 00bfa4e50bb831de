//! `Site`: all that is answered, and in which order.

use std::io;
use std::path::Path;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use signalr_server::Body;

use crate::cookies;
use crate::cors::Cors;
use crate::hubs::Hubs;
use crate::paths;
use crate::redirects::Redirects;
use crate::static_files::StaticFiles;
use crate::tokens::Tokens;

#[derive(Debug)]
pub(crate) struct Site {
    static_files: Option<StaticFiles>,
    redirects: Redirects,
    tokens: Tokens,
    hubs: Hubs,
}

impl Site {
    pub(crate) fn new(static_files: Option<&Path>) -> io::Result<Self> {
        let tokens = Tokens::new()?;
        Ok(Self {
            static_files: static_files.map(StaticFiles::below).transpose()?,
            redirects: Redirects::default(),
            hubs: Hubs::new(&tokens),
            tokens,
        })
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>, is_secure: bool) -> Response<Body> {
        let cors = Cors::of(&request);
        let mut response = self.file_or_route(request, &cors, is_secure).await;
        cors.apply(response.headers_mut());
        response
    }

    async fn file_or_route(&self, request: Request<Incoming>, cors: &Cors, is_secure: bool) -> Response<Body> {
        if let Some(files) = &self.static_files
            && let Some(file) = files.answer(&request).await
        {
            return file;
        }
        if let Some(refused_or_preflight) = cors.answer() {
            return refused_or_preflight;
        }
        if let Some(redirect) = self.redirects.answer(&request) {
            return redirect;
        }
        let gets_cookies = request.uri().path().to_ascii_lowercase().contains("/negotiate");
        let mut response = self.route(request).await;
        if gets_cookies {
            cookies::set(is_secure, response.headers_mut());
        }
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if paths::below(path, "/bad-negotiate").is_some() {
            return text(StatusCode::BAD_REQUEST, "Some response from server".to_owned());
        }
        if request.method() == Method::GET {
            if path.eq_ignore_ascii_case("/generateJwtToken") {
                return text(StatusCode::OK, self.tokens.issue(request.uri().query()));
            }
            if let Some(id) = paths::below(path, "/clientresult").and_then(|rest| rest.strip_prefix('/')) {
                return text(StatusCode::OK, self.hubs.ask_for_result(id).await);
            }
            if path.eq_ignore_ascii_case("/health") {
                return text(StatusCode::OK, "ok".to_owned());
            }
        }
        self.hubs.answer(request).await
    }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(text.into_bytes().into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
