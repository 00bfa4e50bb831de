//! What is taken of each preset, and what is not.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::samples::{BODY, NOW, PUBLISHED, SIGNED, TWILIO, TWILIO_URL};
use super::{config, map};
use crate::secret::Revealed;
use crate::webhook::*;

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

/// Which header of a delivery proves it.
fn proof(preset: &str) -> HeaderName {
    let preset = Preset::ALL.iter().find(|(name, _)| *name == preset).unwrap().1;
    preset.scheme().map_or(AUTHORIZATION, |scheme| scheme.header)
}
