//! The storage adapters as they are built: inside a host, composed by a manifest into a
//! handler that imports `vwp:storage`. The handler runs the contract's own suites against
//! them, and many clients at once lose and double nothing.
//!
//! The host is ours, which is told to be no more than Spin would be, and Spin itself as
//! well where `SPIN` names one.

#[path = "../../components/storage-sql/tests/suite/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http};
use vwp_tests::{build_folder, guests, project};

/// The parts of the contract's suite, as the guest names them.
const PARTS: [&str; 7] =
    ["/kv/reads", "/kv/commits", "/kv/counters", "/kv/changes", "/kv/invalid", "/kv/expiry", "/machine"];

/// Builds the guests, and composes each adapter with the suite's machine, as `cargo xtask build`
/// composes it with the ledger.
fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let machine = guests::build("conformance").join("vwp_tally_machine.wasm");
        for adapter in ["sqlite", "postgres"] {
            let bare = format!("target/wasm32-wasip2/release/vwp_storage_{adapter}.wasm");
            let composed = format!("target/guests/storage-{adapter}-tally.wasm");
            guests::plug(&project().join(bare), &machine, &project().join(composed));
        }
    });
}

/// A host that serves the guest over one of the databases.
struct Application {
    child: Child,
    state: TempDir,
    http: Http,
}

/// Our runtime, and Spin if there is one.
fn hosts() -> Vec<(PathBuf, bool)> {
    let spin = std::env::var_os("SPIN").filter(|path| !path.is_empty());
    std::iter::once((Host::program(), false)).chain(spin.map(|path| (path.into(), true))).collect()
}

impl Application {
    fn start((program, is_spin): &(PathBuf, bool), over: &str, postgres_url: Option<&str>) -> Self {
        built();
        let state = TempDir::with_prefix("vwp-portable-").expect("a folder");
        let manifest = project().join("tests/guests/conformance").join(over).join("spin.toml");
        let mut command = Command::new(program);
        command.arg("up").arg("-f").arg(manifest).arg("--state-dir").arg(state.path());
        if *is_spin {
            let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
            command.args(["--listen", &port.expect("a port is free").to_string()]);
        } else {
            // Compiled code is worth keeping between runs; the state is not.
            std::os::unix::fs::symlink(build_folder("cache"), state.path().join("cache")).expect("a link");
            command.args(["--portable", "--listen", "127.0.0.1:0"]);
        }
        if let Some(url) = postgres_url {
            command.arg("--variable").arg(format!("postgres_url={url}"));
        }
        let log = File::create(state.path().join("log")).expect("a file for the log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the host is built and starts");
        let mut printed = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let serving =
            |line: String| Some(line.trim().strip_prefix("Serving ")?.trim_end_matches('/').to_owned());
        let url = printed.by_ref().map_while(Result::ok).find_map(serving).unwrap_or_default();
        // Nobody else reads what it goes on to print, and a full pipe would stop it.
        std::thread::spawn(move || printed.map_while(Result::ok).for_each(drop));
        let application = Self { child, state, http: Http::new(&url) };
        assert!(!url.is_empty(), "the host did not start:\n{}", application.log());
        application
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.state.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    fn answer(&self, call: &Call) -> String {
        String::from_utf8_lossy(&self.http.send(call).expect(200).body).into_owned()
    }

    fn keeps_the_contract(&self) {
        for part in PARTS {
            assert_eq!(self.answer(&Call::new("POST", part)), "passed", "{part}");
        }
    }

    /// Eight clients add and submit at once: each that was acknowledged is there.
    fn counts(&self, all: &[&Self]) {
        let (clients, each) = (8, 40);
        let positions: BTreeSet<u64> = std::thread::scope(|scope| {
            let one = |client: usize| {
                let host = all[client % all.len()];
                move || {
                    let next = |_| {
                        host.answer(&Call::new("POST", "/count"));
                        host.answer(&Call::new("POST", "/submit")).parse::<u64>().expect("a position")
                    };
                    (0..each).map(next).collect::<Vec<_>>()
                }
            };
            let clients: Vec<_> = (0..clients).map(|client| scope.spawn(one(client))).collect();
            clients.into_iter().flat_map(|client| client.join().expect("its requests succeed")).collect()
        });
        assert_eq!(positions.len(), clients * each, "each command has a position of its own");
        assert_eq!(self.answer(&Call::get("/count")), (clients * each).to_string());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // Spin serves in a child of its own, which ends when it is asked to and not when
        // it is killed.
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log());
        }
    }
}

#[test]
fn over_sqlite_the_contract_is_kept_inside_a_host() {
    for host in hosts() {
        let application = Application::start(&host, "sqlite", None);
        application.keeps_the_contract();
        application.counts(&[&application]);
    }
}

#[test]
fn over_postgres_the_contract_is_kept_by_three_hosts_at_once() {
    let Some(server) = server::Server::shared() else { return };
    for (number, host) in hosts().into_iter().enumerate() {
        let name = format!("portable{number}");
        server.create(&name);
        let start = || Application::start(&host, "postgres", Some(&server.url(&name)));
        let hosts = [start(), start(), start()];
        hosts[0].keeps_the_contract();
        hosts[0].counts(&hosts.each_ref());
    }
}
