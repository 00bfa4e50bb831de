//! The client against a fake hub.

#![allow(missing_docs, clippy::unwrap_used)]

mod fake_hub;

use fake_hub::{FakeHub, Faults};
use loadtest::client::{ConnectOptions, HubClient, HubError};
use signalr_proto::CloseReason;

#[tokio::test]
async fn calls_are_answered_in_order_however_many_are_on_their_way() {
    let hub = FakeHub::start(Faults::default()).await;
    let client = HubClient::connect(&hub.url()).await.unwrap();
    assert_eq!(client.connection_id(), Some("public"));
    let calls: Vec<_> = (0..2000).map(|number| client.start("Echo", &(number,)).unwrap()).collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().get(), number.to_string());
    }
    let error = client.invoke("Nothing", &()).await.unwrap_err();
    assert!(matches!(error, HubError::Failed(text) if text == "no method Nothing"));
}

#[tokio::test]
async fn calls_by_the_server_arrive_unparsed() {
    let hub = FakeHub::start(Faults::default()).await;
    let client = HubClient::connect_with(&hub.url(), &ConnectOptions::skip_negotiation()).await.unwrap();
    assert_eq!(client.connection_id(), None);
    client.send("CallBack", &()).unwrap();
    let call = client.next_call().await.unwrap();
    assert_eq!((call.target.as_str(), call.arguments.as_str()), ("called", r#"[1,"x"]"#));
    assert_eq!(call.bind::<(u32, String)>().unwrap(), (1, "x".to_owned()));
}

#[tokio::test]
async fn a_client_that_takes_no_calls_reads_on_once_it_does() {
    let hub = FakeHub::start(Faults::default()).await;
    let options = ConnectOptions { incoming_calls: 2, ..ConnectOptions::default() };
    let client = HubClient::connect_with(&hub.url(), &options).await.unwrap();
    for _ in 0..100 {
        client.send("CallBack", &()).unwrap();
    }
    let echo = client.start("Echo", &("after",)).unwrap();
    for _ in 0..100 {
        assert_eq!(client.next_call().await.unwrap().target, "called");
    }
    assert_eq!(echo.await.unwrap().get(), "\"after\"");
}

#[tokio::test]
async fn the_server_s_goodbye_is_told_with_its_wish() {
    let hub = FakeHub::start(Faults::default()).await;
    let client = HubClient::connect(&hub.url()).await.unwrap();
    let open = client.start("End", &()).unwrap();
    let closed = client.closed().await;
    assert_eq!((closed.reason, closed.allow_reconnect), (CloseReason::PeerClosed(None), true));
    assert!(matches!(open.await, Err(HubError::Closed(_))));
    assert!(matches!(client.invoke("Echo", &(1,)).await, Err(HubError::Closed(_))));
    assert_eq!(client.next_call().await, None);
}

#[tokio::test]
async fn closing_and_aborting_end_by_plan() {
    let hub = FakeHub::start(Faults::default()).await;
    let client = HubClient::connect(&hub.url()).await.unwrap();
    assert_eq!(client.close().await.reason, CloseReason::Ended);
    let client = HubClient::connect(&hub.url()).await.unwrap();
    assert_eq!(client.abort().await.reason, CloseReason::Ended);
    assert_eq!(client.close_reason().unwrap().websocket_code, None);
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop(tokio_tungstenite::accept_async(stream).await);
    });
    let error = HubClient::connect_with(&url, &ConnectOptions::skip_negotiation()).await.unwrap_err();
    assert!(error.to_string().starts_with("handshake failed"), "{error}");
}
