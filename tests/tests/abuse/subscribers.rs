//! Subscribers who follow too much, or come and go: nothing of them stays.

use std::sync::Arc;

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::server::TestServer;
use e2e::wait::{until, within};
use futures::future::join_all;
use kafka_bridge::broker::Broker;
use kafka_bridge::memory::MemoryBroker;

use crate::process::{MIB, limit_hits, memory, metrics, settled, total};
use crate::witness::{Witness, event};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_follows_so_many_topics_and_no_more() {
    let broker = Arc::new(MemoryBroker::new());
    for number in 0..5000 {
        broker.create_topic(&format!("t{number}"), Some(1)).await.unwrap();
    }
    let server = TestServer::over(broker).await;
    let client = server.connect().await;
    let calls = (0..5000).map(|number| client.start("SubscribeToPackages", &(format!("t{number}"),)).unwrap());
    let answers = within("all answers", join_all(calls)).await;
    let refused: Vec<String> = answers.into_iter().filter_map(|answer| Some(answer.err()?.to_string())).collect();
    assert_eq!(refused.len(), 5000 - 4096);
    assert!(refused[0].contains("This connection has 4096 subscriptions"), "{}", refused[0]);
    assert_eq!(limit_hits(&server.management(), "subscriptions").await, refused.len() as f64);
    // One that was followed already is no more; one less makes room.
    client.invoke("SubscribeToPackages", &("t0",)).await.unwrap();
    client.invoke("SubscribeToPackages", &("t4999",)).await.unwrap_err();
    client.invoke("UnsubscribeFromPackages", &("t0",)).await.unwrap();
    client.invoke("SubscribeToPackages", &("t4999",)).await.unwrap();
    assert_eq!(total(&server.management(), "streamgate_subscriptions").await, 4096.0);
    client.abort().await;
    until("all are left", async || total(&server.management(), "streamgate_subscriptions").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_and_leaves_again_and_again_leaves_nothing() {
    let program = Program::serve(&["--memory"]).await;
    let management = program.management();
    let witness = Witness::start(&program.url).await;
    let (mut memory_before, mut series_before) = (0, 0);
    for turn in 0..3 {
        for round in 0..120 {
            come_and_go(&program, round).await;
        }
        settled(&program, 2).await;
        until("all but the witness have left", async || total(&management, "streamgate_subscriptions").await == 1.0)
            .await;
        let (held, series) = (memory(&program), metrics(&management).await.lines().count());
        println!("turn {turn}: {} KiB, {series} lines of metrics", held / 1024);
        if turn == 0 {
            (memory_before, series_before) = (held, series);
        }
        assert_eq!(series, series_before);
        assert!(held < memory_before + 4 * MIB, "{} KiB more", (held - memory_before) / 1024);
    }
    assert_eq!(total(&management, "streamgate_output_queued_bytes").await, 0.0);
    witness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_while_the_last_one_leaves_is_answered() {
    let server = Arc::new(TestServer::start().await);
    let clients = (0..8).map(|number| {
        let (server, topic) = (server.clone(), format!("door-{}", number / 2));
        tokio::spawn(async move {
            let client = server.connect().await;
            for _ in 0..1000 {
                within("an answer", client.invoke("SubscribeToPackages", &(&topic,))).await.unwrap();
                within("an answer", client.invoke("UnsubscribeFromPackages", &(&topic,))).await.unwrap();
            }
            client.close().await;
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    until("all have left", async || total(&server.management(), "streamgate_subscriptions").await == 0.0).await;
}

async fn come_and_go(program: &Program, round: usize) {
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let mut calls = Vec::new();
    for number in 0..10 {
        let topic = format!("loop-{}", (round + number) % 20);
        calls.push(client.start("SubscribeToPackages", &(&topic,)).unwrap());
        calls.push(client.start("SendEventData", &(&topic, "s", [event(number)])).unwrap());
        if number % 3 == 0 {
            calls.push(client.start("UnsubscribeFromPackages", &(&topic,)).unwrap());
        }
    }
    match round % 4 {
        // Gone in the middle of its own subscriptions.
        0 => drop(client.abort().await),
        1 => drop(calls.remove(3).await),
        2 => {
            join_all(calls).await;
            client.close().await;
        }
        _ => drop(client),
    }
}
