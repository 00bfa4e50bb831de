//! What becomes of a delivery.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::HeaderMap;
use prometheus_client::registry::Registry;

use super::samples::{BODY, NOW, SIGNED, TWILIO, TWILIO_URL};
use super::topic::Topic;
use super::{SEGMENT, delivery};
use crate::AppendError;
use crate::secret::Revealed;
use crate::webhook::*;

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
