//! `docs/traps.md` names a test for each trap; each name is that of a test, and no numbered test is missing there.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn each_trap_has_its_tests_and_each_of_them_its_line() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(here.join("../docs/traps.md")).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).collect();
    let numbers: Vec<_> = rows.iter().map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect();
    let wanted: Vec<_> = (1..=17).chain(1..=12).chain(1..=10).map(|number| number.to_string()).collect();
    assert_eq!(numbers, wanted);

    let mut sources = String::new();
    read_all(&here.join("tests"), &mut sources);
    let tests: BTreeSet<_> = sources.split("async fn ").skip(1).filter_map(|after| after.split('(').next()).collect();
    let mut named = BTreeSet::new();
    for row in rows {
        let names: Vec<_> = row.split('|').nth(3).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}");
        for name in names {
            assert!(tests.contains(name), "no test {name}");
            named.insert(name);
        }
    }
    for test in tests.iter().filter(|name| name.starts_with("trap_")) {
        assert!(named.contains(test), "{test} has no line in docs/traps.md");
    }
}

fn read_all(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, into),
            false => into.push_str(&fs::read_to_string(path).unwrap()),
        }
    }
}
