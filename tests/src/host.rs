//! A deployment under test, and the process behind it if the test started one.

use crate::http::{Call, Http};
use crate::kind::Kind;
use crate::secrets;
use crate::tools;
use crate::{build_folder, project};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start may take: the first one compiles the components.
const START_MAX: Duration = Duration::from_mins(4);
/// How long an orderly end may take.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How many lines of the log a failure shows.
const LOG_LINES_SHOWN: usize = 60;

/// A deployment.
#[derive(Debug)]
pub struct Host {
    /// Its client.
    pub http: Http,
    /// Where it is reached.
    pub url: String,
    /// What it calls itself: whom statements to it are for.
    pub issuer: String,
    /// The zone of its worlds.
    pub zone: String,
    /// Where it answers DNS, if known.
    pub dns: Option<SocketAddr>,
    /// Where it answers DNS over TLS, if known.
    pub dns_tls: Option<SocketAddr>,
    /// Where its metrics are fetched, if it was asked to serve them.
    pub metrics: Option<SocketAddr>,
    /// Its administrator's token, if known.
    pub admin_token: Option<String>,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    state: TempDir,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    arguments: Vec<String>,
}

/// What a process says when it serves.
#[derive(Debug, Default)]
struct Served {
    url: String,
    dns: Option<SocketAddr>,
    dns_tls: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

static SHARED: Mutex<Weak<Host>> = Mutex::new(Weak::new());

impl Host {
    /// The deployment that the tests of one suite share; it ends with the last of them.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = shared.upgrade() {
            return host;
        }
        let host = Arc::new(Self::start());
        *shared = Arc::downgrade(&host);
        host
    }

    /// The deployment that the environment names, or a new one.
    pub fn start() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match variable("VWP_URL") {
            Some(url) => {
                let dns =
                    variable("VWP_DNS").map(|address| address.parse().expect("VWP_DNS is ADDRESS:PORT"));
                let served = Served { url, dns, ..Served::default() };
                Self::describe(served, variable("VWP_ADMIN_TOKEN"), None)
            }
            None => Self::start_own(),
        }
    }

    /// A deployment that something else started.
    pub fn at(url: &str) -> Self {
        Self::describe(Served { url: url.to_owned(), ..Served::default() }, None, None)
    }

    /// A new deployment with an empty state.
    pub fn start_own() -> Self {
        Self::launch(new_state(), "127.0.0.1:0", "127.0.0.1:0", &[])
    }

    /// A deployment on a state that is there, at an address such as `127.0.0.1:0`.
    pub fn start_on(state: TempDir, listen: &str) -> Self {
        Self::launch(state, listen, "127.0.0.1:0", &[])
    }

    /// A new deployment with an empty state, on our runtime with more arguments than usual.
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Self::launch(new_state(), "127.0.0.1:0", "127.0.0.1:0", &arguments)
    }

    /// A new deployment with an empty state at an address, with more arguments than usual.
    pub fn start_at(listen: SocketAddr, arguments: &[String]) -> Self {
        Self::launch(new_state(), &listen.to_string(), "127.0.0.1:0", arguments)
    }

    /// A command of operators or the administrator, about this deployment.
    pub fn shell(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Self::program());
        command.args(arguments).env("VWP_URL", &self.url);
        // The administrator's token is never an argument, because others could read it there.
        command.env("VWP_ADMIN_TOKEN", self.admin_token.as_deref().unwrap_or_default());
        command
    }

    /// The program that serves, and does what operators and travellers do from a shell.
    pub fn program() -> PathBuf {
        std::env::var_os("VWP_BIN").map_or_else(|| project().join("target/release/vwp"), PathBuf::from)
    }

    fn launch(state: TempDir, listen: &str, dns_listen: &str, arguments: &[String]) -> Self {
        let mut command = Kind::chosen().serve(state.path(), listen, dns_listen);
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{command:?} cannot be started ({error}); build it first"),
        };
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, printed) = channel();
        let mut readers = Vec::new();
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            readers.push(follow(stdout, log.clone(), Some(lines)));
            readers.push(follow(stderr, log.clone(), None));
        }
        let process = Process { child, state, log, readers, arguments: arguments.to_vec() };
        let served = process.await_serving(&printed);
        let token = std::fs::read_to_string(process.state.path().join("secrets/admin_token"));
        let token = token.ok().map(|token| token.trim().to_owned());
        Self::describe(served, token, Some(process))
    }

    fn describe(served: Served, admin_token: Option<String>, process: Option<Process>) -> Self {
        let Served { url, dns, dns_tls, metrics } = served;
        let certificate = process.as_ref().and_then(Process::certificate);
        let http = certificate.map_or_else(|| Http::new(&url), |file| Http::trusting(&url, file));
        let mut host = Self {
            http,
            url,
            issuer: String::new(),
            zone: String::new(),
            dns,
            dns_tls,
            metrics,
            admin_token,
            process,
        };
        let index = host.http.send(&Call::get("/")).expect(200);
        host.issuer = index.text("issuer");
        host.zone = index.text("zone");
        host
    }

    /// Where it answers DNS over UDP and TCP. Says that it is not tested where that is not
    /// known; a host without such a listener has nothing there to test.
    pub fn dns_for(&self, what: &str) -> Option<SocketAddr> {
        let has_no_listener = self.is_own() && !Kind::chosen().is_vwp();
        if self.dns.is_none() && !has_no_listener {
            tools::skip(what, "VWP_DNS does not say where the deployment answers");
        }
        self.dns
    }

    /// Whether the test started this deployment, and may therefore end it.
    pub fn is_own(&self) -> bool {
        self.process.is_some()
    }

    /// The process, if the test started it.
    pub fn process_id(&self) -> Option<rustix::process::Pid> {
        self.process.as_ref().and_then(Process::id)
    }

    /// Ends the process as a power cut would.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Asks the process to end, and waits until it has.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(Process::stop)
    }

    /// Starts the deployment again at the same addresses and on the same state.
    #[must_use]
    pub fn restarted(mut self) -> Self {
        self.kill();
        let process = self.process.take().expect("only an own deployment can be restarted");
        let listen = self.url.trim_start_matches("http://").to_owned();
        let dns = self.dns.map(|address| address.to_string()).unwrap_or_default();
        process.require_sound();
        Self::launch(process.state, &listen, &dns, &process.arguments)
    }

    /// Where the process keeps its state, if the test started it.
    pub fn state_folder(&self) -> Option<&Path> {
        self.process.as_ref().map(|process| process.state.path())
    }

    /// What the process printed so far.
    pub fn log(&self) -> Vec<String> {
        self.process.as_ref().map(Process::lines).unwrap_or_default()
    }
}

impl Process {
    /// The certificate that it was told to serve with.
    fn certificate(&self) -> Option<&Path> {
        let option = self.arguments.iter().position(|argument| argument == "--tls-cert")?;
        self.arguments.get(option + 1).map(Path::new)
    }

    fn id(&self) -> Option<rustix::process::Pid> {
        i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
    }

    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the addresses are printed.
    fn await_serving(&self, printed: &Receiver<String>) -> Served {
        let deadline = Instant::now() + START_MAX;
        let mut served = Served::default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = printed.recv_timeout(left) else {
                panic!("the host did not start:\n{}", self.tail());
            };
            let address = |text: &str| text.split(' ').next().and_then(|address| address.parse().ok());
            if let Some(text) = line.strip_prefix("DNS on ") {
                served.dns = address(text);
            }
            if let Some(text) = line.strip_prefix("DNS over TLS on ") {
                served.dns_tls = address(text);
            }
            if let Some(text) = line.strip_prefix("Metrics on http://") {
                served.metrics = address(text.trim_end_matches("/metrics"));
            }
            if let Some(url) = line.strip_prefix("Serving ") {
                url.trim().clone_into(&mut served.url);
                return served;
            }
        }
    }

    fn stop(&mut self) -> Option<ExitStatus> {
        let _ = rustix::process::kill_process(self.id()?, rustix::process::Signal::TERM);
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.kill();
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
        None
    }

    /// Ends the process, if it has not ended, and reads its log to the end.
    fn kill(&mut self) {
        if let Some(id) = self.id() {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    /// Nothing that a test sends may be the host's undoing: a trap or a panic is logged
    /// as a defect, and so fails the test. Nor may the log have a secret in it.
    fn require_sound(&self) {
        let is_defect = |line: &&String| line.contains("defect") || line.contains("panicked at");
        let lines = self.lines();
        let defects: Vec<&String> = lines.iter().filter(is_defect).collect();
        assert!(defects.is_empty(), "the host logged defects: {defects:#?}");
        secrets::note_state(self.state.path());
        let leaks = secrets::leaks(lines.iter().map(String::as_str));
        assert!(leaks.is_empty(), "the host logged secrets: {leaks:#?}");
    }

    fn tail(&self) -> String {
        let lines = self.lines();
        lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.kill();
        if std::thread::panicking() {
            eprintln!("the host's log ends with:\n{}", process.tail());
        } else {
            process.require_sound();
        }
    }
}

/// A folder for a state, with nothing in it but compiled code.
pub fn new_state() -> TempDir {
    let state = TempDir::with_prefix("vwp-test-").expect("a folder for the state");
    // Compiled code is worth keeping between runs; the state is not.
    std::os::unix::fs::symlink(build_folder("cache"), state.path().join("cache")).expect("a link");
    state
}

/// Reads lines until the process ends.
fn follow(
    stream: impl Read + Send + 'static,
    log: Arc<Mutex<Vec<String>>>,
    lines: Option<Sender<String>>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(lines) = &lines {
                let _ = lines.send(line.clone());
            }
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}
