//! The settings of webhooks.

use super::config;
use crate::fields::{entries, read};
use crate::webhook::*;

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
