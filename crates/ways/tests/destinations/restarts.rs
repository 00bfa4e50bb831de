//! Over stops, kills and topics made anew nothing is lost, and what was told holds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_bridge::broker::{Broker, NextOffset};

use crate::local::{Receiver, Reply, broker, records, until};
use crate::running::{PATIENCE, Running, all, came, committed, write, write_many};

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything_in_order_and_a_restart_loses_nothing() {
    let broker = broker(&["t"]).await;
    let (away, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_away, counted) = (away.clone(), refused.clone());
    let receiver = Receiver::start(move |request, _| {
        if is_away.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Reply::status(500);
        }
        assert!(request.headers["webhook-id"].starts_with("t-"));
        Reply::status(200)
    })
    .await;
    write_many(&broker, 5, 0..20).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("all that there is", || receiver.asked().len() >= 100).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 100, "what was taken is committed at the end");
    assert_eq!(came(&receiver, |_| true), all(5, 20), "each once, each stream in order");

    away.store(true, Ordering::SeqCst);
    let before = receiver.asked().len();
    write_many(&broker, 5, 20..40).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("refusals, and time to commit between them", || refused.load(Ordering::SeqCst) >= 5).await;
    drop(running); // killed
    assert_eq!(committed(&*broker).await, 100);
    let failed = receiver.asked().len() - before;
    away.store(false, Ordering::SeqCst);
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("the rest", || receiver.asked().len() >= before + failed + 100).await;
    running.stop().await;
    assert_eq!(came(&receiver, |number| number < before || number >= before + failed), all(5, 40));
    let ids: BTreeSet<_> = receiver.asked().into_iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 200, "a message has one id, whenever it is sent");
}

#[tokio::test]
async fn a_new_destination_begins_at_the_end_and_remembers_that() {
    let broker = broker(&["t"]).await;
    write_many(&broker, 2, 0..3).await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let start = || Running::start(broker.clone(), &receiver.url("/"), "topic = 'ws-t'\nfrom = 'end'");
    let running = start();
    begun(&*broker).await;
    drop(running);
    write_many(&broker, 2, 0..2).await;
    let running = start();
    until("what came while it was not there", || receiver.asked().len() >= 4).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true), all(2, 2));
}

/// Made once, and made anew.
#[tokio::test]
async fn a_destination_that_was_there_before_its_topic_misses_nothing_of_it() {
    for was_there in [false, true] {
        let broker = broker(if was_there { &["t"] } else { &[] }).await;
        let receiver = Receiver::start(|_, _| Reply::status(200)).await;
        let running = Running::start(broker.clone(), &receiver.url("/"), "from = 'end'");
        if was_there {
            begun(&*broker).await;
        } else {
            // It has looked for the topic: all runs on this thread, and it waits for nothing before.
            tokio::task::yield_now().await;
        }
        for (numbers, came_by_then) in [(0..2, 2), (2..3, 3)] {
            broker.delete_topic("t");
            broker.create_topic("t", Some(1)).await.unwrap();
            write_many(&broker, 1, numbers).await;
            until("what was written first", || receiver.asked().len() >= came_by_then).await;
        }
        running.stop().await;
        assert_eq!(came(&receiver, |_| true), all(1, 3));
    }
}

#[tokio::test]
async fn a_receiver_that_says_gone_is_left_alone_and_nothing_is_passed_over() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, before| Reply::status(if before == 0 { 410 } else { 200 })).await;
    write_many(&broker, 1, 0..3).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("the answer", || !receiver.asked().is_empty()).await;
    running.stop().await;
    assert_eq!((receiver.asked().len(), committed(&*broker).await), (1, 0));
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("all, after a new start", || receiver.asked().len() >= 4).await;
    running.stop().await;
    assert_eq!(came(&receiver, |number| number > 0), all(1, 3));
}

#[tokio::test]
async fn a_receiver_that_said_gone_is_left_alone_when_its_topic_is_made_anew_as_well() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(410)).await;
    write_many(&broker, 1, 0..1).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("the answer", || !receiver.asked().is_empty()).await;
    broker.delete_topic("t");
    broker.create_topic("t", Some(1)).await.unwrap();
    write_many(&broker, 1, 1..2).await;
    let opened = async {
        while broker.committed("streamgate-d", "t").await.unwrap() != [NextOffset { partition: 0, offset: 0 }] {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("it is read again");
    running.stop().await;
    assert_eq!(receiver.asked().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_no_stop_and_what_others_took_is_committed() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|request, _| match request.body.contains("slow") {
        true => Reply::Silence,
        false => Reply::status(200),
    })
    .await;
    write(&broker, "a", "0").await;
    write(&broker, "a", "slow").await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("both", || receiver.asked().len() >= 2).await;
    let begun = std::time::Instant::now();
    running.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(committed(&*broker).await, 1);
}

#[tokio::test]
async fn what_is_older_than_retry_for_when_the_server_is_back_is_tried_for_so_long_once_more() {
    let broker = broker(&["t", "dead"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(503)).await;
    let written = std::time::Instant::now();
    write(&broker, "a", "x").await;
    let settings = "retry_for = '2s'\ndead_letter = 'dead'";
    let running = Running::start(broker.clone(), &receiver.url("/"), settings);
    until("the first try", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let before = receiver.asked().len();
    assert_eq!((committed(&*broker).await, records(&*broker, "dead").await.len()), (0, 0), "it outlasts a stop");
    until("its age", || written.elapsed() > std::time::Duration::from_secs(2)).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), settings);
    let is_done = async {
        while committed(&*broker).await < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_done).await.expect("it is given up");
    running.stop().await;
    assert!(receiver.asked().len() - before >= 2, "not at its first refusal");
    assert_eq!(records(&*broker, "dead").await.len(), 1);
}

/// Once it has committed where it begins.
async fn begun(broker: &dyn Broker) {
    let begins = async {
        while broker.committed("streamgate-d", "t").await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begins).await.expect("it commits where it begins");
}
