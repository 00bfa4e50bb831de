//! What must not be shown, nor read by others.

use std::fs;

use tempfile::TempDir;

use super::*;

#[test]
fn librdkafka_properties_keep_their_dots_and_are_never_shown() {
    let file = "
        [kafka.properties]
        sasl.mechanism = \"PLAIN\"
        \"sasl.password\" = \"hunter2\"
        \"socket.keepalive.enable\" = true
        \"metadata.max.age.ms\" = 5000
    ";
    let environment = &[("STREAMGATE_KAFKA__PROPERTIES__SASL_USERNAME", "hunter3")];
    let loaded = Setup { file, environment, ..Setup::default() }.load().unwrap();
    let properties: Vec<_> =
        loaded.config.kafka.properties.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(
        properties,
        [
            ("metadata.max.age.ms", "5000"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "hunter2"),
            ("sasl.username", "hunter3"),
            ("socket.keepalive.enable", "true"),
        ]
    );
    let shown = format!("{:?}{}{}", loaded, show(&loaded, true), show(&loaded, false));
    assert!(!shown.contains("hunter") && !shown.contains("PLAIN"), "{shown}");
    assert!(shown.contains("\"sasl.password\" = \"***\"") && shown.contains("streamgate.toml:4"), "{shown}");
}

#[test]
fn webhooks_are_shown_as_a_file_may_hold_them_but_for_their_secrets() {
    let file = "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"segment\"\nsecret = [\"hunter2\", \"${SECRET}\"]\n\
                timestamp = { pointer = \"/t\", unit = \"ms\" }\n[[webhooks]]\npath = \"/b\"\ntopic = \"t\"\npreset = \"none\"\n\
                [limits]\nconnections = 7";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let shown = show(&loaded, true);
    assert!(!(shown.clone() + &format!("{loaded:?}")).contains("hunter2"), "{shown}");
    let list = shown.lines().find(|line| line.starts_with("secret = [")).unwrap();
    assert!(list.starts_with("secret = [\"***\", \"${SECRET}\"]") && list.ends_with("# streamgate.toml:1"), "{list}");
    let again = Setup { file: &shown, ..Setup::default() }.load().unwrap();
    assert_eq!(show(&again, false), show(&loaded, false));
    assert_eq!(again.config.webhooks[1], loaded.config.webhooks[1]);
    let open = loaded.warnings.iter().filter(|warning| warning.starts_with("the webhook /b has preset = \"none\""));
    assert_eq!(open.count(), 1, "{:?}", loaded.warnings);
}

#[cfg(unix)]
#[test]
fn secrets_that_others_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    for (text, mode, warned) in [
        ("kafka.properties.x = \"y\"", 0o644, true),
        ("kafka.properties.x = \"y\"", 0o600, false),
        ("memory = true", 0o644, false),
        ("auth.secret = \"y\"", 0o644, true),
        ("auth.secret = \"off\"", 0o644, false),
        ("[[auth.keys]]\nalgorithm = \"HS256\"\nsecret = \"y\"", 0o644, true),
        ("[[auth.keys]]\nalgorithm = \"HS256\"\nfile = \"y\"", 0o644, false),
        ("[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"bearer\"\nsecret = \"y\"", 0o644, true),
        ("[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"bearer\"\nsecret = \"${Y}\"", 0o644, false),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("streamgate.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(Sources { file: FileChoice::Named(path), ..Sources::default() }).unwrap();
        assert_eq!(!loaded.warnings.is_empty(), warned, "{text} {mode:o}");
    }
}
