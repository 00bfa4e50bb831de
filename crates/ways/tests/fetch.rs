//! Requests to servers that do not mean well.
#![allow(clippy::unwrap_used)]

mod local;

use local::{Receiver, Reply};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use ways::fetch::{FetchError, Fetcher, Permits};

const OPEN: Permits = Permits { http: true, private: true };

async fn get(url: &str, permits: Permits) -> Result<Vec<u8>, FetchError> {
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer secret"))]);
    let url: Url = url.parse().unwrap();
    Ok(Fetcher::new().unwrap().get(&url, &headers, permits).await?.body)
}

#[tokio::test]
async fn addresses_of_this_machine_are_asked_only_where_that_is_permitted() {
    let server = Receiver::start(|_, _| Reply::json("1")).await;
    let by_name = format!("http://localhost:{}/", server.address.port());
    for url in [&server.url("/"), &by_name] {
        assert_eq!(get(url, Permits::default()).await, Err(FetchError::Http));
        let error = get(url, Permits { http: true, private: false }).await.unwrap_err();
        assert!(matches!(error, FetchError::Private(_)), "{url}: {error}");
    }
    assert!(server.asked().is_empty());
    assert_eq!(get(&server.url("/"), OPEN).await.unwrap(), b"1");
}

#[tokio::test]
async fn a_redirect_is_judged_anew_and_takes_no_credentials_along() {
    let other = Receiver::start(|_, _| Reply::json("reached")).await;
    let target = other.url("/metadata");
    let server = Receiver::start(move |request, _| match &*request.line {
        "GET /other" => Reply::status_with(302, "location", target.clone()),
        "GET /metadata" => Reply::status_with(307, "location", "http://169.254.169.254/latest"),
        "GET /own" => Reply::status_with(301, "location", "/end"),
        "GET /end" => Reply::json("end"),
        _ => Reply::status_with(302, "location", "/round"),
    })
    .await;
    // What is permitted of the first host is not of a second.
    assert_eq!(get(&server.url("/other"), OPEN).await, Err(FetchError::Http));
    assert_eq!(get(&server.url("/metadata"), OPEN).await, Err(FetchError::Http));
    assert_eq!(get(&server.url("/round"), OPEN).await, Err(FetchError::TooManyRedirects));
    assert_eq!(get(&server.url("/own"), OPEN).await.unwrap(), b"end");
    assert!(other.asked().is_empty());
    assert!(server.asked().iter().all(|request| request.headers["authorization"] == "Bearer secret"));
}

#[tokio::test]
async fn bodies_without_end_and_bombs_are_given_up() {
    let server = Receiver::start(|request, _| match &*request.line {
        "GET /endless" => Reply::Endless,
        "GET /bomb" => local::gzip(&vec![b' '; 8 << 20]),
        "GET /gzip" => local::gzip(b"[1, 2]"),
        "GET /other" => Reply::Whole(200, vec![("content-encoding", "br".to_owned())], b"x".to_vec()),
        _ => Reply::Whole(200, vec![("content-encoding", "gzip".to_owned())], b"not gzip".to_vec()),
    })
    .await;
    assert_eq!(get(&server.url("/endless"), OPEN).await, Err(FetchError::TooLong));
    assert_eq!(get(&server.url("/bomb"), OPEN).await, Err(FetchError::Inflated));
    assert_eq!(get(&server.url("/other"), OPEN).await, Err(FetchError::Encoding));
    assert!(matches!(get(&server.url("/damaged"), OPEN).await, Err(FetchError::Damaged(_))));
    assert_eq!(get(&server.url("/gzip"), OPEN).await.unwrap(), b"[1, 2]");
}

/// The clock is the test's: as soon as nothing else can happen, time passes.
#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let fetcher = Fetcher::new().unwrap();
    let server = Receiver::start(|_, _| Reply::Silence).await;
    let url: Url = server.url("/").parse().unwrap();
    let (begun, headers) = (tokio::time::Instant::now(), HeaderMap::new());
    let error = fetcher.post(&url, &headers, "x".into(), OPEN).await.unwrap_err();
    assert!(begun.elapsed().as_secs() <= 31, "{:?}", begun.elapsed());
    assert!(matches!(error, FetchError::TimedOut | FetchError::Failed(_)), "{error}");
}

#[tokio::test]
async fn what_is_sent_stays_with_its_host() {
    let server = Receiver::start(|request, _| match &*request.line {
        "POST /moved" => Reply::status_with(308, "location", "/taken"),
        "POST /elsewhere" => Reply::status_with(307, "location", "https://example.com/"),
        "POST /seen" => Reply::status_with(303, "location", "/taken"),
        "POST /taken" => Reply::status(204),
        "POST /stuck" => Reply::Stuck(202),
        _ => Reply::Endless,
    })
    .await;
    let fetcher = Fetcher::new().unwrap();
    let post = async |path: &str| {
        let url: Url = server.url(path).parse().unwrap();
        fetcher.post(&url, &HeaderMap::new(), "body".into(), OPEN).await
    };
    assert_eq!(post("/moved").await.unwrap().status.as_u16(), 204);
    assert!(matches!(post("/elsewhere").await, Err(FetchError::Redirect(_))));
    assert!(matches!(post("/seen").await, Err(FetchError::Redirect(_))));
    assert_eq!(post("/endless").await.unwrap().status.as_u16(), 200, "words without end are not listened to");
    assert_eq!(post("/stuck").await.unwrap().status.as_u16(), 202, "nor those that do not come");
    assert!(server.bodies()[..2].iter().all(|body| body == "body"));
}
