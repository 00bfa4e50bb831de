//! A caller of the server's hub, over long polling: it needs no more than HTTP, so it passes wherever the other commands do.

use std::collections::VecDeque;

use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    client::Client,
    error::{CommandError, Problem},
    text::escape,
};

/// One connection to the hub. Close it, so that the server need not wait for the next poll.
pub(super) struct Hub<'a> {
    client: &'a Client,
    /// With the connection's token.
    address: Url,
    /// Of a message whose end has not come.
    begun: Vec<u8>,
    messages: VecDeque<Message>,
}

/// The server called a method of ours.
pub(super) struct Call {
    pub(super) target: String,
    pub(super) arguments: Vec<Box<RawValue>>,
}

impl<'a> Hub<'a> {
    /// Negotiates, connects, and shakes hands.
    pub(super) async fn open(client: &'a Client) -> Result<Self, CommandError> {
        let mut negotiate = client.url(&["hub", "negotiate"]);
        negotiate.query_pairs_mut().append_pair("negotiateVersion", "1");
        let negotiated: Negotiated = client.json(client.send(client.http.post(negotiate)).await?).await?;
        let mut address = client.url(&["hub"]);
        address.query_pairs_mut().append_pair("id", &negotiated.connection_token);
        let mut hub = Self { client, address, begun: Vec::new(), messages: VecDeque::new() };
        // The first poll only connects.
        hub.poll().await?;
        hub.post(r#"{"protocol":"json","version":1}"#).await?;
        let answer = hub.next_message().await?;
        match answer.error {
            None => Ok(hub),
            Some(error) => Err(client.not_streamgate(format!("the handshake failed: {error}"))),
        }
    }

    /// Calls a method and waits for its result. Calls by the server that come meanwhile are kept.
    pub(super) async fn invoke(
        &mut self,
        target: &str,
        arguments: &impl Serialize,
    ) -> Result<Box<RawValue>, CommandError> {
        let call = Invocation { r#type: INVOCATION, invocation_id: "1", target, arguments };
        self.post(&serde_json::to_string(&call).map_err(|error| self.client.not_streamgate(error.to_string()))?)
            .await?;
        let mut calls = VecDeque::new();
        loop {
            let message = self.next_message().await?;
            match (message.r#type, message.error) {
                (Some(COMPLETION), Some(error)) => return Err(refused(&error)),
                (Some(COMPLETION), None) => {
                    calls.append(&mut self.messages);
                    self.messages = calls;
                    return Ok(message.result.unwrap_or_else(|| RawValue::NULL.to_owned()));
                }
                (_, error) => calls.push_back(Message { error, ..message }),
            }
        }
    }

    /// The next call by the server; an error when the connection has ended.
    pub(super) async fn next_call(&mut self) -> Result<Call, CommandError> {
        loop {
            let message = self.next_message().await?;
            if let (Some(INVOCATION), Some(target), Some(arguments)) =
                (message.r#type, message.target, message.arguments)
            {
                return Ok(Call { target, arguments });
            }
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        self.client.send(self.client.http.delete(self.address.clone())).await.map(drop)
    }

    async fn next_message(&mut self) -> Result<Message, CommandError> {
        loop {
            match self.messages.pop_front() {
                Some(message) if message.r#type == Some(CLOSE) => {
                    let reason = message.error.unwrap_or_else(|| "it is stopping, or the topic is gone".to_owned());
                    return Err(CommandError::StreamEnded(escape(reason.trim_end_matches('.')).into_owned()));
                }
                Some(message) => return Ok(message),
                None => self.poll().await?,
            }
        }
    }

    /// Takes what the server has for us, or waits until it has.
    async fn poll(&mut self) -> Result<(), CommandError> {
        let mut response = self.client.send(self.client.http.get(self.address.clone())).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Err(CommandError::StreamEnded("it is stopping, or the topic is gone".to_owned()));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| self.client.failed(&error))? {
            self.begun.extend_from_slice(&chunk);
            if self.begun.len() > MAX_BYTES {
                return Err(self.client.not_streamgate(format!("a message of more than {MAX_BYTES} bytes")));
            }
        }
        let complete = self.begun.iter().rposition(|byte| *byte == END_OF_MESSAGE).map_or(0, |at| at + 1);
        for message in self.begun.drain(..complete).as_slice().split(|byte| *byte == END_OF_MESSAGE) {
            if !message.is_empty() {
                let message = serde_json::from_slice(message);
                let message =
                    message.map_err(|error| self.client.not_streamgate(format!("no hub message: {error}")))?;
                self.messages.push_back(message);
            }
        }
        Ok(())
    }

    async fn post(&self, message: &str) -> Result<(), CommandError> {
        let mut body = message.as_bytes().to_vec();
        body.push(END_OF_MESSAGE);
        self.client.send(self.client.http.post(self.address.clone()).body(body)).await.map(drop)
    }
}

/// The sentence that is meant for people, which stands behind the name of an exception.
fn refused(error: &str) -> CommandError {
    let detail = error.split_once("HubException: ").map_or(error, |(_, detail)| detail);
    CommandError::Refused(Box::new(Problem { detail: detail.to_owned(), ..Problem::default() }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated {
    connection_token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation<'a, A> {
    r#type: u8,
    invocation_id: &'a str,
    target: &'a str,
    arguments: &'a A,
}

/// Any message from the server; the answer to the handshake has no type.
#[derive(Deserialize)]
struct Message {
    r#type: Option<u8>,
    target: Option<String>,
    arguments: Option<Vec<Box<RawValue>>>,
    result: Option<Box<RawValue>>,
    error: Option<String>,
}

const INVOCATION: u8 = 1;
const COMPLETION: u8 = 3;
const CLOSE: u8 = 7;

const END_OF_MESSAGE: u8 = 0x1e;

/// Of messages in one poll; something that ends none must not fill the memory.
const MAX_BYTES: usize = 256 << 20;
