//! Inbound webhooks: services post, pages see.

use std::sync::Arc;

use e2e::program::{Program, printed, process};
use e2e::server::TestServer;
use e2e::wait::{until, within};
use kafka_bridge::broker::NotWritten;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use serde_json::{Value, json};
use streamgate::config::Config;
use ways::webhook::Preset;

use crate::sender::{SECRET, Sender, track};

const SETTINGS: &str = r#"
[[webhooks]]
path = "/webhooks/segment"
topic = "segment-data"
preset = "segment"
secret = "s3cret"
stream = "Segment Data"
event = "/type"
"#;

/// Signs and posts as Segment does, with the lines by which how-to-connect.md's program verifies it: `hmac.new(secret, body,
/// sha1).hexdigest()` in `x-signature`.
const SEGMENT: &str = r#"
import hashlib, hmac, json, sys, urllib.request
body = json.dumps(json.loads(sys.argv[3])).encode()
signature = hmac.new(bytearray(sys.argv[2], "utf-8"), body, hashlib.sha1).hexdigest()
headers = {"x-signature": signature, "content-type": "application/json"}
with urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, headers)) as answer:
    print(answer.status, answer.read().decode())
    print(body.decode())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_segment_posts_is_an_event_that_pages_see() {
    let program = Program::serve_with_settings(SETTINGS, &["--memory"]).await;
    let page = e2e::client::HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &("segment-data",)).await.unwrap();
    page.invoke("SubscribeToEvent", &("segment-data", "*", "identify")).await.unwrap();

    let url = format!("{}/webhooks/segment", program.url);
    let body = r#"{"messageId": "m-1", "type": "identify", "userId": "97980cfea0067", "traits": {"name": "Péter", "logins": 5}}"#;
    let mut python = tokio::process::Command::new("python3");
    let output = within("the answer", python.args(["-c", SEGMENT, &url, SECRET, body]).output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("200 OK"), "{}", String::from_utf8_lossy(&output.stderr));
    let posted = lines.next().unwrap();

    let call = within("the package", page.next_call_of("PackageReceived")).await.unwrap();
    let (package,): (Value,) = call.bind().unwrap();
    assert_eq!((&package["streamId"], &package["topicName"]), (&json!("Segment Data"), &json!("segment-data")));
    let payload: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    assert_eq!((&payload[0]["Id"], &payload[0]["Value"]), (&json!("identify"), &json!(posted)));
    let call = within("the event", page.next_call_of("EventDataReceived")).await.unwrap();
    let (event,): (Value,) = call.bind().unwrap();
    assert_eq!(
        (&event["id"], &event["value"], &event["streamId"]),
        (&json!("identify"), &json!(posted), &json!("Segment Data"))
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let minute = 60_000_000_000;
    assert!(event["timestamp"].as_u64().unwrap().abs_diff(now) < 10 * minute, "{event}");
}

/// With the example of Twilio's "Security".
#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_posts_is_an_object_and_answered_by_no_reply() {
    let settings = "[[webhooks]]\npath = '/webhooks/twilio'\ntopic = 'sms'\npreset = 'twilio'\nsecret = '12345'\n\
                    url = 'https://mycompany.com/myapp.php?foo=1&bar=2'\nkey = '/From'\nas = 'json'";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let page = e2e::client::HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    page.invoke("SubscribeToPackages", &("sms",)).await.unwrap();
    let post = async |signature: &str| {
        let body = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
        let request = reqwest::Client::new().post(format!("{}/webhooks/twilio", program.url)).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded; charset=UTF-8");
        request.header("x-twilio-signature", signature).send().await.unwrap()
    };
    assert_eq!(post("AAAAAAAAAAAAAAAAAAAAAAAAAAA=").await.status(), 401);
    let answer = post("RSOYDt4T1cUTdK1PDd93/VVr8B8=").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"text/xml".parse().unwrap()));
    assert_eq!(answer.text().await.unwrap(), "<Response/>");
    let call = within("the package", page.next_call_of("PackageReceived")).await.unwrap();
    let (package,): (Value,) = call.bind().unwrap();
    assert_eq!(package["streamId"], "+14158675309");
    let value: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    assert_eq!((&value["CallSid"], &value["Digits"]), (&json!("CA1234567890ABCDE"), &json!("1234")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_sign_is_told_nothing_and_the_operator_why() {
    let settings = format!("auth.secret = \"{}\"\n{SETTINGS}[limits]\nbody_size = \"2KiB\"", "x".repeat(32));
    let program = Program::serve_with_settings(&settings, &["--memory", "--create-topics"]).await;
    let segment = Sender::new(Preset::Segment, format!("{}/webhooks/segment", program.url));
    let body = track("m-1");
    assert_eq!(segment.status(&body).await, 200, "a signature is enough where others need a token");
    let topics = reqwest::get(format!("{}/topics", program.url)).await.unwrap();
    assert_eq!(topics.status(), 401);

    let forged = segment.delivery(&body).body(track("m-2"));
    let missing = reqwest::Client::new().post(format!("{}/webhooks/segment", program.url)).body(body.clone());
    for request in [forged.build().unwrap(), missing.build().unwrap()] {
        let answer = reqwest::Client::new().execute(request).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.text().await.unwrap(), "");
    }
    program.logs("its signature, token or password is wrong").await;

    let at = |method| reqwest::Client::new().request(method, format!("{}/webhooks/segment", program.url)).send();
    for method in [reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::DELETE] {
        let answer = at(method.clone()).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"POST".parse().unwrap()), "{method}");
    }
    assert_eq!(segment.status(&" ".repeat(3000)).await, 413);
    assert_eq!(segment.status("not JSON").await, 400);
    let text = segment.delivery(&body).header("content-encoding", "gzip").send().await.unwrap();
    assert_eq!(text.status(), 415);
    let elsewhere = segment.delivery(&track("m-3")).header("host", "hooks.example.com").send().await.unwrap();
    assert_eq!(elsewhere.status(), 200);

    let metrics = reqwest::get(format!("{}/metrics", program.management())).await.unwrap().text().await.unwrap();
    for (outcome, count) in [
        ("accepted", 2),
        ("wrong_signature", 1),
        ("unsigned", 1),
        ("method", 3),
        ("too_large", 1),
        ("invalid", 1),
        ("content_type", 1),
    ] {
        let sample = format!(
            "streamgate_webhook_deliveries_total{{webhook=\"/webhooks/segment\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(metrics.contains(&sample), "{sample} in {metrics}");
    }
    assert!(!program.log().contains(SECRET), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_anybody_is_warned_of_and_stays_for_this_machine() {
    let settings = "[[webhooks]]\npath = '/in'\ntopic = 'open'\npreset = 'none'";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    program.logs("the webhook /in has preset").await;
    let anybody = Sender::new(Preset::None, format!("{}/in", program.url));
    assert_eq!(anybody.status(r#"{"a": 1.10}"#).await, 200);
    let elsewhere = anybody.delivery("{}").header("host", "hooks.example.com").send().await.unwrap();
    assert_eq!(elsewhere.status(), 421, "without a signature the name that was used counts");
    let lines =
        printed(&["tail", "open", "--from", "earliest", "--until-end", "--json", "--url", &program.url], "").await;
    let package: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!((&package["value"], &package["streamId"]), (&json!(r#"{"a": 1.10}"#), &json!("in")));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_is_away_senders_are_told_to_come_again() {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    let config = Config { create_topics: Some(true), webhooks: webhooks(), ..Config::default() };
    let server = TestServer::configured(broker.clone(), config).await;
    let segment = Sender::new(Preset::Segment, format!("{}/webhooks/segment", server.url()));
    assert_eq!(segment.status(&track("m-0")).await, 200);

    broker.refuse_appends(Some(NotWritten::Unavailable));
    let answer = segment.post(&track("m-1")).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(answer.json::<Value>().await.unwrap()["kind"], "NotWritten");
    broker.refuse_appends(None);
    assert_eq!(segment.status(&track("m-1")).await, 200, "it was not written before");

    // Not durable yet: neither the first nor the same again is acknowledged.
    broker.hold_acks();
    let (first, second) = (segment.clone(), segment.clone());
    let first = tokio::spawn(async move { first.status(&track("m-2")).await });
    until("handed over", async || broker.held() == 1).await;
    let second = tokio::spawn(async move { second.status(&track("m-2")).await });
    let other = segment.clone();
    let other = tokio::spawn(async move { other.status(&track("m-3")).await });
    until("another is handed over", async || broker.held() == 2).await;
    assert!(!first.is_finished() && !second.is_finished());
    broker.release_acks();
    for answer in [first, second, other] {
        assert_eq!(within("an answer", answer).await.unwrap(), 200);
    }
    assert_eq!(count(&server, "segment-data").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_can_be_sent_by_hand() {
    let program = Program::serve_with_settings(SETTINGS, &["--memory"]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), track("m-1")).unwrap();
    let url = format!("{}/webhooks/segment", program.url);
    let send = async |secret: Option<&str>| {
        let mut command = process();
        command.args([
            "webhook",
            "send",
            "segment",
            file.path().to_str().unwrap(),
            "--url",
            &url,
            "--secret-env",
            "HOOK",
        ]);
        command.envs(secret.map(|secret| ("HOOK", secret)));
        let output = within("the command", command.output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(send(Some(SECRET)).await, (Some(0), "200 OK: OK\n".to_owned(), String::new()));
    let (code, _, said) = send(Some("other")).await;
    assert_eq!((code, said.as_str()), (Some(1), "error: it was not taken: 401 Unauthorized\n"));
    let (code, _, said) = send(None).await;
    let missing = "error: the environment variable HOOK is to hold the secret; --secret-env names another\n";
    assert_eq!((code, said.as_str()), (Some(1), missing));
}

fn webhooks() -> Vec<ways::webhook::WebhookConfig> {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(deserialize_with = "ways::fields::entries")]
        webhooks: Vec<ways::webhook::WebhookConfig>,
    }
    toml::from_str::<File>(SETTINGS).unwrap().webhooks
}

/// Packages in a topic.
async fn count(server: &TestServer, topic: &str) -> usize {
    let url = format!("{}/topics/{topic}/packages?from=earliest&until_end=true", server.url());
    let text = within("the packages", async { reqwest::get(url).await.unwrap().text().await.unwrap() }).await;
    text.lines().count()
}
