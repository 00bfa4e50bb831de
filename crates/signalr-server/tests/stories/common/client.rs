//! `Client`: hub messages as text over tungstenite, and the bytes under them where a story needs those.

use std::collections::VecDeque;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{Answer, BoxedIo, soon};

pub(crate) struct Client {
    socket: WebSocketStream<BoxedIo>,
    /// Hub messages of frames that held several.
    received: VecDeque<Value>,
    pub(crate) pongs: Vec<Vec<u8>>,
}

/// How the server's side ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame of this code.
    Close(Option<u16>),
    /// Without one.
    Broken,
}

impl Client {
    /// Asks for a websocket, which must be granted.
    pub(crate) async fn upgrade(io: BoxedIo, path: &str) -> Self {
        let config = WebSocketConfig::default().max_frame_size(None);
        let request = format!("ws://hub{path}");
        let upgrade = tokio_tungstenite::client_async_with_config(request, io, Some(config));
        let (socket, _) = soon("an upgrade", upgrade).await.unwrap();
        Self { socket, received: VecDeque::new(), pongs: Vec::new() }
    }

    /// The same where the request was written already.
    pub(crate) async fn after_upgrade(io: BoxedIo) -> Self {
        let (answer, io) = Answer::read_keeping(io).await;
        assert_eq!(answer.status, 101);
        let socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
        Self { socket, received: VecDeque::new(), pongs: Vec::new() }
    }

    pub(crate) async fn shake_hands(&mut self) {
        self.send(&json!({"protocol": "json", "version": 1})).await;
        assert_eq!(self.next().await, json!({}));
    }

    /// Sends one hub message in a frame of its own.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(&format!("{message}\x1e")).await;
    }

    /// Sends a frame of text as it stands.
    pub(crate) async fn send_text(&mut self, text: &str) {
        soon("a send", self.socket.send(Message::text(text))).await.unwrap();
    }

    /// Sends a websocket message that is no text.
    pub(crate) async fn send_frame(&mut self, message: Message) {
        soon("a send", self.socket.send(message)).await.unwrap();
    }

    /// Writes bytes under the websocket.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("a write", self.io().write_all(bytes)).await.unwrap();
        self.io().flush().await.unwrap();
    }

    /// What the websocket is made of.
    pub(crate) fn io(&mut self) -> &mut BoxedIo {
        self.socket.get_mut()
    }

    /// Calls without waiting for the answer.
    pub(crate) async fn call(&mut self, id: &str, target: &str, arguments: Value) {
        self.send(&invocation(Some(id), target, arguments)).await;
    }

    /// Calls without wanting an answer.
    pub(crate) async fn tell(&mut self, target: &str, arguments: Value) {
        self.send(&invocation(None, target, arguments)).await;
    }

    /// Calls for a stream.
    pub(crate) async fn stream(&mut self, id: &str, target: &str, arguments: Value) {
        self.send(&json!({"type": 4, "invocationId": id, "target": target, "arguments": arguments})).await;
    }

    /// The items of a stream up to its completion, and the completion's error.
    pub(crate) async fn items_of(&mut self, id: &str) -> (Vec<Value>, Option<String>) {
        let mut items = Vec::new();
        loop {
            let message = self.next().await;
            assert_eq!(message["invocationId"], id, "{message}");
            if message["type"] == 3 {
                assert!(message.get("result").is_none(), "the completion of a stream has no result: {message}");
                return (items, message.get("error").map(|error| error.as_str().unwrap().to_owned()));
            }
            assert_eq!(message["type"], 2, "{message}");
            items.push(message["item"].clone());
        }
    }

    /// Sends an item of an upload.
    pub(crate) async fn item(&mut self, id: &str, item: Value) {
        self.send(&json!({"type": 2, "invocationId": id, "item": item})).await;
    }

    /// Ends an upload.
    pub(crate) async fn end_upload(&mut self, id: &str) {
        self.send(&json!({"type": 3, "invocationId": id})).await;
    }

    /// Calls and waits for the completion; the result, or the error.
    pub(crate) async fn invoke(&mut self, target: &str, arguments: Value) -> Result<Value, String> {
        self.call("invoke", target, arguments).await;
        let completion = self.next().await;
        assert_eq!(completion["type"], 3, "{completion}");
        assert_eq!(completion["invocationId"], "invoke");
        match completion.get("error") {
            Some(error) => Err(error.as_str().unwrap().to_owned()),
            None => Ok(completion["result"].clone()),
        }
    }

    /// The next hub message that is no ping; the connection must not end before.
    pub(crate) async fn next(&mut self) -> Value {
        let next = async {
            loop {
                let message = self.next_of_all().await;
                if message["type"] != 6 {
                    return message;
                }
            }
        };
        soon("a message that is no ping", next).await
    }

    /// The next hub message, pings included.
    pub(crate) async fn next_of_all(&mut self) -> Value {
        match self.next_or_end().await {
            Ok(message) => message,
            Err(end) => panic!("the connection has ended: {end:?}"),
        }
    }

    /// Handler and arguments of the next call from the server.
    pub(crate) async fn next_call(&mut self) -> (String, Value) {
        let call = self.next().await;
        assert_eq!(call["type"], 1, "{call}");
        assert!(call.get("invocationId").is_none());
        (call["target"].as_str().unwrap().to_owned(), call["arguments"].clone())
    }

    /// Checks that nothing has been sent that was not received yet, as far as the answer to a call comes behind it.
    pub(crate) async fn assert_silent(&mut self) {
        self.call("silence", "No such method", json!([])).await;
        let answer = self.next().await;
        assert_eq!(answer["invocationId"], "silence", "{answer}");
    }

    pub(crate) async fn next_or_end(&mut self) -> Result<Value, End> {
        loop {
            if let Some(message) = self.received.pop_front() {
                return Ok(message);
            }
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => self.take(&text),
                Some(Ok(Message::Pong(payload))) => self.pongs.push(payload.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(End::Close(frame.map(|frame| frame.code.into())));
                }
                Some(Ok(other)) => panic!("a server sends no {other:?}"),
                Some(Err(_)) | None => return Err(End::Broken),
            }
        }
    }

    /// The next websocket message, which must be binary.
    pub(crate) async fn next_binary(&mut self) -> Vec<u8> {
        match soon("a binary message", self.socket.next()).await {
            Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
            other => panic!("not binary: {other:?}"),
        }
    }

    fn take(&mut self, text: &str) {
        let whole = text.strip_suffix('\x1e').expect("whole messages");
        let messages = whole.split('\x1e');
        self.received.extend(messages.map(|message| serde_json::from_str::<Value>(message).unwrap()));
    }

    /// The Close message and the code of the close frame; other messages before them are passed over.
    pub(crate) async fn closed(&mut self) -> (Option<Value>, End) {
        let end = async {
            let mut close = None;
            loop {
                match self.next_or_end().await {
                    Ok(message) => {
                        assert!(close.is_none(), "after the Close came {message}");
                        close = (message["type"] == 7).then_some(message);
                    }
                    Err(end) => return (close, end),
                }
            }
        };
        soon("the end", end).await
    }
}

fn invocation(id: Option<&str>, target: &str, arguments: Value) -> Value {
    let mut message = json!({"type": 1, "target": target, "arguments": arguments});
    if let Some(id) = id {
        message["invocationId"] = id.into();
    }
    message
}

/// A client's frame with its head as one wants it: `first` is FIN, reserved bits and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
