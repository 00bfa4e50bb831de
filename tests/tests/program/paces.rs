//! Calls that come too fast wait, over HTTP their sender is told; but only where that was asked for.

use std::time::{Duration, Instant};

use e2e::wait::until;
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::bearer::{LINE, ask, connect, guarded, token};
use crate::support::{metric, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_makes_so_many_calls_a_second_and_no_more() {
    let program = guarded("[limits]\ncalls_per_second = 5").await;
    let hits = "streamgate_limit_hits_total{limit=\"calls_per_second\"}";
    let [ann, bob] = ["ann", "bob"].map(|user| token(user, "read:* write:* create_topics"));
    let write = async |token: &str| {
        let url = format!("{}/topics/t/packages", program.url);
        ask(Method::POST, &url, Some(token)).body(LINE).send().await.unwrap()
    };
    assert_eq!(write(&bob).await.status(), 200);

    let clients = [connect(&program, &ann).await, connect(&program, &ann).await];
    let begin = Instant::now();
    let event = json!(["t", "s", [{ "id": "e", "timestamp": 1, "value": "v" }]]);
    let calls: Vec<_> = (0..12).map(|number| clients[number % 2].start("SendEventData", &event).unwrap()).collect();
    for call in calls {
        call.await.expect("it is written, if late");
    }
    // Five at once, and then one in each fifth of a second.
    assert!(begin.elapsed() >= Duration::from_millis(1_400), "{:?}", begin.elapsed());
    let waited = metric(&program.management(), hits).await;
    assert!(waited > 0.0);

    let answers = join_all((0..20).map(|_| write(&ann))).await;
    let refused = answers.into_iter().find(|answer| answer.status() == 429).expect("one too many");
    assert_eq!(refused.headers()["retry-after"], "1");
    let document = problem(refused, 429).await;
    assert_eq!(document["kind"], "NotWritten");
    assert!(document["detail"].as_str().unwrap().contains("limit `calls_per_second`"), "{document}");
    assert!(metric(&program.management(), hits).await > waited);
    let read = ask(Method::GET, &format!("{}/topics", program.url), Some(&ann)).send().await.unwrap();
    assert_eq!(read.status(), 200, "reads are no calls of this kind");
    assert_eq!(write(&bob).await.status(), 200, "others have their own");
    until("there is room again", async || write(&ann).await.status() == 200).await;
}
