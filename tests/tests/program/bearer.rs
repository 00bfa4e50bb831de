//! What the stories of tokens share: settings with a secret, tokens signed with it, and who comes with one.

use std::time::{Duration, SystemTime};

use access::{Algorithm, Signer, TokenRequest};
use e2e::client::{ConnectOptions, HubClient};
use e2e::program::Program;
use reqwest::{Client, Method, RequestBuilder, Response};

/// What tokens are signed with.
pub const SECRET: &str = "a secret of these stories, long enough";

/// A server that keeps topics in memory and wants tokens signed with [`SECRET`]; `auth` are further lines of `[auth]`.
pub async fn guarded(auth: &str) -> Program {
    let settings = format!("memory = true\ncreate_topics = true\n[auth]\nsecret = \"{SECRET}\"\n{auth}\n");
    Program::serve_with_settings(&settings, &[]).await
}

/// A token for an hour.
pub fn token(user: &str, scope: &str) -> String {
    signed(request(user, scope, Duration::from_secs(3600)), SystemTime::now())
}

/// A token that ends so long from now, the tolerance for clocks included.
pub fn ending_in(user: &str, scope: &str, left: Duration) -> String {
    signed(request(user, scope, left), SystemTime::now() - access::LEEWAY)
}

/// A token of these claims that begins then.
pub fn signed(request: TokenRequest, now: SystemTime) -> String {
    Signer::new(Algorithm::Hs256, SECRET.as_bytes()).unwrap().sign(&request, now).unwrap()
}

pub fn request(user: &str, scope: &str, lifetime: Duration) -> TokenRequest {
    TokenRequest { subject: Some(user.to_owned()), scope: scope.to_owned(), ..TokenRequest::lasting(lifetime) }
}

/// A hub client that sends this token in its headers.
pub async fn connect(program: &Program, token: &str) -> HubClient {
    try_connect(program, token).await.expect("it is let in")
}

pub async fn try_connect(program: &Program, token: &str) -> Result<HubClient, e2e::client::ConnectError> {
    let options = ConnectOptions { access_token: Some(token.to_owned()), ..ConnectOptions::default() };
    HubClient::connect_with(&format!("{}/hub", program.url), &options).await
}

/// A request, with a token if there is one.
pub fn ask(method: Method, url: &str, token: Option<&str>) -> RequestBuilder {
    let request = Client::new().request(method, url);
    token.into_iter().fold(request, |request, token| request.bearer_auth(token))
}

pub async fn get(url: &str, token: &str) -> Response {
    ask(Method::GET, url, Some(token)).send().await.expect("an answer")
}

/// Status of a negotiation with this token.
pub async fn negotiated(program: &Program, token: &str) -> u16 {
    negotiate(program, token).await.status().as_u16()
}

pub async fn negotiate(program: &Program, token: &str) -> Response {
    let url = format!("{}/hub/negotiate?negotiateVersion=1", program.url);
    ask(Method::POST, &url, Some(token)).send().await.expect("an answer")
}

/// A line as `POST /topics/{topic}/packages` takes it.
pub const LINE: &str = r#"{"streamId":"s","id":"E","timestamp":1,"value":"v"}"#;
