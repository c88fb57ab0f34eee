//! A PostgreSQL server of the tests' own, from Debian's package.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;

/// The password of the only user, `port`.
pub(crate) const PASSWORD: &str = "correct horse";
/// Whom the server runs as if the tests are run by root, whom it refuses: `nobody`.
const NOBODY: u32 = 65_534;

/// A server.
pub(crate) struct Server {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A new server with an empty database; none if there is no PostgreSQL, which is said.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            let missing = "initdb is not installed; it comes with the Debian package postgresql";
            assert!(!is_ci(), "PostgreSQL cannot be tested: {missing}");
            let line = format!("\n*** SKIPPED: PostgreSQL: {missing} ***\n");
            // Straight to the terminal: the test runner hides what a passing test prints.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            return None;
        };
        let folder = TempDir::with_prefix("vwp-postgres-").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        if is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY)).expect("a change of owner");
        }
        let made = program(&programs, "initdb")
            .arg("--pgdata")
            .arg(&data)
            .arg("--pwfile")
            .arg(&password)
            .args(["--username=port", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--locale=C"])
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { programs, folder, port: 0, child: None };
        server.run(&[]);
        Some(server)
    }

    /// Starts it, with these settings, at its port if it had one.
    pub(crate) fn run(&mut self, settings: &[String]) {
        // Another process may take a port that was free a moment ago.
        for _ in 0..10 {
            let port = if self.port == 0 { free_port() } else { self.port };
            if let Some(child) = self.try_run(port, settings) {
                (self.port, self.child) = (port, Some(child));
                return;
            }
        }
        panic!("PostgreSQL does not start");
    }

    fn try_run(&self, port: u16, settings: &[String]) -> Option<Child> {
        let data = self.data();
        let mut command = program(&self.programs, "postgres");
        command.arg("-D").arg(&data).arg("-k").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.args(["-c", "fsync=off", "-c", "max_connections=40"]);
        for setting in settings {
            command.args(["-c", setting]);
        }
        let mut child = command.stderr(Stdio::piped()).spawn().expect("postgres starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let is_ready = lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("database system is ready to accept connections"));
        if !is_ready {
            let _ = child.wait();
            return None;
        }
        // The rest is read, so that the server is never blocked.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(child)
    }

    /// Ends the server as a crash would: no connection is told.
    pub(crate) fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Its own children end with it only if it is asked.
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    /// Starts it again with TLS; gives out the authority that its certificate is from.
    pub(crate) fn secure(&mut self) -> String {
        self.crash();
        let folder = self.folder.path().to_owned();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' ')).current_dir(&folder);
            let made = command.output().expect("openssl, which Debian's postgresql depends on, is installed");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.crt -days 2 -subj /CN=authority"));
        openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=server"));
        fs::write(folder.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
        openssl(
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -out server.crt -days 2 -extfile server.ext",
        );
        let key = folder.join("server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("permissions");
        if is_root() {
            chown(&key, Some(NOBODY), Some(NOBODY)).expect("a change of owner");
        }
        let file = |name: &str| folder.join(name).display().to_string();
        self.run(&[
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.crt")),
            format!("ssl_key_file={}", file("server.key")),
        ]);
        fs::read_to_string(folder.join("ca.crt")).expect("a certificate")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// An address with this password.
    pub(crate) fn address(&self, password: &str) -> String {
        let password = password.replace(' ', "%20");
        format!("postgres://port:{password}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

fn program(programs: &Path, name: &str) -> Command {
    let program = programs.join(name);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            &NOBODY.to_string(),
            "--regid",
            &NOBODY.to_string(),
            "--clear-groups",
            "--",
        ]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir("/");
    command
}

/// Where PostgreSQL's programs are, after installing them if that is possible.
fn programs() -> Option<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _guard = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(found) = find() {
        return Some(found);
    }
    if is_root() {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let _ = apt(&["update", "-qq"]) && apt(&["install", "-y", "-qq", "postgresql"]);
    }
    find()
}

/// Debian keeps them apart, by version: /usr/lib/postgresql/15/bin.
fn find() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = debian.chain(std::env::split_paths(&path));
    folders.find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn is_root() -> bool {
    // Whoever makes a file owns it.
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().metadata().expect("an owner").uid() == 0
}

fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
