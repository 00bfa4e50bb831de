//! What is sent, and what is shown of a destination.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ways::destination::{DestinationConfig, Sender};
use ways::fetch::Fetcher;
use ways::fields::{Entry, Fields};

use crate::local::{Receiver, Reply, broker, until};
use crate::running::{Running, write};

#[tokio::test]
async fn what_is_sent_is_signed_and_no_secret_is_in_what_can_be_shown() {
    let broker = broker(&["t"]).await;
    write(&broker, "a", "x").await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let settings = "body = { text = '{{value}}' }\nheaders = { X-Key = 'top' }\nbasic = { user = 'u', password = 'p' }\n\
                    sign = { scheme = 'standard', secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }";
    let running = Running::start(broker.clone(), &receiver.url("/hook"), settings);
    until("it", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let request = &receiver.asked()[0];
    assert_eq!((&*request.line, &*request.body), ("POST /hook", r#"{"text":"x"}"#));
    assert_eq!((&*request.headers["x-key"], &*request.headers["authorization"]), ("top", "Basic dTpw"));
    let (id, time) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(request.headers["webhook-signature"], format!("v1,{expected}"));
}

#[tokio::test]
async fn pushover_gets_who_sends_to_whom_in_its_form_alone() {
    let broker = broker(&["t"]).await;
    write(&broker, "a", "5 > 4").await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let settings = "preset = 'pushover'\nform = { title = '{{id}}' }\nbasic = { user = 'u&1', password = 'p' }";
    let running = Running::start(broker.clone(), &receiver.url("/1/messages.json"), settings);
    until("it", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let request = &receiver.asked()[0];
    assert_eq!(request.body, "message=5+%3E+4&title=e&token=p&user=u%261");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn nothing_shows_the_url_of_a_hook() {
    let text = "name = 'd'\ntopic = 't'\nurl = 'https://hooks.example/T0/secret?key=secret'";
    let config = DestinationConfig::from_fields(&mut Fields::new(toml::from_str(text).unwrap())).unwrap();
    let sender = Sender::new(&config, Fetcher::new().unwrap()).unwrap();
    let shown = format!("{config:?} {sender:?} {}", toml::to_string(&config).unwrap());
    assert!(!shown.contains("secret") && shown.contains("https://hooks.example"), "{shown}");
}

#[test]
fn a_url_that_is_written_out_is_a_secret_and_so_is_the_user_of_pushover() {
    let holds_secrets = |text: &str| {
        let text = format!("name = 'd'\ntopic = 't'\n{text}");
        DestinationConfig::from_fields(&mut Fields::new(toml::from_str(&text).unwrap())).unwrap().holds_secrets()
    };
    assert!(holds_secrets("url = 'https://hooks.example/T0/B0'"));
    assert!(!holds_secrets("url = '${HOOK}'"));
    let basic = |user: &str| format!("preset = 'pushover'\nbasic = {{ user = '{user}', password = '${{T}}' }}");
    assert!(holds_secrets(&basic("u1")) && !holds_secrets(&basic("${U}")));
    assert!(!holds_secrets("url = '${HOOK}'\nbasic = { user = 'u1', password = '${P}' }"), "a name alone is none");
}
