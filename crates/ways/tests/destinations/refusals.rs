//! What a receiver does not take: whom it holds up, how often it is tried, where it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_bridge::broker::{Broker, NextOffset};
use quix_model::Outgoing;
use ways::{Append, HandedOver};

use crate::local::{Receiver, Reply, Writes, broker, records, until};
use crate::running::{PATIENCE, Running, came, committed, write, write_many};

#[tokio::test]
async fn what_is_never_taken_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let broker = broker(&["t", "dead"]).await;
    let receiver = Receiver::start(|request, _| match &request.body {
        body if body.contains("bad") => Reply::status(422),
        body if body.contains("later") => Reply::status(503),
        _ => Reply::status(200),
    })
    .await;
    for value in ["0", "bad", "1"] {
        write(&broker, "a", value).await;
    }
    write(&broker, "b", "later").await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "dead_letter = 'dead'\nretry_for = '0s'");
    let letters = async {
        loop {
            let letters = records(&*broker, "dead").await;
            if letters.len() == 2 {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut letters = tokio::time::timeout(PATIENCE, letters).await.expect("two letters");
    until("what comes behind", || came(&receiver, |_| true).get("a").is_some_and(|values| values.len() == 3)).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 4);
    letters.sort_by_key(|letter| letter.key.clone());
    let letter: serde_json::Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(letters[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(
        (&letter["reason"], &letter["message"]["value"]),
        (&"it answers with HTTP status 422".into(), &"bad".into())
    );
}

#[tokio::test]
async fn a_receiver_is_asked_again_when_it_says_so_and_one_message_at_a_time() {
    let broker = broker(&["t"]).await;
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = times.clone();
    let receiver = Receiver::start(move |_, before| {
        told.lock().unwrap().push(std::time::Instant::now());
        if before == 0 { Reply::status_with(429, "retry-after", "2") } else { Reply::status(200) }
    })
    .await;
    write_many(&broker, 4, 0..2).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
    until("all", || receiver.asked().len() >= 9).await;
    running.stop().await;
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= std::time::Duration::from_secs(2), "{:?}", times[1] - times[0]);
}

#[tokio::test]
async fn a_message_that_is_never_taken_holds_up_its_own_stream_only() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 500 } else { 200 })).await;
    write(&broker, "a", "bad").await;
    write_many(&broker, 3, 0..2).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
    until("all of the others", || {
        let came = came(&receiver, |_| true);
        (0..3).all(|stream| came.get(&format!("s{stream}")).is_some_and(|values| values.len() == 2))
    })
    .await;
    running.stop().await;
    assert!(came(&receiver, |_| true)["a"].iter().all(|value| value == "bad"));
}

#[tokio::test]
async fn a_message_that_is_not_welcome_lets_the_others_go_on_at_once() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 404 } else { 200 })).await;
    write_many(&broker, 3, 0..1).await;
    let stands = ends(&*broker).await;
    for stream in ["x", "y"] {
        write(&broker, stream, "bad").await;
    }
    let bad = firsts(&stands, &ends(&*broker).await);
    write_many(&broker, 3, 1..40).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 4");
    until("all of the others", || {
        let came = came(&receiver, |_| true);
        (0..3).all(|stream| came.get(&format!("s{stream}")).is_some_and(|values| values.len() == 40))
    })
    .await;
    running.stop().await;
    let came = came(&receiver, |_| true);
    assert!(["x", "y"].iter().all(|stream| (1..TRIES).contains(&came[*stream].len())), "{came:?}");
    let committed = broker.committed("streamgate-d", "t").await.unwrap();
    assert!(bad.iter().all(|at| committed.contains(at)), "{committed:?} stands before {bad:?}");
}

/// More than may wait, and more than may be read ahead.
#[tokio::test]
async fn what_is_not_welcome_does_not_keep_reading_closed() {
    for (bad, others) in [(1_500, 100), (1, 3_500)] {
        let broker = broker(&["t", "dead"]).await;
        let receiver =
            Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 404 } else { 200 })).await;
        write_many(&broker, 3, 0..1).await;
        for _ in 0..bad {
            write(&broker, "s0", "bad").await;
        }
        write_many(&broker, 3, 1..others).await;
        let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 8\ndead_letter = 'dead'");
        let all = (bad + 3 * others) as i64;
        let is_done = async {
            while committed(&*broker).await < all {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(2 * PATIENCE, is_done).await.expect("all is done with");
        running.stop().await;
        let came = came(&receiver, |_| true);
        assert!((1..3).all(|stream| came[&format!("s{stream}")].len() == others));
        assert_eq!(records(&*broker, "dead").await.len(), bad);
        let tries = came["s0"].iter().filter(|value| *value == "bad").count();
        assert!((bad + 1..bad + TRIES).contains(&tries), "{tries} tries: the first of them several, the others one");
    }
}

#[tokio::test]
async fn a_hook_that_is_deleted_is_asked_rarely_and_gets_everything_when_it_is_back() {
    let broker = broker(&["t", "dead"]).await;
    let is_deleted = Arc::new(AtomicBool::new(true));
    let deleted = is_deleted.clone();
    let receiver =
        Receiver::start(move |_, _| Reply::status(if deleted.load(Ordering::SeqCst) { 404 } else { 200 })).await;
    write_many(&broker, 20, 0..5).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 8\ndead_letter = 'dead'");
    let begun = std::time::Instant::now();
    // Eight at once, and two more until three have been refused.
    until("a try after a pause", || receiver.asked().len() > 10).await;
    let asked = receiver.asked().len();
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "{asked} in {:?}", begun.elapsed());
    is_deleted.store(false, Ordering::SeqCst);
    let refused = receiver.asked().len();
    until("all", || receiver.asked().len() >= refused + 100).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 100);
    assert_eq!(records(&*broker, "dead").await.len(), 0);
}

#[tokio::test]
async fn a_receiver_that_wants_other_credentials_is_left_alone() {
    for status in [401, 403, 407] {
        let broker = broker(&["t"]).await;
        let times = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = times.clone();
        let receiver = Receiver::start(move |_, before| {
            told.lock().unwrap().push(std::time::Instant::now());
            Reply::status(if before == 0 { status } else { 200 })
        })
        .await;
        write_many(&broker, 4, 0..1).await;
        let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
        until("all", || receiver.asked().len() >= 5).await;
        running.stop().await;
        assert_eq!(committed(&*broker).await, 4);
        let times = times.lock().unwrap();
        assert!(times[1] - times[0] >= std::time::Duration::from_secs(1), "{status}: no other stream meanwhile");
    }
}

#[tokio::test]
async fn what_is_given_up_is_not_sent_again_while_its_dead_letter_cannot_be_written() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 422 } else { 200 })).await;
    write(&broker, "a", "bad").await;
    write(&broker, "a", "1").await;
    let (tries, writes) = (Arc::new(AtomicUsize::new(0)), Writes(broker.clone()));
    let counted = Arc::new(Counted { tries: tries.clone(), writes });
    let running = Running::with(broker.clone(), counted, &receiver.url("/"), "dead_letter = 'dead'");
    until("two tries to write it", || tries.load(Ordering::SeqCst) >= 2).await;
    broker.create_topic("dead", Some(1)).await.unwrap();
    until("what comes behind", || receiver.asked().len() >= 2).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true)["a"], ["bad", "1"]);
    let letters = records(&*broker, "dead").await;
    let letter: serde_json::Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!((letters.len(), &letter["reason"]), (1, &"it answers with HTTP status 422".into()));
    assert_eq!(committed(&*broker).await, 2);
}

/// Counts what is tried.
#[derive(Debug)]
struct Counted {
    tries: Arc<AtomicUsize>,
    writes: Writes,
}

impl Append for Counted {
    fn hand_over<'a>(&'a self, topic: &'a str, stream_id: &'a str, outgoing: Outgoing<'a>) -> HandedOver<'a> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        self.writes.hand_over(topic, stream_id, outgoing)
    }
}

/// By partition.
async fn ends(broker: &dyn Broker) -> Vec<NextOffset> {
    let positions = broker.positions("t").await.unwrap();
    positions.iter().map(|at| NextOffset { partition: at.partition, offset: at.end }).collect()
}

/// Where something came between.
fn firsts(before: &[NextOffset], after: &[NextOffset]) -> Vec<NextOffset> {
    before.iter().zip(after).filter(|(before, after)| before != after).map(|(before, _)| *before).collect()
}

/// Of what is not welcome.
const TRIES: usize = 7;
