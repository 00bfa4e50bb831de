//! Deliveries of every preset, right and wrong, over a topic that can be made to fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::registry::Registry;
use quix_model::Outgoing;
use tokio::sync::Semaphore;

use super::*;
use crate::fields::{entries, read};
use crate::metrics::Metrics;
use crate::secret::Revealed;
use crate::{Append, AppendError, Durable};

/// Seconds since 1970.
const NOW: i64 = 1_614_265_330;

type Headers = &'static [(&'static str, &'static str)];

/// Of each preset: a secret, and the body, time and headers of a delivery under it.
///
/// Facts of others: `standard` is the example of the Standard Webhooks specification, `github` that of GitHub's "Validating
/// webhook deliveries", `slack` that of Slack's "Verifying requests from Slack".
const PUBLISHED: [(&str, &str, &str, i64, Headers); 3] = [
    (
        "standard",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        r#"{"test": 2432232314}"#,
        1_614_265_330,
        &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
    ),
    (
        "github",
        "It's a Secret to Everybody",
        "Hello, World!",
        NOW,
        &[("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")],
    ),
    (
        "slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&\
         user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
         %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.\
         803a0bc887a14d10d2c447fce8b6703c",
        1_531_420_618,
        &[
            ("X-Slack-Request-Timestamp", "1531420618"),
            ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ],
    ),
];

const BODY: &str = r#"{"messageId":"m-1","id":"evt_1","event_id":"Ev1","type":"signup","n":12345678901234567890}"#;

/// Signed by Python's `hmac` with the secret `s3cret` (of `standard`: `whsec_czNjcmV0`, its base64) at [`NOW`].
const SIGNED: [(&str, &str, Headers); 8] = [
    ("segment", "s3cret", &[("x-signature", "72c6d8a7543f64e3e8d160d486dfff9d626388ae")]),
    (
        "github",
        "s3cret",
        &[
            ("x-hub-signature-256", "sha256=4c7796ba470ea557d3206c02bf4367daf868760409c1e216ce234f8ad52d6a77"),
            ("x-github-delivery", "d-1"),
            ("x-github-event", "signup"),
        ],
    ),
    (
        "stripe",
        "s3cret",
        &[(
            "stripe-signature",
            "t=1614265330,v1=0bcd459182b9df0fc0f11c732486a5b034d3753bee4dc4138a136349ba116a8b,v0=00",
        )],
    ),
    (
        "slack",
        "s3cret",
        &[
            ("x-slack-request-timestamp", "1614265330"),
            ("x-slack-signature", "v0=000d46a328f4ba330673ca014d7c4bef8e820a3044a5a47260b06f469f9ffa7d"),
        ],
    ),
    (
        "shopify",
        "s3cret",
        &[
            ("x-shopify-hmac-sha256", "THeWukcOpVfTIGwCv0Nn2vhodgQJweIWziNPitUtanc="),
            ("x-shopify-webhook-id", "w-1"),
            ("x-shopify-topic", "signup"),
        ],
    ),
    (
        "standard",
        "whsec_czNjcmV0",
        &[
            ("webhook-id", "m-1"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1a,x v1,FdqRRheICb3BNi8KnijRmNOjw+A2TrCucs5vgOLe35c="),
        ],
    ),
    ("bearer", "s3cret", &[("authorization", "Bearer s3cret")]),
    ("basic", "user:s3cret", &[("authorization", "Basic dXNlcjpzM2NyZXQ=")]),
];

const TWILIO_URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

/// Bodies and their signatures under the secret `12345`.
const TWILIO: [(&str, &str); 2] = [
    (
        "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    ("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
];

/// Which header of a delivery proves it.
fn proof(preset: &str) -> HeaderName {
    let preset = Preset::ALL.iter().find(|(name, _)| *name == preset).unwrap().1;
    preset.scheme().map_or(AUTHORIZATION, |scheme| scheme.header)
}

#[test]
fn published_examples_are_genuine() {
    for (preset, secret, body, time, headers) in PUBLISHED {
        let config = config(&format!("preset = {preset:?}\nsecret = {secret:?}"));
        let verify = |body: &str, time| config.verifier().unwrap().verify(&map(headers), body.as_bytes(), time);
        assert!(verify(body, time).is_ok(), "{preset}");
        assert_eq!(verify(&format!("{body} "), time), Err(Refusal::Wrong), "{preset}");
    }
}

#[test]
fn every_preset_takes_its_own_and_nothing_else() {
    for (preset, secret, headers) in SIGNED {
        let verifier = config(&format!("preset = {preset:?}\nsecret = {secret:?}")).verifier().unwrap();
        let verify = |headers: &HeaderMap, body: &str, now| verifier.verify(headers, body.as_bytes(), now).map(drop);
        let right = map(headers);
        assert_eq!(verify(&right, BODY, NOW), Ok(()), "{preset}");
        let is_signed = !["bearer", "basic"].contains(&preset);
        if is_signed {
            assert_eq!(verify(&right, &BODY.replace('1', "2"), NOW), Err(Refusal::Wrong), "{preset}: another body");
        }
        assert_eq!(verify(&HeaderMap::new(), BODY, NOW), Err(Refusal::Missing), "{preset}: no header");
        for wrong in ["", "x", "t=1,v1=00", "Bearer", "Digest s3cret"] {
            let mut odd = right.clone();
            odd.insert(proof(preset), HeaderValue::from_static(wrong));
            assert!(verify(&odd, BODY, NOW).is_err(), "{preset}: {wrong:?}");
        }
        let another = match preset {
            "standard" => "whsec_AAAA".to_owned(),
            _ => format!("{secret}x"),
        };
        let other = config(&format!("preset = {preset:?}\nsecret = {another:?}")).verifier().unwrap();
        assert_eq!(other.verify(&right, BODY.as_bytes(), NOW), Err(Refusal::Wrong), "{preset}: another secret");
        for both in [[another.as_str(), secret], [secret, another.as_str()]] {
            let both = config(&format!("preset = {preset:?}\nsecret = {both:?}")).verifier().unwrap();
            assert!(both.verify(&right, BODY.as_bytes(), NOW).is_ok(), "{preset}: either secret");
        }
    }
}

#[test]
fn times_of_sending_are_looked_at_where_they_are_signed() {
    for (preset, secret, headers) in SIGNED {
        let verifier = config(&format!("preset = {preset:?}\nsecret = {secret:?}")).verifier().unwrap();
        let has_time = ["stripe", "slack", "standard"].contains(&preset);
        for (away, is_fresh) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let expected = if is_fresh || !has_time { Ok(()) } else { Err(Refusal::Stale { seconds: 301 }) };
            let verified = verifier.verify(&map(headers), BODY.as_bytes(), NOW + away).map(drop);
            assert_eq!(verified, expected, "{preset}, {away} s");
        }
        if let Some(name) =
            ["x-slack-request-timestamp", "webhook-timestamp"].iter().find(|name| map(headers).contains_key(**name))
        {
            let mut later = map(headers);
            later.insert(*name, HeaderValue::from_static("1614265999"));
            assert_eq!(verifier.verify(&later, BODY.as_bytes(), 1_614_265_999), Err(Refusal::Wrong), "{preset}");
            later.remove(*name);
            assert_eq!(verifier.verify(&later, BODY.as_bytes(), NOW), Err(Refusal::NoTimestamp), "{preset}");
        }
    }
    let stripe = config("preset = 'stripe'\nsecret = 's3cret'").verifier().unwrap();
    let moved = SIGNED[2].2[0].1.replace("t=1614265330", "t=1614265999");
    let moved = map(&[("stripe-signature", moved.as_str())]);
    assert_eq!(stripe.verify(&moved, BODY.as_bytes(), 1_614_265_999), Err(Refusal::Wrong));
}

/// Facts of others: the first signature is the example of Twilio's "Security", the second of its libraries' tests.
#[test]
fn twilio_signs_the_address_and_the_fields_in_order_each_once() {
    let verify = |url: &str, body: &str, signature: &str| {
        let config = config(&format!("preset = 'twilio'\nsecret = '12345'\nurl = {url:?}"));
        config.verifier().unwrap().verify(&map(&[("X-Twilio-Signature", signature)]), body.as_bytes(), NOW).map(drop)
    };
    for (body, signature) in TWILIO {
        assert_eq!(verify(TWILIO_URL, body, signature), Ok(()), "{body}");
        assert_eq!(verify(TWILIO_URL, &body.replace('4', "5"), signature), Err(Refusal::Wrong), "{body}");
        assert_eq!(verify("https://mycompany.com/myapp.php", body, signature), Err(Refusal::Wrong), "{body}");
    }
}

#[tokio::test]
async fn forms_become_objects_where_that_is_asked_for() {
    let topic = Topic::new();
    let webhook = topic.webhook(&format!(
        "preset = 'twilio'\nsecret = '12345'\nurl = {TWILIO_URL:?}\nkey = '/Sid'\nas = 'json'\nid = '/Sid'"
    ));
    let (body, signature) = TWILIO[1];
    let headers =
        [("x-twilio-signature", signature), ("content-type", "application/x-www-form-urlencoded; charset=UTF-8")];
    let answer = webhook.receive(delivery(&headers, body, NOW)).await;
    assert_eq!((answer.status.as_u16(), answer.outcome), (200, "accepted"), "{answer:?}");
    assert!(topic.written()[0].contains(r#"{"Digits":["5678","1234","1234"],"Sid":"CA123","SidAccount":"AC123"}"#));
    assert_eq!(webhook.receive(delivery(&headers, body, NOW)).await.outcome, "duplicate");
    let plain = [headers[0], ("content-type", "text/plain")];
    assert_eq!(webhook.receive(delivery(&plain, body, NOW)).await.outcome, "content_type");
}

#[test]
fn custom_schemes_sign_what_they_say() {
    let config = config(
        "secret = 's3cret'\n[verify]\nheader = 'X-Sig'\nhash = 'sha512'\nencoding = 'base64'\nprefix = 'v2='\n\
         signed = '{id}|{ts}|{body}|end'\ntimestamp = 'X-Time'\nid = 'X-Id'",
    );
    let headers = [
        ("x-sig", "v2=hFC2FTHWzrawU0SKOpMwhvoxQfEYnDB7dO9naDrZVrBGkfX9+2mBNA/445cwBiPjYtOhTab0K6FYZZeyzCP0jA=="),
        ("x-time", "1614265330"),
        ("x-id", "a-1"),
    ];
    let verify =
        |headers: &[(&str, &str)]| config.verifier().unwrap().verify(&map(headers), BODY.as_bytes(), NOW).map(drop);
    assert_eq!(verify(&headers), Ok(()));
    assert_eq!(verify(&[headers[0], headers[1], ("x-id", "a-2")]), Err(Refusal::Wrong));
    assert_eq!(verify(&headers[..2]), Err(Refusal::Missing));
}

#[test]
fn what_we_sign_is_genuine() {
    for (name, preset) in Preset::ALL {
        let secret = if name == "standard" { "whsec_czNjcmV0" } else { "user:s3cret" };
        let sent = Sent { id: "m-7", url: TWILIO_URL, event: "push", time: NOW };
        let headers = sign(preset, &Revealed::from(secret), BODY.as_bytes(), &sent).unwrap();
        let headers: HeaderMap = headers.into_iter().collect();
        let secret = if preset == Preset::None { String::new() } else { format!("secret = {secret:?}") };
        let url = if preset == Preset::Twilio { format!("url = {TWILIO_URL:?}") } else { String::new() };
        let config = config(&format!("preset = {name:?}\n{secret}\n{url}"));
        assert!(config.verifier().unwrap().verify(&headers, BODY.as_bytes(), NOW).is_ok(), "{name}");
        for (place, text) in [(preset.id(), "m-7"), (preset.event(), "push")] {
            if let Some(Place::Header(header)) = place {
                assert_eq!(headers[header], text, "{name}");
            }
        }
    }
    let sent = Sent { id: "m", url: TWILIO_URL, event: "e", time: NOW };
    assert!(sign(Preset::Standard, &Revealed::from("no base64!"), b"", &sent).is_err());
}

#[tokio::test]
async fn events_are_what_the_presets_say_they_are() {
    for (preset, secret, headers) in SIGNED {
        let topic = Topic::new();
        let webhook = topic.webhook(&format!("preset = {preset:?}\nsecret = {secret:?}\nstream = 'S'"));
        let answer = webhook.receive(delivery(headers, BODY, NOW)).await;
        assert_eq!((answer.status.as_u16(), answer.outcome), (200, "accepted"), "{preset}");
        let expected = match preset {
            "bearer" | "basic" => format!("t/S: {BODY}"),
            _ => format!("t/S: event signup at {NOW}000000000: {BODY}"),
        };
        assert_eq!(topic.written(), [expected], "{preset}");
    }
}

#[tokio::test]
async fn a_delivery_that_comes_again_is_taken_and_not_written() {
    for (preset, secret, headers) in SIGNED {
        let topic = Topic::new();
        let webhook = topic.webhook(&format!("preset = {preset:?}\nsecret = {secret:?}"));
        let has_id = !["bearer", "basic"].contains(&preset);
        for (seconds, outcome) in [(0, "accepted"), (1, if has_id { "duplicate" } else { "accepted" })] {
            let answer = webhook.receive(delivery(headers, BODY, NOW + seconds)).await;
            assert_eq!((answer.status.as_u16(), answer.outcome), (200, outcome), "{preset}");
        }
        assert_eq!(topic.written().len(), if has_id { 1 } else { 2 }, "{preset}");
    }
}

#[tokio::test]
async fn without_an_id_a_signed_time_tells_deliveries_apart_and_else_nothing_does() {
    let body = r#"{"temperature":5}"#;
    for (preset, written) in [("slack", 1), ("segment", 2)] {
        let topic = Topic::new();
        let webhook = topic.webhook(&format!("preset = {preset:?}\nsecret = 's3cret'"));
        let preset = webhook.config().preset.unwrap();
        let sent = Sent { id: "x", url: TWILIO_URL, event: "x", time: NOW };
        let headers: HeaderMap =
            sign(preset, &Revealed::from("s3cret"), body.as_bytes(), &sent).unwrap().into_iter().collect();
        for _ in 0..2 {
            let delivery = Delivery { headers: headers.clone(), ..delivery(&[], body, NOW) };
            assert_eq!(webhook.receive(delivery).await.status.as_u16(), 200);
        }
        assert_eq!(topic.written().len(), written, "{preset:?}");
    }
}

#[tokio::test]
async fn an_id_is_seen_only_when_it_is_durable() {
    let topic = Topic::new();
    let webhook = topic.webhook(SEGMENT);
    for (error, status, outcome) in [
        (AppendError::BrokerAway("away".into()), 503, "unavailable"),
        (AppendError::BacklogFull("full".into()), 503, "unavailable"),
        (AppendError::OutcomeUnknown("unknown".into()), 503, "unknown"),
        (AppendError::UnknownTopic("none".into()), 503, "unknown_topic"),
        (AppendError::TooLarge("large".into()), 413, "too_large"),
        (AppendError::Refused("odd".into()), 400, "invalid"),
    ] {
        let text = error.to_string();
        topic.fails(Some(error));
        let answer = webhook.receive(delivery(SIGNED[0].2, BODY, NOW)).await;
        assert_eq!((answer.status.as_u16(), answer.outcome, answer.text), (status, outcome, text));
        assert_eq!(answer.retry_after.is_some(), status == 503);
    }
    topic.fails(None);
    assert_eq!(webhook.receive(delivery(SIGNED[0].2, BODY, NOW)).await.outcome, "accepted");
    assert_eq!(topic.written().len(), 1);
}

#[tokio::test]
async fn of_two_at_the_same_time_the_second_waits_and_a_sender_that_goes_away_changes_nothing() {
    let topic = Topic::new();
    let webhook = topic.webhook(SEGMENT);
    topic.hold();
    let receive = || webhook.receive(delivery(SIGNED[0].2, BODY, NOW)).boxed();
    let (mut first, mut second) = (receive(), receive());
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    drop(first);
    tokio::task::yield_now().await;
    assert!(second.as_mut().now_or_never().is_none(), "the first is not durable yet");
    topic.release();
    assert_eq!(second.await.outcome, "duplicate");
    assert_eq!(topic.written().len(), 1);

    topic.hold();
    topic.fails(Some(AppendError::BrokerAway("away".into())));
    let body = BODY.replace("m-1", "m-2");
    let headers: HeaderMap = sign(
        Preset::Segment,
        &Revealed::from("s3cret"),
        body.as_bytes(),
        &Sent { id: "", url: TWILIO_URL, event: "", time: NOW },
    )
    .unwrap()
    .into_iter()
    .collect();
    let receive = || webhook.receive(Delivery { headers: headers.clone(), ..delivery(&[], &body, NOW) }).boxed();
    let (mut first, mut second) = (receive(), receive());
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    topic.release();
    assert_eq!(first.await.outcome, "unavailable");
    topic.fails(None);
    assert_eq!(second.await.outcome, "accepted", "the first was not written");
}

#[tokio::test]
async fn what_is_not_json_is_told_to_those_who_have_signed_only() {
    let topic = Topic::new();
    let webhook = topic.webhook("preset = 'bearer'\nsecret = 's3cret'\nkey = '/id'");
    for (headers, body, status, outcome) in [
        (&[("authorization", "Bearer s3cret")][..], "{", 400, "invalid"),
        (&[("authorization", "Bearer x")], "{", 401, "wrong_signature"),
        (&[("authorization", "Bearer s3cret")], "{\"id\":null}", 400, "invalid"),
        (&[("authorization", "Bearer s3cret"), ("content-type", "text/plain")], "{\"id\":1}", 415, "content_type"),
        (
            &[("authorization", "Bearer s3cret"), ("content-type", "application/vnd.x+json; a=b")],
            "{\"id\":1}",
            200,
            "accepted",
        ),
        (&[("authorization", "bearer s3cret")], "{\"id\":1}", 200, "accepted"),
        (&[("authorization", "Bearer s3cret"), ("authorization", "Bearer x")], "{\"id\":1}", 401, "unsigned"),
    ] {
        let answer = webhook.receive(delivery(headers, body, NOW)).await;
        assert_eq!((answer.status.as_u16(), answer.outcome), (status, outcome), "{headers:?} {body}");
        assert_eq!(answer.text.is_empty(), status == 401, "{}", answer.text);
    }
    let answer = webhook.receive(delivery(&[("authorization", "Bearer s3cret")], "{}", NOW)).await;
    assert_eq!(answer.text, "The body: there is nothing at /id, where the setting `key` points.");
    let deep = "[".repeat(100_000);
    assert_eq!(webhook.receive(delivery(&[("authorization", "Bearer s3cret")], &deep, NOW)).await.status.as_u16(), 400);
}

#[tokio::test]
async fn texts_are_kept_where_they_are_asked_for() {
    let topic = Topic::new();
    let webhook = topic.webhook("preset = 'none'\ncontent = 'text'\nevent = 'form'");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(webhook.receive(delivery(&form, "a=\"1\"&b=č", NOW)).await.outcome, "accepted");
    assert_eq!(webhook.receive(delivery(&[("content-type", "application/json")], "{}", NOW)).await.outcome, "accepted");
    let expected = [r#""a=\"1\"&b=č""#, "{}"].map(|value| format!("t/w: event form at {NOW}000000000: {value}"));
    assert_eq!(topic.written(), expected);
    let bytes = Delivery { body: Bytes::from_static(b"\xff"), ..delivery(&form, "", NOW) };
    assert_eq!(webhook.receive(bytes).await.status.as_u16(), 400);
}

#[tokio::test]
async fn slack_is_answered_when_it_asks_whether_this_is_the_address() {
    let topic = Topic::new();
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#;
    for (preset, text, written) in [(Preset::Slack, "3eZbrw1a", 0), (Preset::Stripe, "OK", 1)] {
        let webhook = topic.webhook(&format!("preset = {:?}\nsecret = 's3cret'", preset.name()));
        let sent = Sent { id: "", url: TWILIO_URL, event: "", time: NOW };
        let headers = sign(preset, &Revealed::from("s3cret"), body.as_bytes(), &sent).unwrap().into_iter().collect();
        let answer = webhook.receive(Delivery { headers, ..delivery(&[], body, NOW) }).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, text));
        assert_eq!(topic.written().len(), written);
        let forged = webhook.receive(delivery(&[], body, NOW)).await;
        assert_eq!((forged.status.as_u16(), forged.text.as_str()), (401, ""));
    }
}

#[tokio::test]
async fn past_its_rate_a_webhook_says_when_to_come_again() {
    let topic = Topic::new();
    let webhook = topic.webhook("preset = 'bearer'\nsecret = 's3cret'\nrate = '2/min'");
    let genuine = || delivery(&[("authorization", "Bearer s3cret")], "{}", NOW);
    for _ in 0..5 {
        assert_eq!(webhook.receive(delivery(&[("authorization", "Bearer x")], "{}", NOW)).await.status.as_u16(), 401);
    }
    assert_eq!(webhook.receive(genuine()).await.status.as_u16(), 200, "those who are not let in use nothing up");
    assert_eq!(webhook.receive(genuine()).await.status.as_u16(), 200);
    let answer = webhook.receive(genuine()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.outcome, answer.retry_after),
        (429, "rate", Some(Duration::from_secs(30)))
    );
}

#[tokio::test]
async fn deliveries_are_counted_by_what_became_of_them() {
    let topic = Topic::new();
    let webhook = topic.webhook(SEGMENT);
    webhook.receive(delivery(SIGNED[0].2, BODY, NOW)).await;
    webhook.receive(delivery(SIGNED[0].2, BODY, NOW)).await;
    webhook.receive(delivery(&[], BODY, NOW)).await;
    let mut registry = Registry::with_prefix("streamgate");
    topic.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for outcome in ["accepted", "duplicate", "unsigned"] {
        let sample = format!("streamgate_webhook_deliveries_total{{webhook=\"/w\",outcome=\"{outcome}\"}} 1");
        assert!(text.contains(&sample), "{sample} in {text}");
    }
}

#[test]
fn settings_that_cannot_be_are_told() {
    for (text, problem) in [
        ("", "needs a `preset` or `verify`; where nobody signs, write preset = \"none\""),
        ("preset = 'segment'", "needs a `secret`"),
        ("preset = 'twilio'", "needs a `url`: the webhook's address as it is set at Twilio, which signs it"),
        ("preset = 'segment'\nurl = 'https://a/'", "has a `url`, which only preset = \"twilio\" looks at"),
        ("preset = 'none'\nsecret = 'x'", "has a `secret`, and preset = \"none\" looks at none"),
        (
            "preset = 'segment'\nverify = { header = 'X', hash = 'sha1' }\nsecret = 'x'",
            "has both `preset` and `verify`: leave one out",
        ),
        (
            "preset = 'x'",
            "has a setting `preset` that must be one of segment, github, stripe, slack, shopify, twilio, standard, bearer, basic, none, not \"x\"",
        ),
        (
            "preset = 'segment'\nsecret = 'x'\nid = 'a b'",
            "has a setting `id` that must be a header's name or a JSON pointer, not \"a b\"",
        ),
    ] {
        let table = toml::from_str(&format!("path = '/w'\ntopic = 't'\n{text}")).unwrap();
        assert_eq!(read::<WebhookConfig>(table), Err(problem.to_owned()));
    }
    for path in ["", "w", "/", "/w/", "/a b", "/{x}", "/hub", "/Hub", "/hub/x", "/topics/t", "/health/live", "/ü"] {
        let table = toml::from_str(&format!("path = {path:?}\ntopic = 't'\npreset = 'none'")).unwrap();
        assert!(read::<WebhookConfig>(table).unwrap_err().starts_with("has a setting `path` "), "{path}");
    }
    for (text, problem) in [
        (
            "preset = 'standard'\nsecret = 'whsec_!'",
            "is not \"whsec_\" and base64, as secrets of Standard Webhooks are",
        ),
        ("preset = 'standard'\nsecret = 'whsec_'", "is not \"whsec_\" and base64, as secrets of Standard Webhooks are"),
        ("preset = 'basic'\nsecret = 'x'", "is not \"USER:PASSWORD\""),
        (
            "preset = 'bearer'\nsecret = 'file:/there/is/none'",
            "the file /there/is/none cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let error = config(text).verifier().unwrap_err().to_string();
        assert_eq!(error, format!("the secret of webhook /w: {problem}"));
    }
}

#[test]
fn settings_read_back_as_they_are_shown() {
    for text in [
        "preset = 'segment'\nsecret = ['${A}', 'file:/b']\nkey = '/userId'\nid = '/x'\nrate = '5/s'\ntolerance = '1m'",
        "secret = '${A}'\ncontent = 'text'\nevent = 'e'\nverify = { header = 'X-S', hash = 'sha256', signed = 'x{body}' }\n\
         timestamp = { pointer = '/t', unit = 'ms' }\nid = 'X-Id'",
    ] {
        let config = config(text);
        let shown = toml::Table::try_from(&config).unwrap();
        assert_eq!(read(shown.clone()), Ok(config), "{shown}");
    }
}

#[test]
fn the_documentation_has_a_webhook_of_every_preset_that_works() {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(deserialize_with = "entries")]
        webhooks: Vec<WebhookConfig>,
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/webhooks.md");
    let document = std::fs::read_to_string(path).unwrap();
    let blocks = document.split("```toml").skip(1).map(|block| block.split("```").next().unwrap());
    let webhooks: Vec<_> = blocks.flat_map(|block| toml::from_str::<File>(block).unwrap().webhooks).collect();
    for (name, preset) in Preset::ALL {
        assert!(webhooks.iter().any(|webhook| webhook.preset == Some(preset)), "{name}");
    }
    assert!(webhooks.iter().any(|webhook| webhook.verify.is_some()));
}

const SEGMENT: &str = "preset = 'segment'\nsecret = 's3cret'";

/// What was written, and what becomes of what is.
#[derive(Debug)]
struct Topic {
    inner: Arc<Inner>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    written: Mutex<Vec<String>>,
    error: Mutex<Option<AppendError>>,
    gate: Semaphore,
}

impl Topic {
    fn new() -> Self {
        let gate = Semaphore::new(OPEN);
        Self {
            inner: Arc::new(Inner { written: Mutex::default(), error: Mutex::default(), gate }),
            metrics: Metrics::default(),
        }
    }

    fn webhook(&self, text: &str) -> Webhook {
        Webhook::new(config(text), self.inner.clone(), self.metrics.clone()).unwrap()
    }

    fn fails(&self, error: Option<AppendError>) {
        *self.inner.error.lock().unwrap() = error;
    }

    fn hold(&self) {
        self.inner.gate.forget_permits(OPEN);
    }

    fn release(&self) {
        self.inner.gate.add_permits(OPEN);
    }

    fn written(&self) -> Vec<String> {
        self.inner.written.lock().unwrap().clone()
    }
}

impl Append for Inner {
    fn hand_over<'a>(
        &'a self,
        topic: &'a str,
        stream_id: &'a str,
        outgoing: Outgoing<'a>,
    ) -> BoxFuture<'a, Result<Durable, AppendError>> {
        async move {
            self.gate.acquire().await.unwrap().forget();
            self.gate.add_permits(1);
            if let Some(error) = self.error.lock().unwrap().clone() {
                return Err(error);
            }
            let record = match outgoing {
                Outgoing::Json(text) => text.to_owned(),
                Outgoing::Events([event]) => {
                    format!("event {} at {}: {}", event.id, event.timestamp, event.value.as_deref().unwrap())
                }
                other => panic!("{other:?}"),
            };
            self.written.lock().unwrap().push(format!("{topic}/{stream_id}: {record}"));
            Ok(std::future::ready(Ok(())).boxed())
        }
        .boxed()
    }
}

const OPEN: usize = 100;

fn config(text: &str) -> WebhookConfig {
    let table = toml::from_str(&format!("path = '/w'\ntopic = 't'\n{text}")).unwrap();
    read(table).unwrap()
}

fn delivery(headers: &[(&str, &str)], body: &str, seconds: i64) -> Delivery {
    let mut headers = map(headers);
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Delivery { headers, body: Bytes::copy_from_slice(body.as_bytes()), received: seconds * 1_000_000_000 }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    headers.iter().map(header).collect()
}
