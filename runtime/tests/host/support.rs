//! Builds the guest, starts the host, and talks to it.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// After this a test is given up as hung. Nothing is expected to take nearly as long.
const HUNG: Duration = Duration::from_mins(2);

/// A body that a test can write in parts.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// One component that may do everything that the tests ask of a guest.
pub(crate) const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "fixture"
    [application.tool.vwp]
    wait_ms_max = 60000
    [variables]
    town = { default = "Jena" }
    password = { required = true, secret = true }
    [[trigger.http]]
    route = "/..."
    component = "guest"
    [component.guest]
    source = "GUEST"
    key_value_stores = ["default", "second"]
    sqlite_databases = ["default"]
    [component.guest.variables]
    greeting = "Hello, {{ town }}"
    secret = "{{ password }}"
"#;

/// Where a workspace's guest is; it is built when this is first asked.
fn built(workspace: &str, guest: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guests");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(workspace);
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--workspace", "--target", "wasm32-wasip2"])
        .arg("--manifest-path")
        .arg(manifest.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the guest does not build; `rustup target add wasm32-wasip2` may help");
    target.join("wasm32-wasip2/release").join(format!("{guest}.wasm"))
}

/// The guest that calls the host's interfaces.
pub(crate) fn guest() -> &'static Path {
    static GUEST: OnceLock<PathBuf> = OnceLock::new();
    GUEST.get_or_init(|| built("fixture", "vwp_fixture_guest"))
}

/// The guest that reaches out.
fn outbound() -> &'static Path {
    static OUTBOUND: OnceLock<PathBuf> = OnceLock::new();
    OUTBOUND.get_or_init(|| built("outbound", "vwp_outbound_guest"))
}

/// The middleware that says what it was given.
fn middleware() -> &'static Path {
    static MIDDLEWARE: OnceLock<PathBuf> = OnceLock::new();
    MIDDLEWARE.get_or_init(|| built("middleware", "vwp_middleware_guest"))
}

/// The guest that streams, breaks off or lingers.
fn edges() -> &'static Path {
    static EDGES: OnceLock<PathBuf> = OnceLock::new();
    EDGES.get_or_init(|| built("edges", "vwp_edges_guest"))
}

/// The same on WASI 0.2.
fn edges_wasi02() -> &'static Path {
    static EDGES: OnceLock<PathBuf> = OnceLock::new();
    EDGES.get_or_init(|| edges().with_file_name("vwp_edges_wasi02_guest.wasm"))
}

/// The resolver of DNS messages, whose answers come from the store.
fn resolver() -> &'static Path {
    static RESOLVER: OnceLock<PathBuf> = OnceLock::new();
    RESOLVER.get_or_init(|| built("resolver", "vwp_resolver_guest"))
}

/// Where a binary is.
type Binary = fn() -> &'static Path;

/// A folder with this manifest in it; the names in capitals stand for guests' binaries.
pub(crate) fn folder(manifest: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut manifest = manifest.to_owned();
    let guests: [(&str, Binary); 6] = [
        ("GUEST", guest),
        ("OUTBOUND", outbound),
        ("RESOLVER", resolver),
        ("MIDDLEWARE", middleware),
        ("EDGES-WASI02", edges_wasi02),
        ("EDGES", edges),
    ];
    for (name, binary) in guests {
        if manifest.contains(name) {
            manifest = manifest.replace(name, &binary().display().to_string());
        }
    }
    std::fs::write(folder.path().join("spin.toml"), manifest).expect("a manifest");
    folder
}

/// How a host is started, where a test needs something beside the usual.
#[derive(Default)]
pub(crate) struct Start {
    /// More arguments.
    pub(crate) arguments: Vec<String>,
    /// More of the environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// How many descriptors the process may have.
    pub(crate) descriptors_max: Option<usize>,
    /// The sockets that it is given, as a service manager would.
    pub(crate) passed: Vec<Passed>,
}

/// A socket that is passed on under a name.
pub(crate) struct Passed {
    name: &'static str,
    descriptor: OwnedFd,
}

impl Passed {
    /// Passes on a socket that somebody else holds as well.
    pub(crate) fn new(name: &'static str, socket: &impl AsFd) -> Self {
        // Above those that the process is to find its sockets at.
        let descriptor = fcntl_dupfd_cloexec(socket, 100).expect("a descriptor");
        fcntl_setfd(&descriptor, FdFlags::empty()).expect("it is inherited");
        Self { name, descriptor }
    }

    /// What a shell does to pass sockets on, as sd_listen_fds(3) wants it.
    fn script(passed: &[Self]) -> String {
        let moves = passed.iter().zip(3..).map(|(socket, to)| {
            let from = socket.descriptor.as_raw_fd();
            format!("exec {to}<&{from} {from}<&-; ")
        });
        let names: Vec<&str> = passed.iter().map(|socket| socket.name).collect();
        format!(
            "{}export LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={}; exec \"$0\" \"$@\"",
            moves.collect::<String>(),
            passed.len(),
            names.join(":")
        )
    }
}

impl Start {
    /// A start with these arguments, which may name files in the folder, where it runs.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(|&text| text.to_owned()).collect(), ..Self::default() }
    }
}

fn vwp(command: &str, folder: &Path, start: &Start) -> Command {
    let program = env!("CARGO_BIN_EXE_vwp");
    let mut vwp = match start.descriptors_max {
        None if !start.passed.is_empty() => {
            // A shell that knows descriptors of more than one digit.
            let mut shell = Command::new("bash");
            shell.args(["-c", &Passed::script(&start.passed), program]);
            shell
        }
        Some(max) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {max} && exec \"$0\" \"$@\""), program]);
            shell
        }
        None => Command::new(program),
    };
    vwp.arg(command).arg("--from").arg(folder).env_remove("RUST_LOG").current_dir(folder);
    if command == "up" {
        vwp.args(["--listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0"]);
        vwp.arg("--state-dir").arg(folder.join("state"));
        let config = folder.join("runtime.toml");
        if config.exists() {
            vwp.arg("--runtime-config-file").arg(config);
        }
    }
    vwp.args(&start.arguments).envs(start.environment.iter().cloned());
    vwp
}

/// Runs `vwp` with a manifest that it is expected to be done with at once.
pub(crate) fn run(command: &str, manifest: &str) -> Output {
    run_in(command, folder(manifest).path(), &Start::default())
}

/// Runs `vwp` with what it is expected to be done with at once.
pub(crate) fn run_in(command: &str, folder: &Path, start: &Start) -> Output {
    vwp(command, folder, start).output().expect("vwp runs")
}

/// The same for a manifest, with further options.
pub(crate) fn run_with(command: &str, manifest: &str, options: &[&str]) -> Output {
    let folder = folder(manifest);
    vwp(command, folder.path(), &Start::with(options)).output().expect("vwp runs")
}

/// Where a host answers what is not HTTP for the application, if it does.
#[derive(Default)]
struct Addresses {
    plain: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    health: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Addresses {
    fn learn(&mut self, line: &str) {
        if let Some(address) = line.strip_prefix("DNS on ").and_then(|rest| rest.strip_suffix(" (UDP, TCP)"))
        {
            self.plain = address.parse().ok();
        } else if let Some(address) = line.strip_prefix("DNS over TLS on ") {
            self.tls = address.parse().ok();
        } else if let Some(address) = line.strip_prefix("Health on http://") {
            self.health = address.parse().ok();
        } else if let Some(address) =
            line.strip_prefix("Metrics on http://").and_then(|rest| rest.strip_suffix("/metrics"))
        {
            self.metrics = address.parse().ok();
        }
    }
}

/// A host that serves.
pub(crate) struct Host {
    child: Child,
    url: String,
    addresses: Addresses,
    client: Client<HttpConnector, Body>,
    log: UnboundedReceiver<String>,
    folder: TempDir,
}

impl Host {
    /// Starts a host for the manifest.
    pub(crate) async fn start(manifest: &str) -> Self {
        Self::start_in(folder(manifest)).await
    }

    /// Starts a host for what is in the folder: a manifest, and perhaps a `runtime.toml`.
    pub(crate) async fn start_in(folder: TempDir) -> Self {
        Self::start_with(folder, &Start::with(&["--variable", "password=open sesame"])).await
    }

    /// Starts a host in a folder with a manifest.
    pub(crate) async fn start_with(folder: TempDir, start: &Start) -> Self {
        let mut child = vwp("up", folder.path(), start)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vwp starts");
        let mut output = lines(child.stdout.take().expect("piped"));
        let mut log = lines(child.stderr.take().expect("piped"));
        let mut addresses = Addresses::default();
        let serving = async {
            while let Some(line) = output.recv().await {
                addresses.learn(&line);
                if let Some(url) = line.strip_prefix("Serving ") {
                    return Some(url.to_owned());
                }
            }
            None
        };
        let Some(url) = within(serving).await else {
            let mut said = Vec::new();
            while let Some(line) = log.recv().await {
                said.push(line);
            }
            panic!("vwp did not serve: {}", said.join("\n"));
        };
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { child, url, addresses, client, log, folder }
    }

    /// Where it is reached, with the scheme.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").map_or("", |(_, address)| address)
    }

    /// Where it answers DNS messages over UDP and TCP.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.addresses.plain.expect("the host serves DNS")
    }

    /// Where it answers DNS messages over TLS.
    pub(crate) fn dns_over_tls(&self) -> SocketAddr {
        self.addresses.tls.expect("the host serves DNS over TLS")
    }

    /// Where it answers probes.
    pub(crate) fn health(&self) -> SocketAddr {
        self.addresses.health.expect("the host answers probes")
    }

    /// Where its metrics are fetched.
    pub(crate) fn metrics(&self) -> SocketAddr {
        self.addresses.metrics.expect("the host counts")
    }

    /// Where the host's files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How much memory the process has ever had at once, in bytes.
    pub(crate) fn memory_bytes_peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Sends a request in a task of its own, which ends with the whole answer.
    pub(crate) fn send_apart(&self, method: Method, path: &str, body: Body) -> JoinHandle<Response<Bytes>> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let sending = self.client.request(request.body(body).expect("a valid request"));
        tokio::spawn(within(async {
            let (head, body) = sending.await.expect("an answer").into_parts();
            Response::from_parts(head, body.collect().await.expect("a whole body").to_bytes())
        }))
    }

    /// Sends a request and waits for the answer.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Body) -> Response<Bytes> {
        self.send_apart(method, path, body).await.expect("an answer")
    }

    /// Calls the guest with a body and returns the text that it answered.
    pub(crate) async fn call(&self, path: &str, body: impl Into<Bytes>) -> String {
        let answer = self.send(Method::POST, path, Full::new(body.into()).boxed()).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert_eq!(answer.status(), StatusCode::OK, "{path}: {text}");
        text
    }

    /// Calls the guest and returns the status of a problem that says nothing of the inside.
    pub(crate) async fn call_in_vain(&self, path: &str) -> StatusCode {
        let answer = self.send(Method::GET, path, Full::default().boxed()).await;
        let text = String::from_utf8_lossy(answer.body());
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json", "{path}: {text}");
        for inside in ["wasm", "trap", "secret of the guest", "memory", "epoch", "unreachable"] {
            assert!(!text.contains(inside), "{path} tells `{inside}`: {text}");
        }
        answer.status()
    }

    /// Waits until the host has logged a line that contains the text.
    pub(crate) async fn logged(&mut self, text: &str) {
        let logged = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(text) {
                    return;
                }
            }
            panic!("the host ended without logging `{text}`");
        };
        within(logged).await;
    }

    /// Asks the host to stop.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Tells the host to read its certificate again.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status().expect("kill runs");
        assert!(sent.success(), "the host ran");
    }

    /// Waits until the host has ended; fails if it did not end well.
    pub(crate) async fn ended(self) -> TempDir {
        let (status, folder) = self.ended_somehow().await;
        assert!(status.success(), "the host ended with {status}");
        folder
    }

    /// Waits until the host has ended.
    pub(crate) async fn ended_somehow(mut self) -> (ExitStatus, TempDir) {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        let status = within(tokio::task::spawn_blocking(move || self.child.wait())).await;
        (status.expect("no panic").expect("an exit status"), folder)
    }

    /// Stops the host and starts it again with the same state.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(&Start::with(&["--variable", "password=open sesame"])).await
    }

    /// The same with other options.
    pub(crate) async fn restart_with(self, start: &Start) -> Self {
        self.terminate();
        let folder = self.ended().await;
        Self::start_with(folder, start).await
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fails the test if it hangs.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HUNG, work).await.expect("the host hangs")
}

fn lines(source: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            // The rest is read even if nobody listens, so that the host is never blocked.
            let _ = sender.send(line);
        }
    });
    receiver
}
