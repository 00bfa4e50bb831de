//! `Shell`: a block of the page, typed into a terminal of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::wait::until;
use tokio::process::{Child, Command};

use crate::pattern;

/// Killed when dropped.
pub struct Shell {
    block: String,
    child: Child,
    /// Files: what a terminal would show as one, and a pattern is looked for in each, as lines of two may be mixed.
    printed: [PathBuf; 2],
}

impl Shell {
    /// Starts a block by its [`command`]; what it prints goes to files of this name.
    pub fn start(block: &str, mut command: Command, log: &Path) -> Self {
        let printed = ["out", "err"].map(|kind| log.with_extension(kind));
        let [output, errors] = printed.each_ref().map(|path| File::create(path).unwrap());
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().expect("sh runs");
        Self { block: block.to_owned(), child, printed }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it fails, or goes on and on.
    pub async fn succeeds(&mut self) {
        let mut ended = None;
        until(&format!("the end of {}", self.block), async || {
            ended = self.child.try_wait().expect("it can be waited for");
            ended.is_some()
        })
        .await;
        assert!(ended.unwrap().success(), "it failed: {}", self.block);
    }

    /// Waits until it has printed these lines.
    ///
    /// # Panics
    /// If it fails before, or ends without.
    pub async fn shows(&mut self, lines: &str) {
        until(&format!("{lines}of {}", self.block), async || {
            let ended = self.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none_or(|status| status.success()), "it failed: {}", self.block);
            let shown = self.printed().iter().any(|printed| pattern::shows(lines, printed));
            assert!(shown || ended.is_none(), "it has ended without {lines}: {}", self.block);
            shown
        })
        .await;
    }

    fn printed(&self) -> [String; 2] {
        self.printed.each_ref().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}printed:\n{}", self.block, self.printed().concat());
        }
    }
}

/// What runs a block. A single command, which may go on and on, has no shell around it that could be killed in its place.
pub fn command(block: &str) -> Command {
    let block = block.trim_end();
    let is_single = !block.replace("\\\n", "").contains('\n');
    let script = match block.strip_prefix('(').and_then(|block| block.strip_suffix(')')) {
        Some(inner) if is_single => inner.to_owned(), // it ends with `exec` itself
        None if is_single => format!("exec {block}"),
        _ => block.to_owned(),
    };
    let mut command = Command::new("sh");
    command.args(["-eu", "-c", &script]).kill_on_drop(true);
    command
}
