//! `Client`: what a client knows, and what it must never see.

use std::collections::{BTreeMap, VecDeque};

use signalr_proto::{Arguments, Encoding, HubMessage, Invocation, Outcome, Payload};

use crate::pipe::{Piece, Pipe};
use crate::random::Random;
use crate::replay::Replay;

pub(crate) struct Client {
    pub(crate) encoding: Encoding,
    pub(crate) pipe: Pipe,
    /// What it numbers and keeps, where a broken websocket is not the end.
    pub(crate) replay: Option<Replay>,
    /// One call at a time, so completions of plain calls come in order.
    pub(crate) is_serial: bool,
    pub(crate) is_open: bool,
    pub(crate) calls: BTreeMap<String, Call>,
    /// Plain calls that want an answer.
    order: VecDeque<String>,
    finished: Vec<String>,
    last_id: u64,
    /// Arguments of what the hub notes, in the order sent.
    pub(crate) told: Vec<u64>,
    pub(crate) uploads: Vec<Feed>,
    /// Ids of questions and what is asked.
    pub(crate) questions: Vec<(String, u64)>,
    /// Numbers of broadcasts.
    pub(crate) said: Vec<u64>,
    /// How many messages have come, of any kind.
    pub(crate) heard: u64,
    pub(crate) close: Option<bool>,
    pub(crate) close_code: Option<u16>,
    pub(crate) status: Option<u16>,
    pub(crate) has_ended: bool,
}

/// A call that wants an answer and has none.
#[derive(Debug)]
pub(crate) enum Call {
    Plain { target: &'static str, number: u64 },
    Piped(u64),
    Asking(u64),
    Stream { to: u64, next: u64, is_cancelled: bool },
    Upload { sum: u64, fails: bool },
}

/// An upload that has not ended.
pub(crate) struct Feed {
    id: String,
    call: Option<String>,
}

impl Client {
    pub(crate) fn new(encoding: Encoding, pipe: Pipe, is_stateful: bool, is_serial: bool) -> Self {
        Self {
            encoding,
            pipe,
            replay: is_stateful.then(Replay::default),
            is_serial,
            is_open: false,
            calls: BTreeMap::new(),
            order: VecDeque::new(),
            finished: Vec::new(),
            last_id: 0,
            told: Vec::new(),
            uploads: Vec::new(),
            questions: Vec::new(),
            said: Vec::new(),
            heard: 0,
            close: None,
            close_code: None,
            status: None,
            has_ended: false,
        }
    }

    pub(crate) fn call(&mut self, target: &'static str, (number, millis): (u64, u64), random: &mut Random) {
        let id = (target == "Count" || !random.once_in(5)).then(|| self.new_id(random));
        if let Some(id) = &id {
            self.expect(id, target, number);
        }
        let mut streams = Vec::new();
        match target {
            "Sum" => {
                self.last_id += 1;
                let feed = Feed { id: format!("u{}", self.last_id), call: id.clone() };
                streams.push(feed.id.clone().into());
                self.uploads.push(feed);
            }
            "Note" | "Pipe" => self.told.push(number),
            _ => {}
        }
        let arguments = self.encoding.encode_value(&(number, millis)).unwrap();
        let call = Invocation {
            invocation_id: id.map(Into::into),
            target: target.into(),
            arguments: Arguments::new(self.encoding.payload(&arguments).unwrap()).unwrap(),
            stream_ids: streams,
        };
        let message = if target == "Count" { HubMessage::StreamInvocation(call) } else { HubMessage::Invocation(call) };
        self.send(&message, random);
    }

    fn new_id(&mut self, random: &mut Random) -> String {
        if random.once_in(3)
            && let Some(id) = self.finished.pop()
        {
            return id;
        }
        self.last_id += 1;
        self.last_id.to_string()
    }

    fn expect(&mut self, id: &str, target: &'static str, number: u64) {
        let call = match target {
            "Count" => Call::Stream { to: number, next: 0, is_cancelled: false },
            "Sum" => Call::Upload { sum: 0, fails: false },
            "Pipe" => Call::Piped(number),
            "AskMe" => Call::Asking(number),
            _ => {
                self.order.push_back(id.to_owned());
                Call::Plain { target, number }
            }
        };
        self.calls.insert(id.to_owned(), call);
    }

    pub(crate) fn cancel(&mut self, random: &mut Random) {
        let Some(id) = self.calls.keys().nth(random.below(self.calls.len().max(1) as u64) as usize).cloned() else {
            return;
        };
        if let Some(Call::Stream { is_cancelled, .. }) = self.calls.get_mut(&id) {
            *is_cancelled = true;
        }
        self.send(&HubMessage::CancelInvocation { invocation_id: id.into() }, random);
    }

    /// Feeds an upload, or ends it.
    pub(crate) fn feed(&mut self, ends: bool, random: &mut Random) {
        if self.uploads.is_empty() {
            return;
        }
        let index = random.below(self.uploads.len() as u64) as usize;
        let (item, fails) = (random.below(100), ends && random.once_in(5));
        let feed = &self.uploads[index];
        let id = feed.id.clone();
        if let Some(Call::Upload { sum, fails: has_failed }) = feed.call.as_ref().and_then(|id| self.calls.get_mut(id))
        {
            *sum += if ends { 0 } else { item };
            *has_failed |= fails;
        }
        if !ends {
            let item = self.encoding.encode_value(&item).unwrap();
            let item = self.encoding.payload(&item).unwrap();
            return self.send(&HubMessage::StreamItem { invocation_id: id.into(), item }, random);
        }
        self.uploads.swap_remove(index);
        let outcome = if fails { Outcome::Error("enough".into()) } else { Outcome::Void };
        self.send(&HubMessage::Completion { invocation_id: id.into(), outcome }, random);
    }

    pub(crate) fn answer(&mut self, random: &mut Random) {
        if self.questions.is_empty() {
            return;
        }
        let (id, number) = self.questions.swap_remove(random.below(self.questions.len() as u64) as usize);
        let result = self.encoding.encode_value(&(number + 1)).unwrap();
        let outcome = match random.below(6) {
            0 => Outcome::Error("no idea".into()),
            1 => Outcome::Void,
            _ => Outcome::Result(self.encoding.payload(&result).unwrap()),
        };
        self.send(&HubMessage::Completion { invocation_id: id.into(), outcome }, random);
    }

    pub(crate) fn acknowledge(&mut self, random: &mut Random) {
        if let Some(replay) = &self.replay {
            let sequence_id = replay.received();
            self.send(&HubMessage::Ack { sequence_id }, random);
        }
    }

    pub(crate) fn send(&mut self, message: &HubMessage<'_>, random: &mut Random) {
        let mut bytes = Vec::new();
        self.encoding.encode(message, &mut bytes);
        if let (Some(replay), 1..=5) = (&mut self.replay, kind(message)) {
            replay.keep(&bytes);
        }
        if !self.pipe.is_gone() {
            self.pipe.send(&bytes, random);
        }
    }

    /// Says on another websocket what comes first there.
    pub(crate) fn reattach(&mut self, pipe: Pipe, random: &mut Random) {
        self.pipe = pipe;
        (self.status, self.close_code) = (None, None);
        let replay = self.replay.as_mut().unwrap();
        let (sequence_id, kept) = replay.reattach();
        self.send(&HubMessage::Sequence { sequence_id }, random);
        for bytes in kept {
            self.pipe.send(&bytes, random);
        }
    }

    /// Takes what has been read.
    pub(crate) fn take(&mut self) {
        while let Some(piece) = self.pipe.next() {
            match piece {
                Piece::Status(status) => self.status = Some(status),
                Piece::Pong => {}
                Piece::Close(code) => self.close_code = Some(code),
                Piece::End => self.has_ended = true,
                Piece::Data(data) => self.take_data(&data),
            }
        }
    }

    fn take_data(&mut self, mut data: &[u8]) {
        assert!(!data.is_empty(), "an empty frame");
        if !self.is_open {
            let end = data.iter().position(|byte| *byte == 0x1E).expect("a whole response");
            self.is_open = &data[..end] == b"{}";
            assert!(self.is_open || data.starts_with(b"{\"error\""), "no response: {:?}", &data[..end]);
            data = &data[end + 1..];
        }
        while !data.is_empty() {
            let (body, rest) = split(self.encoding, data);
            let message = self.encoding.decode(body).unwrap().expect("a known kind");
            let is_new = self.replay.as_mut().is_none_or(|replay| replay.takes(&message, body));
            if is_new {
                self.take_message(message);
            }
            data = rest;
        }
    }

    fn take_message(&mut self, message: HubMessage<'_>) {
        assert!(self.close.is_none(), "after Close came {message:?}");
        self.heard += 1;
        match message {
            HubMessage::Invocation(call) => self.called(&call),
            HubMessage::StreamItem { invocation_id, item } => {
                let Some(Call::Stream { next, .. }) = self.calls.get_mut(&*invocation_id) else {
                    panic!("an item of {invocation_id}, which is no stream");
                };
                assert_eq!(item.decode::<u64>().unwrap(), *next, "the item of {invocation_id}");
                *next += 1;
            }
            HubMessage::Completion { invocation_id, outcome } => self.completed(&invocation_id, &outcome),
            HubMessage::Close { allow_reconnect, .. } => self.close = Some(allow_reconnect),
            HubMessage::Ping => {}
            HubMessage::Ack { sequence_id } => match &mut self.replay {
                Some(replay) => replay.acknowledged(sequence_id),
                None => panic!("an Ack without stateful reconnect"),
            },
            HubMessage::Sequence { .. } => assert!(self.replay.is_some(), "a Sequence without stateful reconnect"),
            other => panic!("a server sends no {other:?}"),
        }
    }

    fn called(&mut self, call: &Invocation<'_>) {
        if let Some(id) = &call.invocation_id {
            let (number,) = call.arguments.bind::<(u64,)>().unwrap();
            return self.questions.push((id.to_string(), number));
        }
        let (number, _) = call.arguments.bind::<(u64, String)>().unwrap();
        if let Some(last) = self.said.last() {
            assert_eq!(number, last + 1, "broadcasts in order, without gaps");
        }
        self.said.push(number);
    }

    fn completed(&mut self, id: &str, outcome: &Outcome<'_>) {
        let call = self.calls.remove(id).unwrap_or_else(|| panic!("{id} was completed, which is no call that waits"));
        self.finished.push(id.to_owned());
        let number = |value: &Payload<'_>| value.decode::<u64>().unwrap();
        match (&call, outcome) {
            (Call::Plain { target: "Note", number: sent }, Outcome::Result(value)) => assert_eq!(number(value), *sent),
            (Call::Plain { target: "Fail" | "Nowhere", .. }, Outcome::Error(_)) => {}
            (Call::Piped(sent), Outcome::Result(value)) => assert_eq!(number(value), *sent),
            (Call::Asking(sent), Outcome::Result(value)) => assert_eq!(number(value), sent + 1),
            (Call::Asking(_), Outcome::Error(_)) => {}
            (Call::Stream { to, next, is_cancelled }, Outcome::Void) => assert!(next == to || *is_cancelled, "{next}"),
            (Call::Upload { sum, fails: false }, Outcome::Result(value)) => assert_eq!(number(value), *sum),
            (Call::Upload { fails: true, .. }, Outcome::Error(_)) => {}
            _ => panic!("{id}, {call:?}, was completed with {outcome:?}"),
        }
        if let Call::Plain { .. } = call {
            let position = self.order.iter().position(|waiting| waiting == id).unwrap();
            assert!(position == 0 || !self.is_serial, "{id} was completed before {:?}", self.order);
            self.order.remove(position);
        }
    }
}

pub(crate) fn kind(message: &HubMessage<'_>) -> u8 {
    match message {
        HubMessage::Invocation(_) => 1,
        HubMessage::StreamItem { .. } => 2,
        HubMessage::Completion { .. } => 3,
        HubMessage::StreamInvocation(_) => 4,
        HubMessage::CancelInvocation { .. } => 5,
        HubMessage::Ping => 6,
        HubMessage::Close { .. } => 7,
        HubMessage::Ack { .. } => 8,
        HubMessage::Sequence { .. } => 9,
    }
}

/// The first message of whole ones, and the rest.
fn split(encoding: Encoding, data: &[u8]) -> (&[u8], &[u8]) {
    if encoding == Encoding::Json {
        let end = data.iter().position(|byte| *byte == 0x1E).expect("whole messages");
        return (&data[..end], &data[end + 1..]);
    }
    let end = data.iter().position(|byte| byte & 0x80 == 0).expect("a length");
    let length = data[..=end].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
    (&data[end + 1..end + 1 + length], &data[end + 1 + length..])
}
