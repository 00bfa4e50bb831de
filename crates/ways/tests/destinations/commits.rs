//! Commits that fail, and those of another server, cost nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kafka_bridge::broker::{Broker, NextOffset};
use kafka_bridge::misbehaving::MisbehavingBroker;

use crate::local::{Receiver, Reply, broker, until};
use crate::meanwhile::Meanwhile;
use crate::running::{Running, all, came, write, write_many};

#[tokio::test]
async fn what_another_server_commits_meanwhile_is_no_sign_of_another_topic() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    for number in 0..3 {
        write(&broker, "a", &number.to_string()).await;
    }
    let at = broker.positions("t").await.unwrap().into_iter().find(|at| at.end > 0).unwrap();
    let committed = |offset| vec![NextOffset { partition: at.partition, offset }];
    broker.commit("streamgate-d", "t", committed(3)).await.unwrap();
    let meanwhile = Meanwhile { inner: broker.clone(), committed: committed(5), is_done: AtomicBool::new(false) };
    let running = Running::start(Arc::new(meanwhile), &receiver.url("/"), "");
    until("what came behind", || came(&receiver, |_| true).get("a").is_some_and(|came| came.contains(&"4".to_owned())))
        .await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true)["a"], ["3", "4"], "what was committed before does not come again");
}

#[tokio::test]
async fn commits_that_fail_and_reads_that_end_cost_nothing() {
    let memory = broker(&["t"]).await;
    let misbehaving = MisbehavingBroker::new(memory.clone());
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let running = Running::start(misbehaving.clone(), &receiver.url("/"), "");
    write_many(&memory, 2, 0..5).await;
    until("the first", || receiver.asked().len() >= 10).await;
    memory.delete_topic("t");
    memory.create_topic("t", Some(3)).await.unwrap();
    write_many(&memory, 2, 5..8).await;
    until("those of the new topic of that name", || receiver.asked().len() >= 16).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true), all(2, 8));
    let at = |partition, offset| NextOffset { partition, offset };
    assert!(!misbehaving.committed("streamgate-d", "t").await.unwrap().contains(&at(0, 99)));
}
