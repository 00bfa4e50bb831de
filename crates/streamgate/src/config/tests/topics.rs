//! `[topics]`: settings of single topics.

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
    ";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let names: Vec<_> = loaded.config.topics.keys().map(String::as_str).collect();
    assert_eq!(names, ["*", "f1", "plain", "plant.a*"]);
    assert_eq!(loaded.config.topics["plain"], TopicConfig::default());
    assert_eq!(loaded.config.topics["plant.a*"], TopicConfig { form: Form::Headers, ..TopicConfig::default() });
    let f1 = TopicConfig { split: Split::Legacy, max_message_size: Some(64 << 10), ..TopicConfig::default() };
    assert_eq!(loaded.config.topics["f1"], f1);
    assert!(loaded.config.topics["*"].refuse_slashes);
    assert_eq!(loaded.origin("topics.plant.a*.form").to_string(), "streamgate.toml:3");

    let shown = show(&loaded, true);
    assert!(shown.contains("[topics.\"plant.a*\"]\nform = \"headers\""), "{shown}");
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
    ] {
        assert_eq!(Setup { file, ..Setup::default() }.refusal(), sentence);
    }
}
