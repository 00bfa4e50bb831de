//! Deliveries as their senders sign them.

/// Seconds since 1970.
pub(super) const NOW: i64 = 1_614_265_330;

pub(super) type Headers = &'static [(&'static str, &'static str)];

/// Of each preset: a secret, and the body, time and headers of a delivery under it.
///
/// Facts of others: `standard` is the example of the Standard Webhooks specification, `github` that of GitHub's "Validating
/// webhook deliveries", `slack` that of Slack's "Verifying requests from Slack".
pub(super) const PUBLISHED: [(&str, &str, &str, i64, Headers); 3] = [
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

pub(super) const BODY: &str =
    r#"{"messageId":"m-1","id":"evt_1","event_id":"Ev1","type":"signup","n":12345678901234567890}"#;

/// Signed by Python's `hmac` with the secret `s3cret` (of `standard`: `whsec_czNjcmV0`, its base64) at [`NOW`].
pub(super) const SIGNED: [(&str, &str, Headers); 8] = [
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

pub(super) const TWILIO_URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

/// Bodies and their signatures under the secret `12345`.
pub(super) const TWILIO: [(&str, &str); 2] = [
    (
        "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    ("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
];
