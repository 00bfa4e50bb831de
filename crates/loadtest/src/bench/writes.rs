//! What a write costs the server, by hub and by HTTP, and what it costs to deliver one parameter of twelve.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use loadtest::client::HubClient;
use loadtest::report::{count, table};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use super::subject::Subject;

/// One kind of write, all of them acknowledged.
#[derive(Debug, Serialize)]
pub(crate) struct WriteResult {
    name: String,
    /// What the server's CPU time is divided by.
    unit: &'static str,
    units: u64,
    server_us_per_unit: f64,
    calls_per_s: f64,
}

/// How a write goes in.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Calls of a hub method over one connection, [`IN_FLIGHT`] at a time.
    Hub(&'static str),
    /// Requests to this end of a stream's route, over [`CONNECTIONS`] connections, one at a time each.
    Http(&'static str),
}

/// Measures all kinds on a fresh server.
pub(crate) fn measure(program: &Path) -> anyhow::Result<Vec<WriteResult>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let event =
        json!([{ "id": "lap", "timestamp": 1_697_025_689_418_406_001_i64, "value": "x".repeat(100), "tags": {} }]);
    let data = twelve_parameters();
    let mut results = Vec::new();
    for (way, body, subscribers) in [
        (Way::Hub("SendEventData"), &event, 0),
        (Way::Hub("SendParameterData"), &data, 0),
        (Way::Http("events/data"), &event, 0),
        (Way::Http("parameters/data"), &data, 0),
        (Way::Hub("SendParameterData"), &data, SUBSCRIBERS),
    ] {
        let subject = Subject::server(program)?;
        results.push(runtime.block_on(one(&subject, way, body, subscribers))?);
    }
    Ok(results)
}

/// The figures as a table.
pub(crate) fn describe(results: &[WriteResult]) -> String {
    let words = |words: [&str; 4]| words.map(str::to_owned).to_vec();
    let mut rows = vec![words(["writes", "server µs", "per", "calls/s"])];
    rows.extend(results.iter().map(|result| {
        let cost = format!("{:.2}", result.server_us_per_unit);
        vec![result.name.clone(), cost, result.unit.to_owned(), count(result.calls_per_s)]
    }));
    table(&rows)
}

async fn one(subject: &Subject, way: Way, body: &Value, subscribers: usize) -> anyhow::Result<WriteResult> {
    let hub = format!("http://{}/hub", subject.target.address);
    let writer = HubClient::connect(&hub).await?;
    // Makes the topic, and warms up.
    by_hub(&writer, "SendEventData", &json!([]), IN_FLIGHT).await?;
    let mut readers = Vec::new();
    for number in 0..subscribers {
        let reader = HubClient::connect(&hub).await?;
        // Of ten kinds: a delivery shares its bytes with nine others.
        let parameter = format!("parameter-{}", number % 10);
        reader.invoke("SubscribeToParameter", &(TOPIC, "*", parameter)).await?;
        readers.push(tokio::spawn(async move { take(&reader, DELIVERED_CALLS).await }));
    }
    subject.settle()?;
    let (clock, begun) = (subject.clock()?, Instant::now());
    let before = clock.read()?;
    let calls = if subscribers > 0 { DELIVERED_CALLS } else { CALLS };
    match way {
        Way::Hub(method) => by_hub(&writer, method, body, calls).await?,
        Way::Http(end) => by_http(subject, end, body, calls).await?,
    }
    let elapsed = begun.elapsed();
    for reader in readers {
        reader.await??;
    }
    let cpu = clock.read()? - before;
    let units = if subscribers > 0 { (calls * subscribers) as u64 } else { calls as u64 };
    let name = match (way, subscribers) {
        (Way::Hub(method), 0) => format!("{method} by hub"),
        (Way::Hub(method), _) => format!("{method} to {subscribers} subscribers of 10 parameters"),
        (Way::Http(end), _) => format!("POST …/{end}"),
    };
    Ok(WriteResult {
        name,
        unit: if subscribers > 0 { "delivery" } else { "call" },
        units,
        server_us_per_unit: cpu.as_secs_f64() * 1e6 / units as f64,
        calls_per_s: calls as f64 / elapsed.as_secs_f64(),
    })
}

async fn by_hub(writer: &HubClient, method: &str, body: &Value, calls: usize) -> anyhow::Result<()> {
    let mut waiting = VecDeque::new();
    for _ in 0..calls {
        waiting.push_back(writer.start(method, &(TOPIC, "stream-1", body))?);
        if waiting.len() == IN_FLIGHT
            && let Some(oldest) = waiting.pop_front()
        {
            oldest.await?;
        }
    }
    for call in waiting {
        call.await?;
    }
    Ok(())
}

async fn by_http(subject: &Subject, end: &str, body: &Value, calls: usize) -> anyhow::Result<()> {
    let (address, body) = (subject.target.address, Bytes::from(body.to_string()));
    let connections = (0..CONNECTIONS).map(async |_| {
        let io = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = handshake(io).await?;
        tokio::spawn(connection);
        for _ in 0..calls / CONNECTIONS {
            let request = Request::post(format!("/topics/{TOPIC}/streams/stream-1/{end}"));
            let request = request.header(HOST, address.to_string()).header(CONTENT_TYPE, "application/json");
            let response = sender.send_request(request.body(Full::new(body.clone()))?).await?;
            let status = response.status();
            let said = response.into_body().collect().await?.to_bytes();
            ensure!(status == StatusCode::OK, "{status}: {}", String::from_utf8_lossy(&said));
        }
        Ok(())
    });
    try_join_all(connections).await.map(drop)
}

async fn take(reader: &HubClient, calls: usize) -> anyhow::Result<()> {
    for _ in 0..calls {
        reader.next_call().await.context("a subscriber was ended")?;
    }
    Ok(())
}

fn twelve_parameters() -> Value {
    let columns: serde_json::Map<_, _> =
        (0..12).map(|number| (format!("parameter-{number}"), json!([number]))).collect();
    json!({ "timestamps": [1_697_025_689_418_406_001_i64], "numericValues": columns, "tagValues": { "lap": ["2"] } })
}

const TOPIC: &str = "writes";
const IN_FLIGHT: usize = 64;
const CONNECTIONS: usize = 16;
const CALLS: usize = 16_000;
const SUBSCRIBERS: usize = 100;
const DELIVERED_CALLS: usize = 2_000;
