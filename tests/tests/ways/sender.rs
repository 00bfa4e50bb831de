//! `Sender`: posts deliveries as the service would whose webhook it is.

use reqwest::{Client, RequestBuilder, Response};
use ways::secret::Revealed;
use ways::webhook::{Preset, Sent, sign};

/// Secret of all webhooks of these stories.
pub(crate) const SECRET: &str = "s3cret";

/// A service with an address to post to.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    http: Client,
    url: String,
    preset: Preset,
}

impl Sender {
    pub(crate) fn new(preset: Preset, url: String) -> Self {
        Self { http: Client::new(), url, preset }
    }

    /// A signed delivery, not sent yet.
    pub(crate) fn delivery(&self, body: &str) -> RequestBuilder {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let sent = Sent { id: body, url: "", event: "ping", time: now as i64 };
        let headers = sign(self.preset, &Revealed::from(SECRET), body.as_bytes(), &sent).unwrap();
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body.to_owned());
        request.headers(headers.into_iter().collect())
    }

    pub(crate) async fn post(&self, body: &str) -> reqwest::Result<Response> {
        self.delivery(body).send().await
    }

    /// Status of a delivery that is answered.
    pub(crate) async fn status(&self, body: &str) -> u16 {
        self.post(body).await.unwrap().status().as_u16()
    }
}

/// What Segment sends, shortened.
pub(crate) fn track(id: &str) -> String {
    format!(r#"{{"messageId":{id:?},"type":"track","event":"Order Completed","properties":{{"total":27.50}}}}"#)
}
