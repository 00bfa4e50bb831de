//! Connections and visitors at hand. Tools for tests.

use std::future::ready;
use std::sync::Arc;

use loadtest::client::HubClient;
use signalr_server::{ConnectionHandle, ErrorDetail, Hub, HubServer, Options, ProtocolOptions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::visitor::Visitor;

/// A client, and the server's handle of its connection.
pub(crate) async fn connect() -> (HubClient, ConnectionHandle) {
    let (sender, mut connected) = mpsc::unbounded_channel();
    let hub = Hub::new().on_connected(move |caller| {
        sender.send(caller.connection().clone()).unwrap();
        ready(Ok(()))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    let protocol = ProtocolOptions { error_detail: ErrorDetail::All, ..ProtocolOptions::default() };
    let options = Options { protocol, ..Options::default() };
    tokio::spawn(HubServer::new("/hub", hub, options).serve(listener));
    let client = HubClient::connect(&url).await.unwrap();
    (client, connected.recv().await.unwrap())
}

/// The bearer of a token with these scopes.
pub(crate) fn visitor(scopes: &str) -> Visitor {
    bearer(None, scopes)
}

/// The same of a user.
pub(crate) fn bearer(subject: Option<&str>, scopes: &str) -> Visitor {
    let secret = [7; 32];
    let key = access::Key::new(access::Algorithm::Hs256, &secret).unwrap();
    let access = access::Access { keys: vec![key], ..access::Access::default() };
    let request = access::TokenRequest {
        scope: scopes.to_owned(),
        subject: subject.map(str::to_owned),
        ..access::TokenRequest::lasting(std::time::Duration::from_secs(60))
    };
    let now = std::time::SystemTime::now();
    let token = access::Signer::new(access::Algorithm::Hs256, &secret).unwrap().sign(&request, now).unwrap();
    Visitor::granted(Arc::new(access.check(&token, now).unwrap()))
}
