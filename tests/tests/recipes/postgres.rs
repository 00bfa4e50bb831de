//! `Postgres`: a PostgreSQL server of one's own, which can be ended and started again.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::ports::lasting_ports;
use e2e::wait::{until, within};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Killed when dropped.
pub struct Postgres {
    port: u16,
    folder: TempDir,
    child: Child,
}

impl Postgres {
    /// Makes and starts one at a free port, and waits until it answers.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        if let Some(id) = other_user() {
            chown(folder.path(), Some(id), Some(id)).unwrap();
        }
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        let mut initdb = server_program("initdb");
        initdb.args(["--auth=scram-sha-256", "--username=postgres", "--no-sync", "--encoding=UTF8", "--pwfile"]);
        let output = initdb.arg(&password).arg("-D").arg(folder.path().join("data")).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let [port] = lasting_ports();
        let child = spawn(folder.path(), port);
        let postgres = Self { port, folder, child };
        postgres.answers().await;
        postgres
    }

    /// Its port.
    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// Ends it at once; its data stays. Its children end by themselves.
    pub async fn end(&mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-QUIT", &pid]).status().unwrap().success());
        within("its end", self.child.wait()).await.unwrap();
    }

    /// Starts it again.
    pub async fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), self.port);
        self.answers().await;
    }

    /// The lines that a query gives, their columns with commas between; `None` if it fails.
    pub async fn query(&self, query: &str) -> Option<Vec<String>> {
        let address = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port);
        let mut psql = Command::new("psql");
        psql.args([&address, "-X", "-t", "--csv", "-c", query]).env("PGPASSWORD", PASSWORD).kill_on_drop(true);
        let output = within("psql", psql.output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.lines().map(str::to_owned).collect())
    }

    async fn answers(&self) {
        until("PostgreSQL answers", async || self.query("select 1").await.is_some()).await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed, it would leave its children behind.
        if let Some(pid) = self.child.id() {
            let _ = std::process::Command::new("kill").args(["-QUIT", &pid.to_string()]).status();
            while self.child.try_wait().is_ok_and(|status| status.is_none()) {
                std::thread::yield_now();
            }
        }
    }
}

/// Of the user `postgres`.
pub const PASSWORD: &str = r#"a "pass";word$1"#;

fn spawn(folder: &Path, port: u16) -> Child {
    let mut server = server_program("postgres");
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    server
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "wal_level=logical"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    server.spawn().unwrap()
}

/// A program of the newest PostgreSQL that Debian's packages have brought; as user `postgres` where we are root, whom it refuses.
fn server_program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("postgresql is there: scripts/prepare recipes");
    let programs = versions.map(|version| version.unwrap().path().join("bin").join(name));
    let newest: PathBuf = programs.filter(|path| path.exists()).max().expect("a server");
    let mut command = Command::new(newest);
    if let Some(id) = other_user() {
        command.uid(id).gid(id);
    }
    command.current_dir("/");
    command
}

fn other_user() -> Option<u32> {
    (fs::metadata("/proc/self").unwrap().uid() == 0).then(|| {
        let output = std::process::Command::new("id").args(["-u", "postgres"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("the package has made the user postgres")
    })
}
