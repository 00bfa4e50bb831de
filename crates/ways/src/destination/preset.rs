//! What each preset sends.

use std::collections::BTreeMap;

use super::config::{DestinationConfig, Preset};
use super::template::Template;
use crate::Json;

/// How a message becomes the body of a request.
#[derive(Debug)]
pub(super) enum Body {
    Json(Template),
    Form(BTreeMap<String, Template>),
}

impl Body {
    pub(super) fn of(config: &DestinationConfig) -> Self {
        let text = Template::value_as_text;
        if let Some(template) = &config.body {
            return Self::Json(template.clone());
        }
        match config.preset {
            Preset::TwilioSms => Self::form("Body", text(TWILIO_CHARS), config),
            Preset::Pushover => Self::form("message", text(PUSHOVER_CHARS), config),
            _ if !config.form.is_empty() => Self::Form(config.form.clone()),
            Preset::Json => Self::Json(Template::message()),
            Preset::Slack => Self::Json(Template::object([("text", text(SLACK_CHARS))])),
            Preset::Discord => Self::Json(Template::object([("content", text(DISCORD_CHARS))])),
            Preset::Teams => Self::Json(card()),
        }
    }

    /// The fields of the settings beside that of the preset, which may be one of them.
    fn form(name: &str, text: Template, config: &DestinationConfig) -> Self {
        let mut form = BTreeMap::from([(name.to_owned(), text)]);
        form.extend(config.form.clone());
        Self::Form(form)
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }

    pub(super) fn render(&self, message: Json<'_>) -> String {
        match self {
            Self::Json(template) => template.json(message),
            Self::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                fields.iter().for_each(|(name, template)| _ = form.append_pair(name, &template.text(message)));
                form.finish()
            }
        }
    }
}

/// Where Twilio takes messages of an account.
pub(super) fn twilio_url(account: &str) -> String {
    let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
    format!("https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json")
}

/// Where Pushover takes messages. Source: Pushover, "Message API".
pub(super) const PUSHOVER_URL: &str = "https://api.pushover.net/1/messages.json";

/// Source: Microsoft, "Create incoming webhooks with Workflows".
fn card() -> Template {
    let fixed = |text: &str| Template::new(text.into()).expect("no place in it");
    let list = |template: Template| template.listed();
    let block = Template::object([
        ("type", fixed("TextBlock")),
        ("text", Template::value_as_text(TEAMS_CHARS)),
        ("wrap", Template::new(true.into()).expect("no place in it")),
    ]);
    let content = Template::object([("type", fixed("AdaptiveCard")), ("version", fixed("1.4")), ("body", list(block))]);
    let attachment =
        Template::object([("contentType", fixed("application/vnd.microsoft.card.adaptive")), ("content", content)]);
    Template::object([("type", fixed("message")), ("attachments", list(attachment))])
}

/// Longest texts that each takes. Sources: Slack "chat.postMessage", Discord "Execute Webhook", Twilio "Messages" (`Body`),
/// Pushover "Message API"; of Teams 28 KB in all.
const SLACK_CHARS: usize = 40_000;
const DISCORD_CHARS: usize = 2_000;
const TWILIO_CHARS: usize = 1_600;
const PUSHOVER_CHARS: usize = 1_024;
const TEAMS_CHARS: usize = 6_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Entry, Fields};

    fn rendered(settings: &str, message: &str) -> (String, &'static str) {
        let mut fields = Fields::new(toml::from_str(&format!("name = 'n'\ntopic = 't'\n{settings}")).unwrap());
        let config = DestinationConfig::from_fields(&mut fields).unwrap();
        fields.finish().unwrap();
        let body = Body::of(&config);
        (body.render(Json::parse(message.as_bytes()).unwrap()), body.content_type())
    }

    #[test]
    fn each_preset_sends_what_its_service_takes() {
        const EVENT: &str = r#"{"streamId":"s","id":"e","value":"5 > 4 & \"so\""}"#;
        for (settings, body) in [
            ("url = 'x'", EVENT),
            ("url = 'x'\npreset = 'slack'", r#"{"text":"5 > 4 & \"so\""}"#),
            ("url = 'x'\npreset = 'discord'", r#"{"content":"5 > 4 & \"so\""}"#),
            (
                "url = 'x'\npreset = 'discord'\nbody = { content = '{{id}}', tts = true }",
                r#"{"content":"e","tts":true}"#,
            ),
            (
                "url = 'x'\npreset = 'teams'",
                concat!(
                    r#"{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":"#,
                    r#"{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","text":"5 > 4 & \"so\"","wrap":true}]}}]}"#
                ),
            ),
        ] {
            assert_eq!(rendered(settings, EVENT), (body.to_owned(), "application/json"), "{settings}");
        }
        let twilio =
            "preset = 'twilio-sms'\nform = { To = '+1', From = '+2' }\nbasic = { user = 'AC1', password = 'p' }";
        assert_eq!(
            rendered(twilio, EVENT),
            ("Body=5+%3E+4+%26+%22so%22&From=%2B2&To=%2B1".to_owned(), "application/x-www-form-urlencoded")
        );
        let pushover = "preset = 'pushover'\nform = { title = '{{id}}' }\nbasic = { user = 'u', password = 'p' }";
        assert_eq!(
            rendered(pushover, EVENT),
            ("message=5+%3E+4+%26+%22so%22&title=e".to_owned(), "application/x-www-form-urlencoded")
        );
        assert_eq!(twilio_url("AC1/../x"), "https://api.twilio.com/2010-04-01/Accounts/AC1%2F..%2Fx/Messages.json");
    }

    #[test]
    fn what_a_service_would_refuse_is_refused_at_the_start() {
        for (settings, problem) in [
            ("", "has no `url`"),
            ("url = 'x'\nbody = {}\nform = { a = 'b' }", "has both `body` and `form`"),
            ("url = 'x'\nparallel = 0", "has a `parallel` that is not from 1 to 64"),
            ("url = 'x'\ndead_letter = 't'", "has its own topic as `dead_letter`"),
            ("url = 'x'\ndead_letter = 'workspace-t'", "has its own topic as `dead_letter`"),
            ("preset = 'twilio-sms'\nform = { To = '+1' }", "needs `form` with `To`"),
            ("preset = 'pushover'", "needs `basic` with the key of a user"),
            (
                "preset = 'pushover'\nform = { token = 't' }\nbasic = { user = 'u', password = 'p' }",
                "needs `basic` with the key of a user",
            ),
            ("preset = 'pushover'\nbody = {}\nbasic = { user = 'u', password = 'p' }", "has a `body`, and Pushover"),
            ("url = 'x'\npreset = 'slak'", "has a setting `preset` that must be \"json\""),
            ("url = 'x'\nbody = { a = '{{b}}' }", "has a setting `body` that must name in {{ }}"),
            ("url = 'x'\nrate = '5/week'", "has a setting `rate` that must be"),
            ("url = 'x'\nsign = { scheme = 'x', secret = 'y' }", "has a setting `sign` that must have the scheme"),
        ] {
            let mut fields = Fields::new(toml::from_str(&format!("name = 'n'\ntopic = 't'\n{settings}")).unwrap());
            let error = DestinationConfig::from_fields(&mut fields).unwrap_err();
            assert!(error.starts_with(problem), "{settings}: {error}");
        }
    }
}
