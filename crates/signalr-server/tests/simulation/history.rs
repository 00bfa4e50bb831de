//! `History`: what client, network and server do to one connection, one step after the other.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::service::Service;
use prometheus_client::registry::Registry;
use signalr_proto::{Encoding, HubMessage};
use signalr_server::metrics::Metrics;
use signalr_server::{CloseReason, HubServer, Options};
use tokio::time::Instant;

use crate::client::Client;
use crate::hub::{Desk, GROUP, Welcome};
use crate::pipe::Pipe;
use crate::random::Random;
use crate::steps::Steps;

pub(crate) struct History {
    pub(crate) random: Random,
    pub(crate) hub: HubServer,
    pub(crate) registry: Registry,
    pub(crate) desk: Desk,
    pub(crate) client: Client,
    pub(crate) limits: Limits,
    steps: Steps,
    path: String,
    /// Why the connection may have ended.
    pub(crate) excuse: Option<&'static str>,
    /// The client reads on, and has to be told of the end.
    pub(crate) is_owed_goodbye: bool,
    /// When everything was read and written last.
    quiet_at: Instant,
    heard: (u64, Instant),
    pinged_at: Instant,
    broken_at: Option<Instant>,
    next_number: u64,
    /// Numbers of the broadcasts it was a target of.
    pub(crate) said: Option<(u64, u64)>,
}

pub(crate) struct Limits {
    pub(crate) queued_bytes: usize,
    pub(crate) calls: usize,
    capacity: usize,
    max_detached: usize,
}

pub(crate) async fn run(seed: u64, steps: Steps) {
    let mut history = History::begin(seed, steps).await;
    for _ in 0..5 + history.random.below(25) {
        history.step().await;
        history.check();
    }
    if history.excuse.is_none() {
        history.settle().await;
    }
    if history.excuse.is_none() {
        history.end().await;
    }
    history.leave().await;
    history.check_the_end();
}

impl History {
    async fn begin(seed: u64, steps: Steps) -> Self {
        let mut random = Random::new(seed);
        let (is_stateful, encoding) = (random.once_in(2), random.of(Encoding::ALL));
        let welcome = Welcome { millis: random.of(&[0, 0, 0, 20, 1_500]), refuses: random.once_in(30) };
        let limits = Limits {
            queued_bytes: random.of(&[8 << 20, 8 << 20, 8 << 20, 20_000]),
            calls: random.of(&[3, 1024]),
            capacity: random.of(&[64, 300, 2_000, 16_384]),
            max_detached: random.of(&[1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 0]),
        };
        let options = Options {
            stateful_reconnect: true,
            max_parallel_invocations: random.of(&[1, 1, 1, 3]),
            max_queued_bytes: limits.queued_bytes,
            max_calls_in_flight: limits.calls,
            max_detached: limits.max_detached,
            max_reattaches_per_second: u32::MAX,
            upload_stream_buffer: random.of(&[1, 10]),
            reconnect_buffer: random.of(&[300, 100_000]),
            ..Options::default()
        };
        let is_serial = options.max_parallel_invocations == 1;
        let (desk, metrics, mut registry) = (Desk::default(), Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let hub = HubServer::with_metrics("/hub", desk.hub(welcome), options, metrics);
        let path = if is_stateful { negotiate(&hub).await } else { "/hub".to_owned() };
        let mut pipe = Pipe::open(&hub, &path, limits.capacity);
        let (name, version) = (encoding.name(), if is_stateful { 2 } else { 1 });
        pipe.send(format!("{{\"protocol\":\"{name}\",\"version\":{version}}}\x1e").as_bytes(), &mut random);
        steps.note(if is_stateful { "stateful" } else { "plain" }, limits.capacity as u64);
        let now = Instant::now();
        Self {
            client: Client::new(encoding, pipe, is_stateful, is_serial),
            random,
            hub,
            registry,
            desk,
            limits,
            steps,
            path,
            excuse: welcome.refuses.then_some("it was refused"),
            is_owed_goodbye: false,
            quiet_at: now,
            heard: (0, now),
            pinged_at: now,
            broken_at: None,
            next_number: 1,
            said: None,
        }
    }

    async fn step(&mut self) {
        let is_broken = self.broken_at.is_some();
        match self.random.below(if is_broken { 30 } else { 60 }) {
            0..=4 => self.call(),
            5..=6 => self.say().await,
            7 => self.ask(),
            8 => self.client.answer(&mut self.random),
            9..=10 => self.feed(),
            11 => self.client.cancel(&mut self.random),
            12 => self.ping(),
            13..=19 if is_broken => self.reattach(),
            13..=16 => self.call(),
            17..=20 => _ = self.client.pipe.write(1 + self.random.below(100) as usize),
            21..=24 => _ = self.client.pipe.read(1 + self.random.below(200) as usize),
            25 => self.client.acknowledge(&mut self.random),
            26..=29 => {
                let millis = self.random.below(500);
                self.steps.note("time passes", millis);
                sleep(millis).await;
            }
            30..=44 => self.exchange().await,
            45..=47 => self.pass_any().await,
            48..=52 => self.break_off(),
            53 if self.random.once_in(4) => self.stall().await,
            54 if self.excuse.is_none() => self.end().await,
            _ => self.client.feed(false, &mut self.random),
        }
        for _ in 0..self.random.below(4) {
            tokio::task::yield_now().await;
        }
        self.client.take();
        self.excuse_delays();
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn call(&mut self) {
        for _ in 0..self.random.of(&[1, 1, 1, 2, 6]) {
            let target =
                self.random.of(&["Note", "Note", "Note", "Pipe", "Pipe", "Fail", "Nowhere", "Count", "Sum", "AskMe"]);
            let (number, millis) = (self.number(), self.random.of(&[0, 0, 0, 1, 30, 700]));
            let number = if target == "Count" { self.random.of(&[0, 1, 5, 40]) } else { number };
            self.steps.note(target, number);
            let millis = if target == "Count" { millis.min(30) } else { millis };
            self.client.call(target, (number, millis), &mut self.random);
        }
    }

    fn feed(&mut self) {
        for _ in 0..self.random.below(6) {
            self.client.feed(false, &mut self.random);
        }
        self.client.feed(true, &mut self.random);
    }

    fn ping(&mut self) {
        match self.random.below(2) {
            0 => self.client.send(&HubMessage::Ping, &mut self.random),
            _ if self.client.pipe.is_gone() => {}
            _ => self.client.pipe.frame(0x89, b"control"),
        }
    }

    /// Sends to everybody, which is this connection.
    async fn say(&mut self) {
        let (is_target, has_joined) = {
            let notes = self.desk.notes();
            (notes.connects > 0, notes.has_joined)
        };
        for _ in 0..self.random.of(&[1, 1, 4]) {
            let (number, length) = (self.said.map_or(0, |(_, last)| last + 1), self.random.of(&[0, 10, 300, 4_000]));
            self.steps.note("said", number);
            let target = if has_joined && self.random.once_in(2) {
                self.hub.clients().group(GROUP)
            } else {
                self.hub.clients().all()
            };
            target.send("Said", &(number, "x".repeat(length))).await.unwrap();
            if is_target {
                self.said = Some((self.said.map_or(number, |(first, _)| first), number));
            }
            if length > 1_000 && self.limits.queued_bytes < 100_000 {
                self.excuse("too slow for a small queue");
            }
        }
    }

    /// Asks the client from outside of its calls.
    fn ask(&mut self) {
        let Some(id) = self.desk.notes().handle.as_ref().map(|handle| handle.id()) else {
            return;
        };
        let (number, client, desk) = (self.number(), self.hub.clients().connection(id), self.desk.clone());
        self.steps.note("asks", number);
        self.desk.notes().asked += 1;
        tokio::spawn(async move {
            if let Ok(answer) = client.invoke::<u64>("Answer", &(number,)).await {
                assert_eq!(answer, number + 1, "an answer to another question");
            }
            desk.notes().ended += 1;
        });
    }

    /// Writes and reads until neither goes on.
    async fn exchange(&mut self) {
        if !self.client.is_open {
            self.heard.1 = Instant::now();
        }
        let mut idle = 0;
        while idle < 4 {
            let moved = self.client.pipe.write(usize::MAX) + self.client.pipe.read(usize::MAX);
            idle = if moved > 0 { 0 } else { idle + 1 };
            self.client.take();
            tokio::task::yield_now().await;
        }
        self.quiet_at = Instant::now();
        self.check_alive();
    }

    async fn pass_any(&mut self) {
        let millis = self.random.of(&[10, 10, 100, 1_000, 2_500, 8_000, 20_000]);
        self.steps.note("it exchanges for", millis);
        self.pass(millis).await;
    }

    /// Time in which the client reads, writes and pings.
    pub(crate) async fn pass(&mut self, millis: u64) {
        let until = Instant::now() + Duration::from_millis(millis);
        while Instant::now() < until {
            self.exchange().await;
            let left = (until - Instant::now()).as_millis() as u64;
            sleep(left.min(self.random.of(&[20, 500, 2_000])).max(1)).await;
            if self.client.is_open && self.pinged_at.elapsed() > Duration::from_secs(5) {
                self.pinged_at = Instant::now();
                self.client.send(&HubMessage::Ping, &mut self.random);
            }
            self.exchange().await;
            self.excuse_delays();
            self.check_signs_of_life();
        }
    }

    /// Whoever is there and reads has a message each 15 s.
    fn check_signs_of_life(&mut self) {
        let (heard, since) = self.heard;
        if heard != self.client.heard || !self.client.is_open || self.broken_at.is_some() {
            self.heard = (self.client.heard, Instant::now());
        } else if self.excuse.is_none() {
            assert!(since.elapsed() < Duration::from_secs(16), "no ping");
        }
    }

    async fn stall(&mut self) {
        let millis = self.random.of(&[4_000, 11_000, 31_000]);
        self.steps.note("it does not read for", millis);
        sleep(millis).await;
        self.excuse_delays();
    }

    /// Who does not read, write or come back for long may have been given up.
    fn excuse_delays(&mut self) {
        let now = Instant::now();
        if now > self.quiet_at + Duration::from_secs(9) {
            self.excuse("the client was slow");
        }
        if self.broken_at.is_some_and(|at| now > at + Duration::from_secs(10)) {
            self.excuse("the client did not come back");
        }
    }

    pub(crate) fn excuse(&mut self, why: &'static str) {
        if self.excuse.is_none() {
            self.steps.note(why, 0);
            self.excuse = Some(why);
        }
    }

    fn break_off(&mut self) {
        let may = self.client.replay.is_some() && self.client.is_open && self.limits.max_detached > 0;
        if !may || self.excuse.is_some() || self.client.pipe.is_gone() {
            return;
        }
        self.steps.note("breaks off", 0);
        self.broken_at = Some(Instant::now());
        if self.random.once_in(4) {
            // The old one is still open when the new one comes.
            return self.reattach();
        }
        self.client.pipe.drop_it();
    }

    fn reattach(&mut self) {
        self.steps.note("reattaches", 0);
        let pipe = Pipe::open(&self.hub, &self.path, self.limits.capacity);
        self.client.reattach(pipe, &mut self.random);
        self.broken_at = None;
        self.quiet_at = Instant::now();
        self.heard.1 = Instant::now();
    }

    /// Everything comes to where it should.
    async fn settle(&mut self) {
        if self.broken_at.is_some() {
            self.reattach();
        }
        self.steps.note("settles", 0);
        for _ in 0..300 {
            while !self.client.uploads.is_empty() {
                self.client.feed(true, &mut self.random);
            }
            while !self.client.questions.is_empty() {
                self.client.answer(&mut self.random);
            }
            self.client.acknowledge(&mut self.random);
            let millis = self.random.of(&[20, 1_100]);
            self.pass(millis).await;
            if self.is_settled() {
                break;
            }
        }
        self.check_settled();
    }

    /// One of the two, or what is between them, ends it.
    async fn end(&mut self) {
        let is_well = self.excuse.is_none() && self.client.is_open && self.broken_at.is_none();
        let how = self.random.below(9);
        self.steps.note("ends", how);
        self.is_owed_goodbye |= is_well && (how < 5 || how == 8) && self.client.status == Some(101);
        self.excuse("it was ended");
        match how {
            0 => self.client.send(&HubMessage::Close { error: None, allow_reconnect: false }, &mut self.random),
            1 => self.client.pipe.frame(0x88, &1000u16.to_be_bytes()),
            2 => drop(tokio::spawn({
                let hub = self.hub.clone();
                async move { hub.drain().await }
            })),
            3 => self.violate(),
            4 | 8 => {
                if let Some(handle) = self.desk.notes().handle.clone() {
                    let is_drain = self.random.once_in(2);
                    handle.end(if is_drain { CloseReason::Draining } else { CloseReason::Ended });
                } else {
                    self.is_owed_goodbye = false;
                }
            }
            5 => self.client.pipe.half_close(),
            6 => {
                self.client.pipe.write(self.random.below(50) as usize);
                self.client.pipe.drop_it();
            }
            _ => {
                self.client.pipe.write(usize::MAX);
                self.client.pipe.drop_it();
            }
        }
    }

    fn violate(&mut self) {
        match self.random.below(4) {
            0 => self.client.pipe.send(&[0x02, 0x1E, 0x1E, b'?', 0x1E], &mut self.random),
            1 => self.client.pipe.frame(0xF1, b"reserved"),
            2 => (0..3).for_each(|_| self.client.pipe.frame(0x82, &[b'x'; 20_000])),
            _ => {
                self.client.pipe.frame(0x82, b"\x05\x90");
                self.client.pipe.frame(0x88, b"");
            }
        }
    }

    /// Reads to the end, or does not care; then time passes.
    async fn leave(&mut self) {
        for _ in 0..self.random.below(3) {
            // What is sent while it ends must not come behind the goodbye.
            self.say().await;
            self.exchange().await;
        }
        if self.is_owed_goodbye {
            for _ in 0..60 {
                if self.client.has_ended {
                    break;
                }
                self.pass(1_000).await;
            }
            // A client that never answers the close frame holds up nobody.
            sleep(30_000).await;
            self.check_goodbye();
        } else if self.random.once_in(2) {
            self.pass(3_000).await;
        }
        self.steps.note("leaves", 0);
        self.client.pipe.drop_it();
        sleep(120_000).await;
    }
}

async fn sleep(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Path of a connection that may outlive its websocket.
async fn negotiate(hub: &HubServer) -> String {
    let request = hyper::Request::post("/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true");
    let answer = hub.call(request.body(Empty::<hyper::body::Bytes>::new()).unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    format!("/hub?id={}", document["connectionToken"].as_str().unwrap())
}
