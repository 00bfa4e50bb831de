//! The demo: `/`, everything below `/demo/`, and the two small files that its pages expect at the root; and two pages more:
//! `/connect` shows programs that write to a topic or read one, `/import` takes a file.
//!
//! All of it is in the binary. Where the binary was built without Node, the SignalR scripts are not: the pages then name
//! the CDN of how-to-connect.md instead, and say so.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::samples::SAMPLES;

/// Routes of the demo; everything else is the caller's.
pub(crate) fn router() -> Router {
    ASSETS
        .iter()
        .fold(Router::new(), |router, asset| {
            router.route(asset.path, get(move |headers: HeaderMap| async move { asset.answer(&headers) }))
        })
        .route("/", get(to_demo))
        .route("/demo", get(to_demo))
}

/// Whether a path is the demo's.
pub(super) fn is_page(path: &str) -> bool {
    ["/", "/demo"].contains(&path) || ASSETS.iter().any(|asset| asset.path == path)
}

async fn to_demo() -> Response {
    let mut response = Redirect::temporary("/demo/").into_response();
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| assets(&EMBEDDED));

/// The scripts as built in; empty: not built in.
struct Scripts {
    newest: &'static str,
    printed: &'static str,
}

const EMBEDDED: Scripts = Scripts {
    newest: include_str!(concat!(env!("OUT_DIR"), "/signalr.js")),
    printed: include_str!(concat!(env!("OUT_DIR"), "/signalr-6.0.1.js")),
};

/// A file of `web-demo`.
macro_rules! web_demo {
    ($name:literal) => {
        include_str!(concat!("../../../../web-demo/", $name))
    };
}

fn assets(scripts: &Scripts) -> Vec<Asset> {
    let mut assets = vec![
        Asset::page("/demo/", web_demo!("index.html"), (NEWEST, scripts.newest), Inline::Forbidden),
        Asset::page("/demo/writer.html", web_demo!("writer.html"), (PRINTED, scripts.printed), Inline::Allowed),
        Asset::page("/demo/reader.html", web_demo!("reader.html"), (PRINTED, scripts.printed), Inline::Allowed),
        Asset::new("/demo/style.css", CSS, web_demo!("style.css")),
        Asset::new("/demo/favicon.svg", SVG, web_demo!("favicon.svg")),
        // The printed writer page names it, and browsers ask for the icon of pages that name none.
        Asset::new("/style.css", CSS, web_demo!("printed.css")),
        Asset::new("/favicon.ico", SVG, web_demo!("favicon.svg")),
        Asset::new("/demo/demo.js", JAVASCRIPT, web_demo!("demo.js")),
        Asset::new("/demo/figure.js", JAVASCRIPT, web_demo!("figure.js")),
        Asset::new("/demo/ink.js", JAVASCRIPT, web_demo!("ink.js")),
        Asset::new("/demo/link.js", JAVASCRIPT, web_demo!("link.js")),
        Asset::new("/demo/meter.js", JAVASCRIPT, web_demo!("meter.js")),
        Asset::new("/demo/snippet.js", JAVASCRIPT, web_demo!("snippet.js")),
        Asset::new("/connect", HTML, web_demo!("connect.html")),
        Asset::new("/demo/connect.js", JAVASCRIPT, web_demo!("connect.js")),
        Asset::new("/demo/connect.css", CSS, web_demo!("connect.css")),
        Asset::new("/demo/samples.json", JSON, serde_json::to_vec(&SAMPLES).expect("texts always serialise")),
        Asset::new("/import", HTML, web_demo!("import.html")),
        Asset::new("/import/import.css", CSS, web_demo!("import.css")),
        Asset::new("/import/import.js", JAVASCRIPT, web_demo!("import.js")),
    ];
    let embedded =
        [(NEWEST, scripts.newest), (PRINTED, scripts.printed)].into_iter().filter(|(_, text)| !text.is_empty());
    assets.extend(embedded.map(|(path, text)| Asset::new(path, JAVASCRIPT, text)));
    assets
}

/// One file, answered from memory.
#[derive(Debug)]
struct Asset {
    path: &'static str,
    content_type: &'static str,
    policy: String,
    etag: String,
    body: Bytes,
}

/// Whether a page's scripts and styles may stand in it: only in how-to-connect.md's two, which do as printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inline {
    Allowed,
    Forbidden,
}

impl Asset {
    fn new(path: &'static str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        Self { path, content_type, policy: policy(&[], Inline::Forbidden), etag, body }
    }

    /// A page that loads `script`; where that is not embedded, its like from the CDN.
    fn page(path: &'static str, text: &'static str, (script, embedded): (&str, &str), inline: Inline) -> Self {
        if !embedded.is_empty() {
            return Self { policy: policy(&[], inline), ..Self::new(path, HTML, text) };
        }
        // At the end of the page: above, it would move the printed writer's canvas, which draws at window coordinates.
        let text = text.replace(script, CDN).replace("</body>", &format!("{CDN_NOTE}\n  </body>"));
        Self { policy: policy(&[CDN_ORIGIN], inline), ..Self::new(path, HTML, text) }
    }

    fn answer(&self, request: &HeaderMap) -> Response {
        let headers: [(HeaderName, &str); 5] = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, &self.policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-cache"),
            (header::ETAG, &self.etag),
        ];
        if self.is_held_by(request) {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
        (headers, self.body.clone()).into_response()
    }

    fn is_held_by(&self, request: &HeaderMap) -> bool {
        let held = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        held.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == self.etag)
    }
}

/// Own files, the hub and `script_origins`; never inside another page.
fn policy(script_origins: &[&str], inline: Inline) -> String {
    let inline: &[&str] = if inline == Inline::Allowed { &["'unsafe-inline'"] } else { &[] };
    let scripts = [&["'self'"], script_origins, inline].concat().join(" ");
    let styles = [&["'self'"], inline].concat().join(" ");
    format!(
        "default-src 'self'; script-src {scripts}; style-src {styles}; connect-src 'self' ws: wss:; object-src 'none'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

const NEWEST: &str = "/demo/signalr.js";
const PRINTED: &str = "/demo/signalr-6.0.1.js";
const CDN: &str = "https://cdnjs.cloudflare.com/ajax/libs/microsoft-signalr/6.0.1/signalr.js";
const CDN_ORIGIN: &str = "https://cdnjs.cloudflare.com";
const CDN_NOTE: &str = "<p role=\"note\">This streamgate was built without Node: signalr.js comes from cdnjs.cloudflare.com, \
                        not from the server itself, so this page needs the internet.</p>";

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use tower::ServiceExt;

    use super::*;

    const WITH: Scripts = Scripts { newest: "/* newest */", printed: "/* printed */" };
    const WITHOUT: Scripts = Scripts { newest: "", printed: "" };

    #[tokio::test]
    async fn the_root_leads_to_the_demo() {
        for path in ["/", "/demo"] {
            let response = request(path, None).await;
            assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT, "{path}");
            assert_eq!(response.headers()[header::LOCATION], "/demo/", "{path}");
        }
    }

    #[tokio::test]
    async fn every_file_has_its_type_and_the_headers_of_an_own_page() {
        for (path, content_type) in [
            ("/demo/", HTML),
            ("/demo/writer.html", HTML),
            ("/demo/reader.html", HTML),
            ("/demo/demo.js", JAVASCRIPT),
            ("/demo/style.css", CSS),
            ("/connect", HTML),
            ("/demo/connect.js", JAVASCRIPT),
            ("/demo/samples.json", JSON),
            ("/style.css", CSS),
            ("/favicon.ico", SVG),
        ] {
            let response = request(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], content_type, "{path}");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            let printed = ["/demo/writer.html", "/demo/reader.html"].contains(&path);
            assert_eq!(policy.contains("'unsafe-inline'"), printed, "{path}: {policy}");
        }
    }

    #[tokio::test]
    async fn a_held_file_is_not_sent_again() {
        let first = request("/demo/", None).await;
        let etag = first.headers()[header::ETAG].to_str().expect("text").to_owned();
        for held in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}")] {
            let again = request("/demo/", Some(&held)).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{held}");
            assert_eq!(again.headers()[header::ETAG], etag.as_str());
            assert!(to_bytes(again.into_body(), usize::MAX).await.expect("body").is_empty());
        }
        assert_eq!(request("/demo/", Some("\"other\"")).await.status(), StatusCode::OK);
    }

    #[test]
    fn with_the_scripts_embedded_nothing_is_loaded_from_elsewhere() {
        let assets = assets(&WITH);
        for asset in &assets {
            assert!(!text(asset).contains(CDN_ORIGIN) && !asset.policy.contains("https:"), "{}", asset.path);
        }
        for (path, script) in [(NEWEST, WITH.newest), (PRINTED, WITH.printed)] {
            assert_eq!(text(find(&assets, path)), script);
        }
    }

    #[test]
    fn without_the_scripts_every_page_takes_the_cdns_and_says_so() {
        let assets = assets(&WITHOUT);
        for path in ["/demo/", "/demo/writer.html", "/demo/reader.html"] {
            let page = find(&assets, path);
            assert_eq!(text(page).matches(CDN).count(), 1, "{path}");
            assert_eq!(text(page).matches(CDN_NOTE).count(), 1, "{path}");
            assert!(page.policy.contains(&format!("script-src 'self' {CDN_ORIGIN}")), "{path}: {}", page.policy);
            assert!(!text(page).contains(NEWEST) && !text(page).contains(PRINTED), "{path}");
        }
        assert!(assets.iter().all(|asset| asset.path != NEWEST && asset.path != PRINTED));
    }

    async fn request(path: &str, held: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(held) = held {
            request = request.header(header::IF_NONE_MATCH, held);
        }
        router().oneshot(request.body(Body::empty()).expect("request")).await.expect("infallible")
    }

    fn text(asset: &Asset) -> &str {
        std::str::from_utf8(&asset.body).expect("UTF-8")
    }

    fn find<'a>(assets: &'a [Asset], path: &str) -> &'a Asset {
        assets.iter().find(|asset| asset.path == path).unwrap_or_else(|| panic!("{path} is not served"))
    }
}
