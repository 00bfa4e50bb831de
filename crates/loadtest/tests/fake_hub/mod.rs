//! A hub as small as it gets, for testing the clients: negotiates, subscribes, and turns `SendEventData` into
//! `PackageReceived`, with faults on demand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use signalr_proto::{CloseReason, Connection, Encoding, Event, HubMessage, Options, Outcome, Output, Payload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// What the hub does wrong, by the number of the package from 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// Never delivered.
    pub(crate) lost: Vec<usize>,
    /// Delivered twice.
    pub(crate) doubled: Vec<usize>,
    /// Delivered after the next two.
    pub(crate) late: Vec<usize>,
}

/// A running hub; ends with the test's runtime.
pub(crate) struct FakeHub {
    pub(crate) address: SocketAddr,
}

#[derive(Default)]
struct State {
    faults: Faults,
    packages: usize,
    held_back: Option<(usize, Vec<u8>)>,
    subscribers: HashMap<usize, mpsc::UnboundedSender<Vec<u8>>>,
    connections: usize,
}

impl FakeHub {
    pub(crate) async fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { faults, ..State::default() }));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hub", self.address)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut start = [0; 4];
    if !matches!(stream.peek(&mut start).await, Ok(4)) {
        return;
    }
    if &start == b"POST" {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await.unwrap();
        let body =
            r#"{"negotiateVersion":1,"connectionId":"public","connectionToken":"secret","availableTransports":[]}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await.unwrap();
        return;
    }
    let websocket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let (mut sink, mut input) = websocket.split();
    let (outbox, mut to_send) = mpsc::unbounded_channel::<Vec<u8>>();
    let number = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        state.connections
    };
    let mut protocol = Connection::server(Arc::new(Options::default()), Instant::now());
    loop {
        while let Some(output) = protocol.poll_output() {
            match output {
                Output::Send(bytes) => sink.send(text(bytes)).await.unwrap(),
                Output::End(_) => {
                    let _ = sink.close().await;
                    return;
                }
            }
        }
        tokio::select! {
            message = input.next() => match message {
                Some(Ok(Message::Text(text))) => receive(&mut protocol, text.as_bytes(), number, &outbox, &state),
                Some(Ok(_)) => {}
                _ => {
                    state.lock().unwrap().subscribers.remove(&number);
                    return;
                }
            },
            Some(bytes) = to_send.recv() => if sink.send(text(bytes)).await.is_err() { return },
        }
    }
}

fn receive(
    protocol: &mut Connection,
    mut input: &[u8],
    number: usize,
    outbox: &mpsc::UnboundedSender<Vec<u8>>,
    state: &Mutex<State>,
) {
    let mut end = None;
    while let Some(event) = protocol.receive(&mut input, Instant::now()) {
        let Event::Message { message: HubMessage::Invocation(call), .. } = event else {
            continue;
        };
        let mut answer = Vec::new();
        let id = call.invocation_id.as_deref().unwrap_or("0");
        match call.target.as_ref() {
            "SubscribeToPackages" => {
                state.lock().unwrap().subscribers.insert(number, outbox.clone());
                complete(id, Outcome::Result(Payload::Json("null")), &mut answer);
            }
            "SendEventData" => {
                let (topic, stream, events): (String, String, Value) = call.arguments.bind().unwrap();
                if topic == "forbidden" {
                    complete(id, Outcome::Error("not allowed".into()), &mut answer);
                } else {
                    complete(id, Outcome::Result(Payload::Json("null")), &mut answer);
                    state.lock().unwrap().publish(&topic, &stream, &events);
                }
            }
            "Echo" => {
                let (value,): (Value,) = call.arguments.bind().unwrap();
                complete(id, Outcome::Result(Payload::Json(&value.to_string())), &mut answer);
            }
            "CallBack" => {
                Encoding::Json.encode_invocation(None, "called", &(number, "x"), &mut answer).unwrap();
            }
            "End" => end = Some(CloseReason::Draining),
            other => complete(id, Outcome::Error(format!("no method {other}").into()), &mut answer),
        }
        if !answer.is_empty() {
            outbox.send(answer).unwrap();
        }
    }
    if let Some(reason) = end {
        protocol.close(reason);
    }
}

impl State {
    fn publish(&mut self, topic: &str, stream: &str, events: &Value) {
        self.packages += 1;
        let value = events.to_string().replace("\"value\"", "\"Value\"");
        let package = json!({
            "topicId": format!("ws-{topic}"), "topicName": topic, "streamId": stream,
            "type": "QuixStreams.Telemetry.Models.EventDataRaw[]", "value": value, "dateTime": "2023-10-11T10:32:54Z",
        });
        let mut bytes = Vec::new();
        Encoding::Json.encode_invocation(None, "PackageReceived", &(package,), &mut bytes).unwrap();
        if self.faults.lost.contains(&self.packages) {
            return;
        }
        if self.faults.late.contains(&self.packages) {
            self.held_back = Some((self.packages, bytes));
            return;
        }
        if self.faults.doubled.contains(&self.packages) {
            self.broadcast(&bytes);
        }
        self.broadcast(&bytes);
        let number = self.packages;
        if let Some((_, late)) = self.held_back.take_if(|(held, _)| *held + 2 == number) {
            self.broadcast(&late);
        }
    }

    fn broadcast(&self, bytes: &[u8]) {
        for subscriber in self.subscribers.values() {
            let _ = subscriber.send(bytes.to_vec());
        }
    }
}

fn complete(id: &str, outcome: Outcome<'_>, out: &mut Vec<u8>) {
    let completion = HubMessage::Completion { invocation_id: id.into(), outcome };
    Encoding::Json.encode(&completion, out);
}

fn text(bytes: Vec<u8>) -> Message {
    Message::text(String::from_utf8(bytes).unwrap())
}
