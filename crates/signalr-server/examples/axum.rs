//! A hub beside the routes of an axum application. `cargo run -p signalr-server --example axum [address]`
//!
//! In a page with Microsoft's client: `connection.invoke("Say", "hi")` and a handler for `said(text)`. Whoever has no such
//! client says something by `curl -d hi http://127.0.0.1:5000/say`.

use axum::Router;
use axum::routing::{get, post};
use signalr_server::{Caller, Hub, HubServer, Options};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("A chat at http://{}/chat", listener.local_addr()?);
    axum::serve(listener, app()).await
}

pub(crate) fn app() -> Router {
    let hub = Hub::new().method("Say", |caller: Caller, (text,): (String,)| async move {
        Ok(caller.clients().all().send("said", &(text,)).await?)
    });
    let hub = HubServer::new("/chat", hub, Options::default());
    let clients = hub.clients();
    let say = |text: String| async move { clients.all().send("said", &(text,)).await.expect("texts can be sent") };
    Router::new().route("/", get(|| async { "The chat is at /chat." })).route("/say", post(say)).fallback_service(hub)
}
