//! What a settings file says of the portal, and what is refused.

use super::*;
use crate::config::Loaded;
use crate::config::sources::merge;

fn load(text: &str) -> Result<Loaded, String> {
    merge(Some(("s.toml".into(), text.to_owned())), Vec::new(), Vec::new()).map_err(|error| error.to_string())
}

#[test]
fn what_cannot_be_handed_out_is_named() {
    let sasl = "[portal]\nsecurity = \"sasl_ssl\"\nkafka_address = \"k:1\"\n";
    let rows = [
        (
            "workspace = \"Workspaces\"".to_owned(),
            "`workspace` (s.toml:1) cannot be \"Workspaces\", which is an address of the server's own; choose another, or \
             switch portal.enabled off",
        ),
        (
            "portal.kafka_address = \"k:1,k\"".to_owned(),
            "`portal.kafka_address` (s.toml:1) must be HOST:PORT, such as \"kafka.example.com:9093\", or \"auto\", not \"k\"",
        ),
        (
            "memory = true\nportal.kafka_address = \"k:1\"".to_owned(),
            "`portal.kafka_address` (s.toml:2) and `memory` (s.toml:1) do not fit: Kafka clients reach no topics of this \
             server; keep them in a folder with kafka_listen, or in Kafka",
        ),
        (
            "kafka_listen = \"off\"\nportal.kafka_address = \"k:1\"".to_owned(),
            "`portal.kafka_address` (s.toml:2) and `kafka_listen` (s.toml:1) do not fit: Kafka clients reach no topics of \
             this server; keep them in a folder with kafka_listen, or in Kafka",
        ),
        (
            format!("auth.insecure_no_auth = true\n{sasl}username = \"u\"\npassword = \"hush\""),
            "`portal.security` (s.toml:3) and `auth.insecure_no_auth` (s.toml:1) do not fit: without authentication anybody \
             would be told the password; name what tokens are signed with in [auth], or leave --insecure-no-auth out to \
             serve this machine only",
        ),
        ("portal.max_partitions = 0".to_owned(), "`portal.max_partitions` (s.toml:1) must be from 1 to 10000, not 0"),
        (
            "portal.security = \"SSL\"".to_owned(),
            "`portal.security` (s.toml:1) must be one of plaintext, ssl, sasl_plaintext, sasl_ssl, not \"SSL\"",
        ),
        (
            "portal.security = \"ssl\"".to_owned(),
            "`portal.security` (s.toml:1) and `portal.kafka_address` (default) do not fit: the listener beside the data \
             folder has neither TLS nor passwords; name the address of what has them",
        ),
        (
            "portal.username = \"u\"".to_owned(),
            "`portal.username` (s.toml:1) and `portal.security` (default) do not fit: who programs are at Kafka is asked \
             with sasl_plaintext and sasl_ssl only",
        ),
        (
            sasl.to_owned(),
            "`portal.security` (s.toml:2) is \"sasl_ssl\", and nobody is named whom programs are at Kafka: set \
             portal.username and portal.password_file, or [[portal.users]]",
        ),
        (
            format!("{sasl}username = \"u\""),
            "`portal.username` (s.toml:4) and `portal.password` (default) go together: a user and where their password \
             is; name both or neither",
        ),
        (
            format!("{sasl}username = \"u\"\npassword = \"hush\"\npassword_file = \"f\""),
            "`portal.password` (s.toml:5) and `portal.password_file` (s.toml:6) exclude each other: a user has one \
             password; leave one out",
        ),
        (
            format!("{sasl}[[portal.users]]\nsubject = \"ann\"\npasword = \"hush\""),
            "`portal.users` (s.toml:4) must be a list of users; number 1 has `pasword`, which is none of subject, username, \
             password, password_file",
        ),
        (
            format!("{sasl}[[portal.users]]\nsubject = \"ann\"\nusername = \"ann\"\npassword = [\"hush\"]"),
            "`portal.users` (s.toml:4) must be a list of users; number 1 has a setting `password` that is no text",
        ),
        (format!("{sasl}{ANN}{ANN}"), "`portal.users` (s.toml:4) cannot be taken: two have the subject \"ann\""),
        (
            format!("{sasl}{ANN}[kafka]\nbrokers = [\"k:1\"]\nproperties.\"sasl.username\" = \"anns\""),
            "`portal.users` (s.toml:4) is this server's own user at Kafka: make one for programs that may do less, or set \
             portal.allow_own_credentials to hand it out all the same",
        ),
        (
            "[[webhooks]]\npath = \"/local/topics\"\ntopic = \"t\"\npreset = \"none\"".to_owned(),
            "`webhooks` (s.toml:1) and `portal.enabled` (default) do not fit: the webhook /local/topics is at an address of \
             the portal; choose another path",
        ),
    ];
    for (text, sentence) in rows {
        let error = load(&text).map(drop).unwrap_err();
        assert_eq!(error, sentence, "{text}");
        assert!(!error.contains("hush"), "{text}");
    }
    let without = "workspace = \"topics\"\nportal.enabled = false\nportal.max_partitions = 0";
    assert!(load(without).is_ok(), "what is not there cannot be wrong");
}

#[test]
fn passwords_are_read_and_not_shown() {
    let text = format!(
        "[portal]\nkafka_address = \"k:1, l:2\"\nsecurity = \"sasl_plaintext\"\nsasl_mechanism = \"PLAIN\"\n\
         username = \"u\"\npassword = \"hush\"\n{ANN}"
    );
    let loaded = load(&text).unwrap();
    let portal = &loaded.config.portal;
    assert_eq!(portal.protection(), Security::Sasl(Mechanism::Plain));
    assert_eq!(portal.password_source(), Some(PasswordSource::Here("hush".to_owned().into())));
    let password = PasswordSource::Here("hush too".to_owned().into());
    assert_eq!(portal.users, [PortalUser { subject: "ann".into(), username: "anns".into(), password }]);
    for shown in [super::super::show(&loaded, true), format!("{loaded:?}")] {
        assert!(shown.contains("anns") && !shown.contains("hush"), "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn files_of_passwords_that_others_may_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str, mode| {
        let path = folder.path().join(name);
        std::fs::write(&path, "hush").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    for mode in [0o644, 0o600] {
        let (common, anns) = (file("common", mode), file("anns", mode));
        let text = format!(
            "[portal]\nkafka_address = \"k:1\"\nsecurity = \"sasl_ssl\"\nusername = \"u\"\npassword_file = {common:?}\n\
             [[portal.users]]\nsubject = \"ann\"\nusername = \"ann\"\npassword_file = {anns:?}"
        );
        let warnings = load(&text).unwrap().warnings;
        for (setting, path) in [("portal.password_file", common), ("portal.users", anns)] {
            let named = format!("{} holds the key of `{setting}`", path.display());
            let warned = warnings.iter().any(|warning| warning.starts_with(&named));
            assert_eq!(warned, mode == 0o644, "{warnings:?}");
        }
    }
}

const ANN: &str = "[[portal.users]]\nsubject = \"ann\"\nusername = \"anns\"\npassword = \"hush too\"\n";
