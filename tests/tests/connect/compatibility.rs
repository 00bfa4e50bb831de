//! `docs/compatibility.md`: each test that it names is there, each version is the one that is installed for the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn each_cell_names_a_test_that_there_is() {
    let tables = tables();
    let names: BTreeMap<_, _> = tables["The tests"].iter().map(|row| (quoted(&row[0])[0], row)).collect();
    let mut used = BTreeSet::new();
    for (heading, rows) in tables.iter().filter(|(heading, _)| *heading != "The tests") {
        // Behind what was tried, and for clients its version and the file that names it.
        let cells = rows.iter().flat_map(|row| row.iter().skip(if heading == "The seven ways" { 1 } else { 3 }));
        for cell in cells {
            let tests = quoted(cell);
            assert!(!tests.is_empty() || ["–", "not tried"].contains(&cell.as_str()), "{heading}: {cell:?}");
            used.extend(tests);
        }
    }
    assert_eq!(used, names.keys().copied().collect(), "what cells name, and what the list of tests explains");
    for row in names.values() {
        let [_, test, long] = &row[..] else { panic!("{row:?}") };
        let is_ignored = find(quoted(test)[0]).unwrap_or_else(|| panic!("no test {test}"));
        assert_eq!(is_ignored, long == "long", "{test}: those of make test-long are ignored, and no others");
    }
}

#[test]
fn each_version_is_the_one_that_is_pinned() {
    let mut count = 0;
    for (heading, rows) in
        tables().iter().filter(|(heading, _)| *heading != "The tests" && *heading != "The seven ways")
    {
        let mut client = "";
        for row in rows {
            let [name, version, file] = [0, 1, 2].map(|column| row[column].as_str());
            if !name.starts_with("the same") {
                client = quoted(name).last().copied().unwrap_or(name);
            }
            if file.is_empty() {
                assert!(
                    ["the machine's", "this one"].contains(&version),
                    "{heading}: {client} {version} is pinned nowhere"
                );
                continue;
            }
            assert!(pins(file, client, version), "{heading}: {file} has no {client} {version}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} versions were looked at");
}

type Tables = BTreeMap<String, Vec<Vec<String>>>;

/// Rows of the table below each heading, without its first line.
fn tables() -> Tables {
    let document = fs::read_to_string(root().join("docs/compatibility.md")).unwrap();
    let table = |section: &str| {
        let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        rows.map(cells).collect()
    };
    let sections = document.split("\n## ").skip(1);
    sections.map(|section| (section.lines().next().unwrap().to_owned(), table(section))).collect()
}

/// What stands in back quotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a test, by `suite::module::name`, is ignored; none if it is not there. A module without a file is one that a macro of
/// the suite makes.
fn find(test: &str) -> Option<bool> {
    let (path, name) = test.rsplit_once("::")?;
    let (suite, module) = path.split_once("::").unwrap_or((path, ""));
    let tests = root().join("tests/tests");
    let read = |file: String| fs::read_to_string(tests.join(file)).ok();
    let main = read(format!("{suite}.rs")).or_else(|| read(format!("{suite}/main.rs")))?;
    let source = match module {
        "" => main,
        _ => read(format!("{suite}/{module}.rs"))
            .or_else(|| main.contains(&format!("    {module}: ")).then_some(main))?,
    };
    let (before, _) = source.split_once(&format!("fn {name}("))?;
    let attributes: Vec<_> = before.lines().rev().skip(1).take_while(|line| line.trim().starts_with("#[")).collect();
    let is_test = attributes.iter().any(|line| line.contains("test"));
    is_test.then(|| attributes.iter().any(|line| line.contains("#[ignore")))
}

/// Whether a line of a file, or the file's path and a line, have this name and this version.
fn pins(file: &str, name: &str, version: &str) -> bool {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let name = name.rsplit(' ').next().unwrap().to_lowercase();
    // Cargo.lock has them in two lines.
    let text = text.replace("\nversion = ", " ");
    text.lines().map(|line| format!("{file} {}", line.to_lowercase())).any(|line| {
        let version = [version.to_owned(), format!("v{version}")];
        has_word(&line, &name) && version.iter().any(|version| has_word(&line, version))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || ['.', '-', '_'].contains(&letter);
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn words_are_whole() {
    let line = r#"{ "x": "npm:@microsoft/signalr@10.0.1" }"#;
    for (word, expected) in [
        ("@microsoft/signalr", true),
        ("10.0.1", true),
        ("0.0.1", false),
        ("10.0", false),
        ("@microsoft/signal", false),
    ] {
        assert_eq!(has_word(line, word), expected, "{word}");
    }
}
