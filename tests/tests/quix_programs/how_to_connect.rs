//! The three Python programs of Quix's page "How to connect to Quix", as it prints them.

use e2e::client::HubClient;
use e2e::ports::lasting_ports;
use e2e::python::Python;
use e2e::wait::{own_topic, until, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::place::{Kind, Place};
use crate::script::{Script, beside};

#[tokio::test(flavor = "multi_thread")]
async fn the_cpu_load_of_a_machine_reaches_a_page() {
    for kind in [Kind::Embedded, Kind::Kafka, Kind::Secured("PLAIN")] {
        let (place, python) = (Place::of(kind).await, Python::quix_0_5().await);
        let environment =
            [("Quix__Portal__Api", place.program.url.clone()), ("STREAMING_TOKEN", "a token of no meaning".to_owned())];
        // The second time its topic is there.
        for time in ["first", "second"] {
            let mut program = Script::start(&python, "how-to-connect/cpu_load.py", &[], &environment);
            program.until_there(&place.program.url, "cpu-load").await;
            let page = page(&place, "SubscribeToPackages", &json!(["cpu-load"])).await;
            let loads = packages(&page, "TimeseriesDataRaw").await;
            let load = &loads["NumericValues"]["CPU_Load_1"][0];
            assert!(load.as_f64().is_some_and(|load| (0.0..=100.0).contains(&load)), "{kind:?}, {time} start: {loads}");

            program.interrupt();
            packages(&page, "StreamEnd").await;
            let end = program.end().await;
            assert!(end.said.contains("Closing stream"), "{kind:?}, {time} start: {}", end.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_polled_reaches_a_page_as_parameters() {
    let polled = serve_users().await;
    for kind in [Kind::Embedded, Kind::Kafka] {
        let (place, python, topic) = (Place::of(kind).await, Python::quix_0_5().await, own_topic("users"));
        let mut environment = place.environment();
        environment.extend([
            ("output", topic.clone()),
            ("POLLED_URL", polled.clone()),
            beside("quix-0.5/how-to-connect"),
        ]);
        let mut program = Script::start(&python, "how-to-connect/polling.py", &[], &environment);
        program.until_there(&place.program.url, &topic).await;
        let page = page(&place, "SubscribeToParameter", &json!([topic, "*", "address.city"])).await;
        let call = within("parameters", page.next_call_of("ParameterDataReceived")).await.unwrap();
        let (data,): (Value,) = call.bind().unwrap();
        assert_eq!(data["stringValues"]["address.city"], json!(["Brno"]), "{kind:?}: {data}");
        // The program gives no time, so the library takes the first whole number for nanoseconds.
        assert_eq!(data["timestamps"], json!([7291]), "{kind:?}: {data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_reaches_a_page_as_an_event() {
    let kind = Kind::Embedded;
    let (place, python, topic) = (Place::of(kind).await, Python::quix_0_5().await, own_topic("segment"));
    let [port] = lasting_ports();
    let mut environment = place.environment();
    environment.extend([
        ("output", topic.clone()),
        ("shared_secret", "secret".to_owned()),
        ("WEBHOOK_PORT", port.to_string()),
        beside("quix-0.5/how-to-connect"),
    ]);
    let mut program = Script::start(&python, "how-to-connect/webhook.py", &[], &environment);
    program.says("CONNECTED!").await;
    let page = page(&place, "SubscribeToEvent", &json!([topic, "*", "*"])).await;

    let (url, body) = (format!("http://127.0.0.1:{port}/webhook"), r#"{"type": "track", "userId": "u1"}"#);
    let send = async |signature: &str| {
        let request = reqwest::Client::new().post(&url).header("content-type", "application/json").body(body);
        request.header("x-signature", signature).send().await.map(|response| response.status().as_u16()).ok()
    };
    until("the program listens", async || send("wrong").await == Some(401)).await;
    // HMAC-SHA1 of the body with the key `secret`.
    assert_eq!(send("6e97c7cb5ba9f8d0b1ee8d7cd4a3a42b5f7f3a02").await, Some(401), "a signature of something else");
    assert_eq!(send(&signature(body)).await, Some(200));
    let call = within("the event", page.next_call_of("EventDataReceived")).await.unwrap();
    let (event,): (Value,) = call.bind().unwrap();
    assert_eq!(event["id"], "track");
    let value: Value = serde_json::from_str(event["value"].as_str().unwrap()).unwrap();
    assert_eq!(value, json!({ "type": "track", "userId": "u1" }));
}

/// As `openssl dgst -sha1 -hmac secret` says it.
fn signature(body: &str) -> String {
    use std::io::Write;
    let mut openssl = std::process::Command::new("openssl")
        .args(["dgst", "-sha1", "-hmac", "secret", "-r"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let said = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
    said.split_whitespace().next().unwrap().to_owned()
}

async fn page(place: &Place, method: &str, arguments: &Value) -> HubClient {
    let page = HubClient::connect(&format!("{}/hub", place.program.url)).await.unwrap();
    let arguments = arguments.as_array().unwrap();
    let subscribed = match &arguments[..] {
        [topic] => page.invoke(method, &(topic,)).await,
        [topic, stream, id] => page.invoke(method, &(topic, stream, id)).await,
        _ => unreachable!("subscriptions have one or three"),
    };
    subscribed.unwrap();
    page
}

/// The value of the next package of a kind.
async fn packages(page: &HubClient, kind: &str) -> Value {
    loop {
        let call = within(kind, page.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        if package["type"].as_str().unwrap().ends_with(kind) {
            return serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
        }
    }
}

/// What answers as the API does that the program polls.
async fn serve_users() -> String {
    let user = json!({ "id": 7291, "first_name": "Ann", "address": { "city": "Brno" }, "latitude": 49.2 }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/users", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (mut head, mut piece) = (Vec::new(), [0; 1024]);
            while !head.ends_with(b"\r\n\r\n") {
                match client.read(&mut piece).await {
                    Ok(count @ 1..) => head.extend(&piece[..count]),
                    _ => break,
                }
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{user}",
                user.len()
            );
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    url
}
