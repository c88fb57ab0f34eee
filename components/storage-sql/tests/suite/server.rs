//! A server of PostgreSQL for the length of a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// The Debian package that brings the server.
const PACKAGE: &str = "postgresql-15";

/// A running server, which ends with its owner.
pub(crate) struct Server {
    port: u16,
    data: PathBuf,
    binaries: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// The server of the tests that run now; none if there is no PostgreSQL here, which
    /// fails under `CI=true`.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            let why = format!("PostgreSQL is not installed; it comes with the Debian package {PACKAGE}");
            let nothing_is_skipped = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!nothing_is_skipped, "it cannot be tested: {why}");
            // Straight to the terminal: the test runner hides what a passing test prints.
            let line = format!("\n*** SKIPPED: storage over PostgreSQL: {why} ***\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder can be made");
        let data = folder.path().join("data");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a port is free").port();
        if is_root() {
            // The server refuses to run as root; Debian's package brings a user for it.
            done(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let initdb = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"];
        done(unprivileged(&binaries.join("initdb")).args(initdb).arg("-D").arg(&data));
        // What is tested is the algorithm, not the disk.
        let options = format!("-p {port} -k '' -h 127.0.0.1 -F -c max_connections=200");
        done(
            pg_ctl(&binaries, &data).args(["-w", "-l"]).arg(data.join("log")).args(["-o", &options, "start"]),
        );
        Some(Self { port, data, binaries, _folder: folder })
    }

    /// Makes a database.
    pub(crate) fn create(&self, name: &str) {
        let mut createdb = Command::new(self.binaries.join("createdb"));
        createdb.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), name]);
        done(&mut createdb);
    }

    /// Where a database is.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = pg_ctl(&self.binaries, &self.data).args(["-m", "immediate", "stop"]).output();
    }
}

fn pg_ctl(binaries: &Path, data: &Path) -> Command {
    let mut command = unprivileged(&binaries.join("pg_ctl"));
    command.arg("-D").arg(data);
    // The server inherits these, and whoever waits for their end would wait for the server's.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Where the server's programs are, after installing them if that is possible.
fn binaries() -> Option<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _guard = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = installed() {
        return Some(found);
    }
    if is_root() {
        for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", PACKAGE][..]] {
            let mut apt = Command::new("apt-get");
            let _ =
                apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
        }
    }
    installed()
}

fn installed() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH")?));
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A program as the server's user, if this is root.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().expect("the program is there");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}");
}
