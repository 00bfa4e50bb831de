//! What `docs/connect.md` tells its reader to do, in order, section by section.

use std::fs;
use std::path::Path;

/// What stands below a heading.
#[derive(Debug)]
pub struct Section {
    pub heading: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A block behind a line that ends with a name: what that file is to hold.
    File { name: String, text: String },
    /// A block to be typed.
    Run(String),
    /// An address that the text says to open.
    Open(String),
    /// What is seen then: lines, in which `…` is anything.
    Shown(String),
}

/// All sections.
///
/// # Panics
/// If a block is none of [`Step`]: nobody would run it.
pub fn sections() -> Vec<Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/connect.md");
    parse(&fs::read_to_string(path).unwrap())
}

fn parse(document: &str) -> Vec<Section> {
    let mut sections = vec![Section { heading: String::new(), steps: Vec::new() }];
    let (mut lines, mut before) = (document.lines(), "");
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push(Section { heading: heading.to_owned(), steps: Vec::new() });
        }
        let steps = &mut sections.last_mut().unwrap().steps;
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            steps.push(block(language, before, text));
            before = "";
        } else if let Some((address, _)) = line.strip_prefix("Open <").and_then(|rest| rest.split_once('>')) {
            steps.push(Step::Open(address.to_owned()));
        }
        if !line.is_empty() && !line.starts_with("```") {
            before = line;
        }
    }
    sections
}

/// `before` is the line before the block, of the text between blocks.
fn block(language: &str, before: &str, text: String) -> Step {
    let name = before.strip_suffix("`:").and_then(|before| before.rsplit_once('`'));
    match (name, language) {
        (Some((_, name)), _) => Step::File { name: name.to_owned(), text },
        (None, "sh") => Step::Run(text),
        (None, "text") => Step::Shown(text),
        _ => panic!("a block of {language:?} behind {before:?}, which no test knows"),
    }
}

#[test]
fn blocks_are_files_commands_and_what_is_seen() {
    let document = "# T\n\n## A\n\nIn `a.b`, or rather `c.d`:\n\n```sh\nx\n```\n\n```sh\ny\nz\n```\n\nOpen <http://h/>, see:\n\n```text\ns\n```\n## B\n";
    let sections = parse(document);
    let headings: Vec<_> = sections.iter().map(|section| section.heading.as_str()).collect();
    assert_eq!(headings, ["", "A", "B"]);
    let expected = [
        Step::File { name: "c.d".into(), text: "x\n".into() },
        Step::Run("y\nz\n".into()),
        Step::Open("http://h/".into()),
        Step::Shown("s\n".into()),
    ];
    assert_eq!(sections[1].steps, expected);
}
