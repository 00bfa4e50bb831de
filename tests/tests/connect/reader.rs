//! `Reader`: somebody who does what the page says, in an empty folder.

use std::fs;
use std::path::PathBuf;

use e2e::node;
use e2e::ports::lasting_ports;
use e2e::program::{self, Program};
use tempfile::TempDir;
use tokio::process::Command;

use crate::document::{Section, Step, sections};
use crate::pattern;
use crate::shell::{self, Shell};

/// Does all that a section says, with a server that was started as the first section says; programs are found in these
/// folders too.
///
/// # Panics
/// If a command fails, or what is seen is not what the page shows.
pub async fn follow(heading: &str, tools: &[PathBuf]) {
    let sections = sections();
    let [start, section] = ["Start", heading].map(|heading| {
        sections.iter().find(|section| section.heading == heading).unwrap_or_else(|| panic!("no section {heading}"))
    });
    let mut reader = Reader::start(&serve(start), section, tools).await;
    let mut steps = section.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let is_shown = matches!(steps.peek(), Some(Step::Shown(_)));
        match step {
            Step::Run(block) if *block == serve(start) => {}
            Step::File { .. } => {}
            Step::Run(block) => reader.types(block, is_shown).await,
            Step::Open(address) => reader.opens(address).await,
            Step::Shown(lines) => reader.sees(lines).await,
        }
    }
}

/// The command that starts the server.
fn serve(start: &Section) -> String {
    let command = start.steps.iter().find_map(|step| if let Step::Run(block) = step { Some(block) } else { None });
    command.expect("the page says how to start").clone()
}

struct Reader {
    server: Program,
    /// Each goes on with what was typed last.
    terminals: Vec<Shell>,
    seen: Seen,
    place: Place,
}

/// What is looked at.
enum Seen {
    Banner,
    Terminal,
    /// What each window shows.
    Windows(Vec<String>),
}

/// Where commands are typed.
struct Place {
    folder: TempDir,
    path: String,
    /// By the ports that the page names.
    ports: [(&'static str, u16); 3],
    management: u16,
}

impl Reader {
    async fn start(serve: &str, section: &Section, tools: &[PathBuf]) -> Self {
        let place = Place::new(tools);
        for step in &section.steps {
            if let Step::File { name, text } = step {
                fs::write(place.folder.path().join(name), place.here(text)).unwrap();
            }
        }
        let server = Program::start(place.command(serve)).await;
        Self { server, terminals: Vec::new(), seen: Seen::Banner, place }
    }

    /// What nobody looks at has to succeed.
    async fn types(&mut self, block: &str, is_shown: bool) {
        let log = self.place.folder.path().join(format!("terminal-{}", self.terminals.len()));
        let block = self.place.here(block);
        let mut shell = Shell::start(&block, self.place.command(&block), &log);
        if !is_shown {
            shell.succeeds().await;
        }
        self.terminals.push(shell);
        self.seen = Seen::Terminal;
    }

    /// In two windows; clicks the button of one.
    async fn opens(&mut self, address: &str) {
        let told = node::run("two-windows.mjs", &self.place.here(address), &[]).await;
        let windows = told["windows"].as_array().expect("what they show");
        self.seen = Seen::Windows(windows.iter().map(|text| text.as_str().unwrap().to_owned()).collect());
    }

    async fn sees(&mut self, lines: &str) {
        let lines = self.place.here(lines);
        match &self.seen {
            Seen::Banner => assert!(pattern::shows(&lines, &self.server.banner), "{lines}in {}", self.server.banner),
            Seen::Terminal => self.terminals.last_mut().unwrap().shows(&lines).await,
            Seen::Windows(texts) => {
                assert!(texts.iter().all(|text| pattern::shows(&lines, text)), "{lines}in each of {texts:?}");
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server's log: {}", self.server.log());
        }
    }
}

impl Place {
    fn new(tools: &[PathBuf]) -> Self {
        let [server, kafka, api, management] = lasting_ports();
        let binary = program::path();
        let folders = tools.iter().map(PathBuf::as_path).chain(binary.parent());
        let mut path: Vec<_> = folders.map(|folder| folder.to_str().unwrap().to_owned()).collect();
        path.push(std::env::var("PATH").unwrap());
        let ports = [("8080", server), ("9092", kafka), ("8000", api)];
        Self { folder: TempDir::new().unwrap(), path: path.join(":"), ports, management }
    }

    /// A text of the page with the ports of here.
    fn here(&self, text: &str) -> String {
        // By way of what no text has: a port of here may hold the digits of one of there.
        let marked = (0..)
            .zip(&self.ports)
            .fold(text.to_owned(), |text, (number, (there, _))| text.replace(there, &format!("\0{number}\0")));
        (0..)
            .zip(&self.ports)
            .fold(marked, |text, (number, (_, here))| text.replace(&format!("\0{number}\0"), &here.to_string()))
    }

    /// A block in this folder, with no environment but what has the ports of here be the ones that nobody needs to name.
    fn command(&self, block: &str) -> Command {
        let [(_, server), (_, kafka), _] = self.ports;
        let mut command = shell::command(block);
        command.current_dir(&self.folder).env_clear().env("HOME", self.folder.path()).env("PATH", &self.path);
        // Else Python keeps what it says until there is more of it.
        command.env("PYTHONUNBUFFERED", "1");
        command.env("STREAMGATE_LISTEN", format!("127.0.0.1:{server}"));
        command.env("STREAMGATE_KAFKA_LISTEN", format!("127.0.0.1:{kafka}"));
        command.env("STREAMGATE_ADMIN_LISTEN", format!("127.0.0.1:{}", self.management));
        command.env("STREAMGATE_URL", format!("http://127.0.0.1:{server}"));
        command
    }
}
