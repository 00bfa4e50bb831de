//! `[topics]`: settings of single topics.

use quix_model::{Time, Unit};

use super::*;

#[test]
fn topics_are_told_apart_by_patterns_with_dots_and_stars() {
    let file = "
        [topics.\"plant.a*\"]
        form = \"headers\"
        [topics.f1]
        split = \"legacy\"
        max_message_size = \"64KiB\"
        [topics.\"*\"]
        refuse_slashes = true
        [topics.plain]
        [topics.\"mqtt.*\"]
        as = \"parameters\"
        timestamp = { pointer = \"/t\", unit = \"ms\" }
        tags = [\"/device\", \"/a/0\"]
        [topics.mqtt-text]
        as = \"parameters\"
        timestamp = \"/at\"
    ";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let names: Vec<_> = loaded.config.topics.keys().map(String::as_str).collect();
    assert_eq!(names, ["*", "f1", "mqtt-text", "mqtt.*", "plain", "plant.a*"]);
    assert_eq!(loaded.config.topics["plain"], TopicConfig::default());
    assert_eq!(loaded.config.topics["plant.a*"], TopicConfig { form: Form::Headers, ..TopicConfig::default() });
    let f1 = TopicConfig { split: Split::Legacy, max_message_size: Some(64 << 10), ..TopicConfig::default() };
    assert_eq!(loaded.config.topics["f1"], f1);
    assert!(loaded.config.topics["*"].refuse_slashes);
    let time = Time { pointer: "/t".parse().unwrap(), unit: Some(Unit::Milliseconds) };
    let tags = vec!["/device".parse().unwrap(), "/a/0".parse().unwrap()];
    let rows = TopicConfig { read_as: ReadAs::Parameters, timestamp: Some(time), tags, ..TopicConfig::default() };
    assert_eq!(loaded.config.topics["mqtt.*"], rows);
    assert_eq!(loaded.config.topics["mqtt-text"].timestamp.as_ref().unwrap().unit, None);
    assert_eq!(loaded.origin("topics.plant.a*.form").to_string(), "streamgate.toml:3");

    let shown = show(&loaded, true);
    assert!(shown.contains("[topics.\"plant.a*\"]\nform = \"headers\""), "{shown}");
    let timestamp = shown.lines().find(|line| line.contains("unit")).unwrap();
    assert!(timestamp.starts_with("timestamp = { pointer = \"/t\", unit = \"ms\" }"), "{shown}");
    assert!(timestamp.ends_with("# streamgate.toml:12"), "{shown}");
    assert_eq!(Setup { file: &shown, ..Setup::default() }.load().unwrap().config, loaded.config);
}

#[test]
fn what_is_wrong_about_topics_is_said() {
    for (file, sentence) in [
        (
            "[topics.f1]\nfrom = \"json\"",
            "unknown setting `topics.f1.from` (streamgate.toml:2); did you mean `topics.f1.form`?",
        ),
        (
            "[topics.f1]\nform = \"xml\"",
            "`topics.f1.form` (streamgate.toml:2) must be \"legacy\", \"headers\" or \"json\", not \"xml\"",
        ),
        ("[topics.f1]\nsplit = true", "`topics.f1.split` (streamgate.toml:2) must be a text, not true"),
        ("topics.f1 = 1", "`topics.f1` (streamgate.toml:1) is a section: write [topics.f1] and its settings below"),
        (
            "[topics.\"f1 x\"]\nform = \"json\"",
            "`topics.f1 x.form` (streamgate.toml:2) cannot be set: \"f1 x\" must be a topic's name, or the beginning of \
             names and `*` behind it: a name consists of letters, digits, '.', '_' and '-'",
        ),
        (
            "[topics.\"f*1\"]\nform = \"json\"",
            "`topics.f*1.form` (streamgate.toml:2) cannot be set: \"f*1\" must be a topic's name, or the beginning of \
             names and `*` behind it: a name consists of letters, digits, '.', '_' and '-'",
        ),
        (
            "[topics.f1]\nform = \"json\"\nsplit = \"legacy\"",
            "`topics.f1.split` (streamgate.toml:3) and `topics.f1.form` (streamgate.toml:2) do not fit: only records of the \
             form \"legacy\" can be split",
        ),
        (
            "[topics.f1]\nmax_message_size = 100",
            "`topics.f1.max_message_size` (streamgate.toml:2) must be at least 2KiB: ids alone may take half of it",
        ),
        (
            "[topics.f1]\nform = \"json\"\nas = \"parameters\"",
            "`topics.f1.as` (streamgate.toml:3) and `topics.f1.form` (streamgate.toml:2) do not fit: what is written as plain \
             JSON here would be read back as other parameters; write the form \"legacy\", or leave out `as`",
        ),
        (
            "[topics.f1]\nas = \"event\"",
            "`topics.f1.as` (streamgate.toml:2) must be \"json\" or \"parameters\", not \"event\"",
        ),
        (
            "[topics.f1]\nas = \"parameters\"\ntimestamp = { pointer = \"/t\", unit = \"min\" }",
            "`topics.f1.timestamp` (streamgate.toml:3) must be \"/pointer\" or { pointer = \"/t\", unit = \"ms\" } with a unit s, \
             ms, us or ns",
        ),
        (
            "[topics.f1]\nas = \"parameters\"\ntags = [\"device\"]",
            "`topics.f1.tags` (streamgate.toml:3) must be a JSON pointer such as \"/user/id\", not \"device\"",
        ),
        (
            "[topics.f1]\ntags = [\"/device\"]",
            "`topics.f1.tags` (streamgate.toml:2) has no use without as = \"parameters\"",
        ),
        ("[topics.f1]\nform = { x = 1 }", "`topics.f1.form` (streamgate.toml:2) is one setting and has none below it"),
    ] {
        assert_eq!(Setup { file, ..Setup::default() }.refusal(), sentence);
    }
}
