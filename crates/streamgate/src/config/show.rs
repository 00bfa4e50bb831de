//! The configuration in force as TOML, each value with its origin as a comment if asked for.

use std::fmt::Write;

use toml::{Table, Value};

use super::{
    schema::{TOPICS, to_table},
    sources::{Loaded, Origin},
};

/// TOML that a settings file may hold as it is, but for secrets, which are `***`.
pub fn show(loaded: &Loaded, with_origin: bool) -> String {
    let table = to_table(&loaded.config);
    let mut lines = Vec::new();
    section("", "", &table, &mut lines);
    let width = lines.iter().filter(|line| line.key.is_some()).map(|line| line.text.chars().count()).max().unwrap_or(0);

    let mut out = String::new();
    for line in lines {
        // Writing to a `String` cannot fail.
        let _ = match line.key.filter(|_| with_origin) {
            Some(key) => writeln!(out, "{:width$}  # {}", line.text, comment(&loaded.origin(&key))),
            None => writeln!(out, "{}", line.text),
        };
    }
    out
}

struct Line {
    text: String,
    key: Option<String>,
}

/// `name` is the section's in keys, `title` in TOML.
fn section(name: &str, title: &str, table: &Table, lines: &mut Vec<Line>) {
    // Below the section of a topic all are settings; one may be written as a table.
    let is_topic = name.strip_prefix(TOPICS).is_some_and(|below| below.starts_with('.'));
    let values = || table.iter().filter(|(_, value)| is_topic || (!value.is_table() && tables(value).is_none()));
    if !title.is_empty() && values().next().is_some() {
        lines.push(Line { text: format!("\n[{title}]"), key: None });
    }
    let below = |above: &str, inner: &str| if above.is_empty() { inner.to_owned() } else { format!("{above}.{inner}") };
    for (inner, value) in values() {
        lines.push(Line { text: format!("{} = {value}", quoted(inner)), key: Some(below(name, inner)) });
    }
    for (inner, value) in table.iter().filter(|_| !is_topic) {
        let (name, title) = (below(name, inner), below(title, &quoted(inner)));
        if let Value::Table(table) = value {
            section(&name, &title, table, lines);
        }
        for entry in tables(value).into_iter().flatten() {
            lines.push(Line { text: format!("\n[[{title}]]"), key: None });
            let settings = entry.as_table().into_iter().flatten();
            lines.extend(settings.map(|(setting, value)| Line {
                text: format!("{} = {value}", quoted(setting)),
                key: Some(name.clone()),
            }));
        }
    }
}

/// The entries of a list of tables; an empty list is a value like any other.
fn tables(value: &Value) -> Option<&Vec<Value>> {
    value.as_array().filter(|entries| !entries.is_empty() && entries.iter().all(Value::is_table))
}

fn quoted(name: &str) -> String {
    let bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare && !name.is_empty() { name.to_owned() } else { Value::String(name.to_owned()).to_string() }
}

/// A path may hold any character; a comment ends with the line.
fn comment(origin: &Origin) -> String {
    origin.to_string().replace(char::is_control, "?")
}
