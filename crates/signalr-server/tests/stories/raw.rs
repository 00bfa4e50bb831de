//! Connections without hub protocol, on each transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use signalr_server::{Options, RawConnection, RawServer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Answer, soon, until};

#[tokio::test]
async fn a_websocket_is_echoed_in_text_and_ended_by_its_client() {
    let (server, served) = echo();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://hub/echo", dial(&server)).await.unwrap();
    for text in ["hello", "", "\u{1e}no hub message", &"long ".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        let mut echoed = String::new();
        while echoed.len() < text.len() {
            let message = soon("the echo", socket.next()).await.unwrap().unwrap();
            echoed.push_str(message.to_text().unwrap());
            assert!(message.is_text());
        }
        assert_eq!(echoed, text);
    }
    socket.send(Message::Ping(vec![1].into())).await.unwrap();
    assert_eq!(soon("a pong", socket.next()).await.unwrap().unwrap(), Message::Pong(vec![1].into()));
    socket.close(None).await.unwrap();
    let end = soon("the end", socket.next()).await;
    assert!(matches!(end, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1000));
    until("its handler has returned", || served.load(Ordering::Relaxed) == 1).await;
}

/// Twice what may wait in all: an unpaced echo would end a client that sends all of it before it reads.
#[tokio::test]
async fn an_echo_goes_at_the_pace_of_its_reader() {
    const MESSAGES: usize = 160;
    let server = RawServer::new("/echo", Options::default(), |mut connection: RawConnection| async move {
        while let Some(bytes) = connection.receive().await {
            connection.send_paced(&bytes).await;
        }
    });
    let (socket, _) = tokio_tungstenite::client_async("ws://hub/echo", dial(&server)).await.unwrap();
    let (mut sink, mut source) = socket.split();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            sink.send(Message::text("x".repeat(100_000))).await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
        }
        sink
    });
    until("something is sent", || sent.load(Ordering::Relaxed) > 0).await;
    let mut echoed = 0;
    while echoed < MESSAGES * 100_000 {
        let message = soon("the echo", source.next()).await.unwrap().unwrap();
        echoed += message.len();
        let held = sent.load(Ordering::Relaxed) * 100_000;
        assert!(held < echoed + 1_000_000, "the sender is to wait");
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn polls_are_echoed_and_ended_by_their_client() {
    let (server, served) = echo();
    let token = negotiate(&server).await;
    let poll = format!("GET /echo?id={token}");
    assert_eq!(ask(&server, &poll).await.body, "");
    post(&server, &token, "one").await;
    assert_eq!(ask(&server, &poll).await.body, "one");
    post(&server, &token, "two").await;
    assert_eq!(ask(&server, &poll).await.body, "two");
    assert_eq!(ask(&server, &format!("DELETE /echo?id={token}")).await.status, 202);
    until("its handler has returned", || served.load(Ordering::Relaxed) == 1).await;
    until("it is forgotten", || Arc::strong_count(&served) == 2).await;
    assert_eq!(ask(&server, &poll).await.status, 404);
}

#[tokio::test]
async fn events_are_echoed_until_their_handler_returns() {
    let server = RawServer::new("/echo", Options::default(), |mut connection: RawConnection| async move {
        assert_eq!(connection.transport(), Transport::ServerSentEvents);
        let bytes = connection.receive().await.unwrap();
        connection.send(&bytes);
    });
    let token = negotiate(&server).await;
    let mut io = dial(&server);
    let request = format!("GET /echo?id={token} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    post(&server, &token, "once").await;
    let mut answer = String::new();
    while !answer.ends_with("\r\n0\r\n\r\n") {
        let mut bytes = [0; 1024];
        let count = soon("the events", io.read(&mut bytes)).await.unwrap();
        answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(answer.contains(":\r\n") && answer.contains("data: once\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_poll_is_told_once_that_its_handler_has_returned() {
    let server = RawServer::new("/echo", Options::default(), |connection: RawConnection| async move {
        connection.send(b"bye");
    });
    let token = negotiate(&server).await;
    let poll = format!("GET /echo?id={token}");
    let mut answers = Vec::new();
    while answers.last() != Some(&(404, "No Connection with that ID".to_owned())) {
        let answer = ask(&server, &poll).await;
        answers.push((answer.status, answer.body));
    }
    let expected = [(200, ""), (200, "bye"), (204, ""), (404, "No Connection with that ID")];
    assert_eq!(answers, expected.map(|(status, body)| (status, body.to_owned())));
}

/// And how many of its connections were served to the end.
fn echo() -> (RawServer, Arc<AtomicUsize>) {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = served.clone();
    let server = RawServer::new("/echo", Options::default(), move |mut connection: RawConnection| {
        let served = counter.clone();
        async move {
            while let Some(bytes) = connection.receive().await {
                connection.send(&bytes);
            }
            served.fetch_add(1, Ordering::Relaxed);
        }
    });
    (server, served)
}

fn dial(server: &RawServer) -> DuplexStream {
    let (client, io) = tokio::io::duplex(16 * 1024);
    let server = server.clone();
    tokio::spawn(async move {
        let http = hyper::server::conn::http1::Builder::new();
        let _ = http.serve_connection(TokioIo::new(io), server).with_upgrades().await;
    });
    client
}

async fn ask(server: &RawServer, request: &str) -> Answer {
    Answer::to(Box::new(dial(server)), request, &[]).await
}

async fn negotiate(server: &RawServer) -> String {
    let document = ask(server, "POST /echo/negotiate?negotiateVersion=1").await.json();
    document["connectionToken"].as_str().unwrap().to_owned()
}

async fn post(server: &RawServer, token: &str, body: &str) {
    let mut io = dial(server);
    let request =
        format!("POST /echo?id={token} HTTP/1.1\r\nHost: hub\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    io.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(Answer::read_keeping(Box::new(io)).await.0.status, 200);
}
