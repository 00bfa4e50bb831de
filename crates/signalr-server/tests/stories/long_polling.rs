//! Long polling: which poll is answered what, what waits between polls, and how both ends leave.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use signalr_server::{CloseReason, Options};

use crate::common::{Answer, HANDSHAKE, Http1, Lobby, PATIENCE, Server, Wire, call, soon, until};

#[tokio::test]
async fn the_first_poll_is_answered_at_once_and_every_answer_has_its_headers() {
    let server = started(&Lobby::default(), Options::default()).await;
    let path = server.negotiated().await;
    let first = server.http(&format!("GET {path}"), &[]).await;
    assert_eq!((first.told(), first.header("content-length")), ((200, ""), Some("0")));
    server.post(&path, HANDSHAKE).await;
    let second = server.http(&format!("GET {path}&_=1700000000000"), &[]).await;
    assert_eq!(second.told(), (200, "{}\x1e"));
    for answer in [first, second] {
        let headers = [
            ("content-type", "application/octet-stream"),
            ("cache-control", "no-cache, no-store"),
            ("pragma", "no-cache"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ];
        for (name, value) in headers {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn output_waits_for_the_next_poll_which_takes_all_of_it() {
    const SENDS: usize = 100;
    let lobby = Lobby::default();
    let options = Options {
        max_queued_age: Duration::from_millis(50),
        max_write_stall: Duration::from_millis(50),
        ..Options::default()
    };
    let server = started(&lobby, options).await;
    let poller = Poller::open(&server).await;
    let text = "x".repeat(2_000);
    for index in 0..SENDS {
        server.hub.clients().all().send("Said", &(index, &text)).await.unwrap();
    }
    // What is old is not late as long as no poll was due.
    let start = Instant::now();
    until("it has waited", || start.elapsed() > Duration::from_millis(100)).await;
    server.hub.clients().all().send("Said", &(SENDS, &text)).await.unwrap();
    let answer = poller.poll().await;
    assert_eq!(answer.status, 200);
    let messages = messages(&answer);
    assert_eq!(messages.len(), SENDS + 1);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message["arguments"], json!([index, text]));
    }
    assert_eq!(server.metric("output_queued_bytes"), 0);
}

#[tokio::test]
async fn a_poll_without_output_is_answered_empty_in_time() {
    let timeout = Duration::from_millis(100);
    let server = started(&Lobby::default(), Options { poll_timeout: timeout, ..Options::default() }).await;
    let poller = Poller::open(&server).await;
    for _ in 0..2 {
        let start = Instant::now();
        let answer = poller.poll().await;
        assert_eq!((answer.told(), answer.header("content-length")), ((200, ""), Some("0")));
        assert!(start.elapsed() >= timeout, "not before its time");
    }
    poller.post(&call("1", "Echo", json!([1]))).await;
    assert_eq!(messages(&poller.poll().await)[0]["result"], 1, "and the connection goes on");
}

#[tokio::test]
async fn a_new_poll_takes_the_place_of_the_one_that_waits() {
    let server = started(&Lobby::default(), Options::default()).await;
    let poller = Poller::open(&server).await;
    let mut waits = poller.waiting_poll().await;
    server.hub.clients().all().send("Said", &(1,)).await.unwrap();
    assert_eq!(messages(&waits.answer().await)[0]["arguments"], json!([1]));
    assert_eq!(server.metric("connections"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_polls_at_the_same_time_the_one_that_stays_hears_what_is_sent() {
    let server = started(&Lobby::default(), Options::default()).await;
    let poller = Poller::open(&server).await;
    let (mut one, mut other) = (Http1::new(server.dial().await), Http1::new(server.dial().await));
    let get = format!("GET {}", poller.path);
    for number in 0..3_000 {
        tokio::join!(one.begin(&get, &[], ""), other.begin(&get, &[], ""));
        let replaced = tokio::select! {
            answer = one.answer() => answer,
            answer = other.answer() => {
                std::mem::swap(&mut one, &mut other);
                answer
            }
        };
        assert_eq!(replaced.told(), (204, ""));
        server.hub.clients().all().send("Said", &(number,)).await.unwrap();
        assert_eq!(numbers(&other.answer().await), [number]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    /// However polls race with each other and with sends, each message is in one answer, in order.
    #[test]
    fn racing_polls_neither_lose_nor_double_a_message(
        pollers in 2_usize..6, sends in 50_usize..300, burst in 1_usize..20, threads in 1_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        runtime.block_on(race(pollers, sends, burst));
    }
}

async fn race(pollers: usize, sends: usize, burst: usize) {
    let server = started(&Lobby::default(), Options::default()).await;
    let poller = Poller::open(&server).await;
    let (told, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = Vec::new();
    for _ in 0..pollers {
        let (mut http, path, told) = (Http1::new(server.dial().await), poller.path.clone(), told.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let answer = http.ask(&format!("GET {path}"), &[], "").await;
                assert!([200, 204].contains(&answer.status), "{answer:?}");
                if !answer.body.is_empty() && told.send(numbers(&answer)).is_err() {
                    return;
                }
            }
        }));
    }
    let clients = server.hub.clients();
    let sending = tokio::spawn(async move {
        for index in 0..sends {
            clients.all().send("Number", &(index,)).await.unwrap();
            if index % burst == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let mut received = Vec::new();
    while received.iter().map(Vec::len).sum::<usize>() < sends {
        let numbers = tokio::time::timeout(PATIENCE, answers.recv()).await;
        received.push(numbers.unwrap_or_else(|_| panic!("something is lost: {received:?}")).unwrap());
    }
    // The answers may overtake each other on their way; each by itself has no gap.
    received.sort_unstable();
    assert_eq!(received.concat(), (0..sends as u64).collect::<Vec<_>>());
    sending.await.unwrap();
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

fn numbers(answer: &Answer) -> Vec<u64> {
    messages(answer).iter().map(|message| message["arguments"][0].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn an_aborted_poll_loses_nothing_that_was_not_written() {
    let server = started(&Lobby::default(), Options::default()).await;
    let poller = Poller::open(&server).await;
    for number in 0..20 {
        let mut aborted = Some(poller.begin_poll().await);
        if number % 2 == 0 {
            aborted = None;
        }
        let mut waits = poller.waiting_poll().await;
        drop(aborted);
        server.hub.clients().all().send("Said", &(number,)).await.unwrap();
        assert_eq!(numbers(&waits.answer().await), [number]);
    }
}

#[tokio::test]
async fn a_delete_ends_the_connection_at_once_even_during_a_call() {
    for during_a_call in [false, true] {
        let lobby = Lobby::default();
        let server = started(&lobby, Options::default()).await;
        let poller = Poller::open(&server).await;
        if during_a_call {
            poller.post(&call("1", "Hold", json!([])).repeat(3)).await;
            until("the call runs", || server.hub.calls_in_flight() == 1).await;
        }
        let mut waits = poller.waiting_poll().await;
        let start = Instant::now();
        assert_eq!(server.http(&format!("DELETE {}", poller.path), &[]).await.told(), (202, ""));
        assert_eq!(waits.answer().await.told(), (204, ""));
        until("the hub is told", || !lobby.left().is_empty()).await;
        until("it is forgotten", || server.metric("connections") == 0).await;
        assert_eq!(lobby.left(), [None], "once, and without an error");
        assert!(start.elapsed() < Duration::from_secs(4), "for lack of polls it would end much later");
        for request in ["GET", "POST", "DELETE"] {
            let answer = server.http(&format!("{request} {}", poller.path), &[]).await;
            assert_eq!(answer.told(), (404, NO_CONNECTION), "{request}");
        }
    }
}

/// The Java client polls again as soon as it has an answer, then finds the Close in it and deletes the connection.
#[tokio::test]
async fn a_poll_that_crosses_the_deletion_of_an_ended_connection_is_told_of_the_end() {
    let lobby = Lobby::default();
    let server = started(&lobby, Options::default()).await;
    let poller = Poller::open(&server).await;
    until("it is there", || !lobby.handles().is_empty()).await;
    lobby.handles()[0].end(CloseReason::Ended);
    assert_eq!(messages(&poller.poll().await), [json!({ "type": 7 })]);
    assert_eq!(server.http(&format!("DELETE {}", poller.path), &[]).await.told(), (202, ""));
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(poller.poll().await.told(), (204, ""));
    assert_eq!(poller.poll().await.told(), (404, NO_CONNECTION), "once");
}

/// The JavaScript client's `stop()`: a Close by POST, the poll aborted, then the DELETE.
#[tokio::test]
async fn a_client_that_stops_has_left() {
    let lobby = Lobby::default();
    let server = started(&lobby, Options::default()).await;
    let poller = Poller::open(&server).await;
    let poll = poller.begin_poll().await;
    assert_eq!(server.post(&poller.path, "{\"type\":7}\x1e").await.told(), (200, ""));
    drop(poll);
    let delete = server.http(&format!("DELETE {}", poller.path), &[]).await;
    assert!([(202, ""), (404, NO_CONNECTION)].contains(&delete.told()), "{delete:?}");
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left(), [None]);
}

#[tokio::test]
async fn at_the_end_polls_get_what_is_left_then_204_then_404() {
    let lobby = Lobby::default();
    let server = started(&lobby, Options::default()).await;
    let poller = Poller::open(&server).await;
    until("it is there", || !lobby.handles().is_empty()).await;
    server.hub.clients().all().send("Said", &(1,)).await.unwrap();
    lobby.handles()[0].end(CloseReason::Ended);
    until("the hub is told", || !lobby.left().is_empty()).await;
    let last = messages(&poller.poll().await);
    assert_eq!(last[0]["arguments"], json!([1]));
    assert_eq!(last[1..], [json!({"type": 7})]);
    let start = Instant::now();
    assert_eq!(poller.poll().await.told(), (204, ""));
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert!(start.elapsed() < Duration::from_secs(4), "nobody waits for a client that knows");
    assert_eq!(poller.poll().await.told(), (404, NO_CONNECTION));
    assert_eq!(lobby.left(), [None]);
}

/// What was answered with 200 would be lost.
#[tokio::test]
async fn between_the_goodbye_and_the_poll_that_fetches_it_posts_are_refused() {
    let lobby = Lobby::default();
    let server = started(&lobby, Options::default()).await;
    let poller = Poller::open(&server).await;
    until("it is there", || !lobby.handles().is_empty()).await;
    lobby.handles()[0].end(CloseReason::Ended);
    until("the hub is told", || !lobby.left().is_empty()).await;
    let posted = server.post(&poller.path, &call("1", "Echo", json!([1]))).await;
    assert_eq!(posted.told(), (404, NO_CONNECTION));
    assert_eq!(messages(&poller.poll().await), [json!({"type": 7})]);
    assert_eq!(poller.poll().await.told(), (204, ""));
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(poller.poll().await.told(), (404, NO_CONNECTION));
}

/// The clock goes on only while everybody waits.
#[tokio::test(start_paused = true)]
async fn a_post_that_waits_for_room_is_refused_as_soon_as_its_connection_ends() {
    let lobby = Lobby::default();
    let server = Server::start_with(Wire::Duplex, lobby.hub(), Options::default()).await;
    let poller = Poller::open(&server).await;
    until("it is there", || !lobby.handles().is_empty()).await;
    poller.post(&call("1", "Hold", json!([])).repeat(2)).await;
    until("the call runs", || server.hub.calls_in_flight() == 1).await;
    let text = call("2", "Echo", json!(["x".repeat(90_000)]));
    let mut posting = Box::pin(server.post(&poller.path, &text));
    let waits = tokio::time::timeout(Duration::from_secs(5), &mut posting).await;
    assert!(waits.is_err(), "it is not read behind a call that waits: {waits:?}");
    lobby.handles()[0].end(CloseReason::Ended);
    let start = tokio::time::Instant::now();
    assert_eq!(posting.await.told(), (404, NO_CONNECTION));
    assert!(start.elapsed() < Duration::from_secs(1), "the goodbye may wait for its poll for longer");
}

#[tokio::test]
async fn a_client_that_does_not_poll_any_more_is_gone() {
    let patience = Duration::from_secs(1);
    let lobby = Lobby::default();
    let mut options = Options { disconnect_timeout: patience, ..Options::default() };
    options.protocol.keep_alive_interval = Duration::from_millis(20);
    let server = started(&lobby, options).await;
    for during_a_call in [false, true] {
        let start = Instant::now();
        let poller = Poller::open(&server).await;
        if during_a_call {
            poller.post(&call("1", "Hold", json!([])).repeat(3)).await;
        }
        let before = lobby.left().len();
        until("the hub is told", || lobby.left().len() > before).await;
        assert!(start.elapsed() >= patience, "not before its time");
        assert_eq!(lobby.left().last(), Some(&None));
        // It is told if it comes back soon.
        assert_eq!(messages(&poller.poll().await), [json!({"type": 7})]);
        assert_eq!(poller.poll().await.told(), (204, ""));
    }
}

/// As over a narrow line. The clock goes on only while everybody waits.
#[tokio::test(start_paused = true)]
async fn who_takes_some_of_an_answer_is_there_and_who_takes_none_is_gone() {
    const PART: usize = 128 * 1024;
    let lobby = Lobby::default();
    let patience = Duration::from_secs(15);
    let options = Options { disconnect_timeout: patience, ..Options::default() };
    let server = Server::start_with(Wire::Duplex, lobby.hub(), options).await;
    let (slow, stalled) = (Poller::open(&server).await, Poller::open(&server).await);
    let text = "x".repeat(16 * PART);
    server.hub.clients().all().send("Said", &(&text,)).await.unwrap();
    let (mut answer, mut untaken) = (slow.begin_poll().await, stalled.begin_poll().await);
    let (length, _) = (answer.head().await.length(), untaken.head().await);
    let start = tokio::time::Instant::now();
    let mut taken = String::new();
    for _ in 0..8 {
        assert!(start.elapsed() >= patience || lobby.left().is_empty(), "not before its time");
        tokio::time::sleep(patience * 2 / 3).await;
        taken.push_str(&answer.part(PART).await);
    }
    assert_eq!(lobby.left(), [None], "the other has taken nothing for too long");
    taken.push_str(&answer.part(length - taken.len()).await);
    assert!(taken.contains(&text), "a torn message");

    server.hub.clients().all().send("Said", &(1,)).await.unwrap();
    assert_eq!(numbers(&slow.poll().await), [1]);
    assert_eq!(lobby.left(), [None], "who took its answer is still there");
}

#[tokio::test]
async fn polls_stand_for_pings_in_both_directions() {
    let lobby = Lobby::default();
    let mut options = Options {
        disconnect_timeout: Duration::from_secs(1),
        poll_timeout: Duration::from_millis(1_300),
        ..Options::default()
    };
    options.protocol.keep_alive_interval = Duration::from_millis(50);
    options.protocol.peer_timeout = Duration::from_millis(500);
    let server = started(&lobby, options).await;
    let poller = Poller::open(&server).await;
    poller.post("{\"type\":6}\x1e").await;
    for _ in 0..2 {
        assert_eq!(poller.poll().await.told(), (200, ""), "no ping, and no end while it waits");
    }
    assert!(lobby.left().is_empty());
}

#[tokio::test]
async fn a_waiting_poll_hears_that_the_server_stops() {
    let lobby = Lobby::default();
    let server = started(&lobby, Options { drain_spread: Duration::ZERO, ..Options::default() }).await;
    let poller = Poller::open(&server).await;
    until("it is there", || !lobby.handles().is_empty()).await;
    let mut waits = poller.waiting_poll().await;
    server.hub.drain().await;
    assert_eq!(messages(&waits.answer().await), [json!({"type": 7, "allowReconnect": true})]);
    assert_eq!(waits.ask(&format!("GET {}", poller.path), &[], "").await.told(), (204, ""));
}

/// A connection whose polls are asked one by one.
struct Poller<'s> {
    server: &'s Server,
    path: String,
}

impl<'s> Poller<'s> {
    /// With its handshake done.
    async fn open(server: &'s Server) -> Self {
        let poller = Self { server, path: server.negotiated().await };
        assert_eq!(poller.poll().await.told(), (200, ""));
        poller.post(HANDSHAKE).await;
        assert_eq!(poller.poll().await.told(), (200, "{}\x1e"));
        poller
    }

    async fn poll(&self) -> Answer {
        self.begin_poll().await.answer().await
    }

    async fn begin_poll(&self) -> Http1 {
        let mut http = Http1::new(self.server.dial().await);
        http.begin(&format!("GET {}", self.path), &[], "").await;
        http
    }

    /// A poll that waits, as the end of another that waited tells.
    async fn waiting_poll(&self) -> Http1 {
        let (mut one, mut other) = (self.begin_poll().await, self.begin_poll().await);
        let (replaced, waits) = tokio::select! {
            answer = one.answer() => (answer, other),
            answer = other.answer() => (answer, one),
        };
        assert_eq!(replaced.told(), (204, ""));
        waits
    }

    /// Posts what must be taken.
    async fn post(&self, text: &str) {
        assert_eq!(soon("a POST", self.server.post(&self.path, text)).await.told(), (200, ""));
    }
}

fn messages(answer: &Answer) -> Vec<Value> {
    let whole = answer.body.strip_suffix('\x1e').expect("whole messages");
    whole.split('\x1e').map(|message| serde_json::from_str(message).unwrap()).collect()
}

async fn started(lobby: &Lobby, options: Options) -> Server {
    Server::start_with(Wire::Polls, lobby.hub(), options).await
}

const NO_CONNECTION: &str = "No Connection with that ID";
