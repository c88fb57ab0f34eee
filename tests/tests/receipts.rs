//! The ledger's log in the hands of others: a verifier that the Go project wrote, receipts on a disk,
//! and an auditor who finds whatever was changed.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{eventually, project, tools};

/// A deployment with a log that grows past a tile, and a receipt.
struct Scene {
    host: Host,
    folder: tempfile::TempDir,
    arena: Operator,
    ada: Traveller,
    asset: String,
}

impl Scene {
    fn new() -> Self {
        let host = Host::start_own();
        let (arena, ada) = (Operator::registered(&host, "arena"), Traveller::signed_in(&host));
        let asset = arena.issue(&host, "gold", &ada.account(), "100000");
        let scene = Self { host, folder: tempfile::tempdir().unwrap(), arena, ada, asset };
        scene.write("vkeys", &scene.get("/v1/ledger/vkeys"));
        scene
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.host.http.send(&Call::get(path)).expect(200).body
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Pays the world; gives out the transfer's id.
    fn pay(&self, key: &str) -> String {
        let call = self.ada.transfer_call(key, &format!("world:{}", self.arena.world), &self.asset, "1");
        self.host.http.send(&call).expect(201).text("transfer_id")
    }

    fn receipt(&self, id: &str) -> Value {
        let call = Call::get(format!("/v1/transfers/{id}/receipt")).bearer(&self.ada.token);
        serde_json::from_slice(&self.host.http.send(&call).expect(200).body).unwrap()
    }

    /// `vwp audit` of this deployment.
    fn audit(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = self.host.shell(&["audit", "--json"]);
        command.arg("--vkeys").arg(self.path("vkeys")).arg("--component").arg(component());
        tools::output(command.args(arguments))
    }
}

fn component() -> PathBuf {
    project().join("target/wasm32-wasip2/release/vwp_ledger_component.wasm")
}

fn found(output: &std::process::Output) -> Value {
    assert!(output.status.success(), "{}", tools::shown(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_verifier_of_the_go_project_believes_the_log_and_a_receipt() {
    if !tools::require("go", "golang-go") || !has_sumdb() {
        return;
    }
    let scene = Scene::new();
    let old = scene.write("old", &scene.get("/v1/ledger/checkpoint"));
    let mut last = String::new();
    for number in 0..300 {
        last = scene.pay(&format!("k{number}"));
    }
    let receipt = scene.receipt(&last);
    let text = |pointer: &str| receipt.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
    let proof = scene.write("proof", text("/evidence/proof").as_bytes());
    let origin =
        format!("{}/v1/ledger", scene.host.issuer.split_once("://").unwrap().1.trim_end_matches('/'));
    eventually("the checkpoint has every transfer", || {
        String::from_utf8(scene.get("/v1/ledger/checkpoint")).unwrap().lines().nth(1) == Some("302")
    });
    let run = |url: &str, origin: &str, leaf: &str| {
        let mut command = Command::new("go");
        // The package is Debian's, in the place where Debian puts it; nothing is downloaded.
        command.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        command.env("GOCACHE", scene.path("go-cache"));
        command.arg("run").arg(project().join("tests/fixtures/verify_log.go"));
        tools::output(command.args([url, origin]).arg(&old).arg(&proof).arg(leaf))
    };
    let believed = run(&scene.host.url, &origin, &text("/evidence/leaf"));
    assert!(believed.status.success(), "{}", tools::shown(&believed));
    let said = String::from_utf8(believed.stdout).unwrap();
    assert_eq!(said, "302 entries, continued from 2, receipt at 302\n");
    let other_leaf = format!("B{}", &text("/evidence/leaf")[1..]);
    assert!(!run(&scene.host.url, &origin, &other_leaf).status.success());
    assert!(!run(&scene.host.url, "another.example", &text("/evidence/leaf")).status.success());
}

/// Whether Debian's package of the Go project's checksum database is there.
fn has_sumdb() -> bool {
    let package = Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog");
    if !package.exists() && rustix::process::geteuid().is_root() {
        let mut install = Command::new("apt-get");
        install
            .args(["install", "-y", "-qq", "golang-golang-x-mod-dev"])
            .env("DEBIAN_FRONTEND", "noninteractive");
        let _ = tools::output(&mut install);
    }
    if !package.exists() {
        tools::skip("the foreign verifier", "the Debian package golang-golang-x-mod-dev is missing");
    }
    package.exists()
}

#[test]
fn a_receipt_is_verified_offline_and_not_after_any_change() {
    let scene = Scene::new();
    let receipt = scene.receipt(&scene.pay("k"));
    let verify = |name: &str, receipt: &Value| {
        let file = scene.write(name, receipt.to_string().as_bytes());
        let mut command = Command::new(Host::program());
        // Of a port that is not asked: there is none at this address.
        command.args(["receipt", "verify", "--json", "--vkeys"]).arg(scene.path("vkeys")).arg(file);
        tools::output(command.env("VWP_URL", "http://127.0.0.1:1"))
    };
    let verified = found(&verify("receipt", &receipt));
    assert_eq!(verified["amount"], "1");
    assert_eq!(verified["log_size"], receipt["transfer"]["position"]);
    for (pointer, value) in [
        ("/transfer/amount", json!("1000")),
        ("/transfer/to", json!(scene.ada.account())),
        ("/transfer/position", json!(1)),
        ("/evidence/proof", json!("c2sp.org/tlog-proof@v1\nindex 0\n\n")),
        ("/place/offset", json!(0)),
        ("/format", json!("vwp-receipt-2")),
    ] {
        let mut forged = receipt.clone();
        *forged.pointer_mut(pointer).unwrap() = value;
        let refused = verify("forged", &forged);
        assert_eq!(refused.status.code(), Some(1), "{pointer}: {}", tools::shown(&refused));
    }
}

#[test]
fn an_audit_finds_no_difference_while_the_port_goes_on_and_after_a_power_cut() {
    let scene = Scene::new();
    for number in 0..20 {
        scene.pay(&format!("k{number}"));
    }
    let checkpoint = scene.path("checkpoint");
    let checkpoint = ["--checkpoint", checkpoint.to_str().unwrap()];
    let first = std::thread::scope(|scope| {
        let audit = scope.spawn(|| scene.audit(&checkpoint));
        for number in 0..50 {
            scene.pay(&format!("l{number}"));
        }
        found(&audit.join().unwrap())
    });
    assert!(first["compared"].as_u64() >= Some(4), "{first}");
    let Scene { host, folder, arena, ada, asset } = scene;
    let scene = Scene { host: host.restarted(), folder, arena, ada, asset };
    let second = found(&scene.audit(&checkpoint));
    assert_eq!(second["component"], first["component"]);
    assert_eq!(second["commands"], 72);
    let third = found(&scene.audit(&checkpoint));
    assert_eq!(third["state"], second["state"], "the same log has the same state");
}

/// A finding of an audit, whose exit status says that there is one.
#[track_caller]
fn assert_differs(output: &std::process::Output, what: &str) {
    let shown = tools::shown(output);
    assert_eq!(output.status.code(), Some(6), "{shown}");
    assert!(shown.contains(what), "{what}: {shown}");
}

#[test]
fn an_audit_of_a_log_on_a_disk_finds_what_is_missing_and_what_is_another() {
    let scene = Scene::new();
    if !scene.host.is_own() || scene.host.state_folder().is_none() {
        return tools::skip("a changed log", "the deployment's files are not at hand");
    }
    let log_of = |scene: &Scene| scene.host.state_folder().unwrap().join("store/machines/ledger");
    if !log_of(&scene).exists() {
        return tools::skip("a changed log", "this host keeps no files of its own");
    }
    let checkpoint = scene.path("checkpoint");
    let kept = ["--checkpoint", checkpoint.to_str().unwrap()];
    // Copies of logs, as an auditor is given them.
    let offline = |log: &Scene, name: &str, arguments: &[&str]| {
        let copy = scene.path(name);
        tools::run(Command::new("cp").arg("-r").arg(log_of(log)).arg(&copy));
        scene.audit(&[&["--log", copy.to_str().unwrap()], arguments].concat())
    };
    let missing = offline(&scene, "none", &kept);
    assert!(!missing.status.success(), "a checkpoint that is not there is no check: {missing:?}");
    scene.pay("k");
    let short = offline(&scene, "short", &[]);
    assert!(short.status.success(), "{}", tools::shown(&short));
    scene.pay("l");
    let honest = found(&scene.audit(&kept));
    let same = found(&offline(&scene, "copy", &kept));
    assert_eq!((&same["state"], &same["root"]), (&honest["state"], &honest["root"]));
    assert_eq!((&same["continues"], &same["commands"]), (&json!(4), &json!(4)));
    // The log without its last command, which was signed.
    let short = scene.path("short");
    let refused = scene.audit(&[&["--log", short.to_str().unwrap()], kept.as_slice()].concat());
    assert_differs(&refused, "the log has 3 commands, and 4 were signed");
    // A log that is as long and not the one that was signed.
    let other = Scene::new();
    other.pay("k");
    other.pay("l");
    assert_differs(&offline(&other, "other", &kept), "do not have the root");
}

#[test]
fn an_audit_finds_a_port_that_tells_another_log_or_other_balances() {
    let scene = Scene::new();
    scene.pay("k");
    // A byte of the last command.
    let told = |path: &str, body: &mut [u8]| {
        if path.starts_with("/v1/ledger/commands") {
            *body.last_mut().unwrap() ^= 1;
        }
    };
    let lies = |tamper: fn(&str, &mut [u8])| {
        let url = between(&scene, tamper);
        let mut command = scene.host.shell(&["audit", "--json", "--url", &url, "--vkeys"]);
        tools::output(command.arg(scene.path("vkeys")).arg("--component").arg(component()))
    };
    assert_differs(&lies(told), "entry 3: the command is not the one that is in the tree");
    assert_differs(&lies(another_balance), "debits is");
    assert!(lies(|_, _| {}).status.success(), "what stands between changes nothing else");
}

/// Changes the debits of the first account that is asked about.
fn another_balance(path: &str, body: &mut [u8]) {
    if !path.starts_with("/v1/ledger/queries") {
        return;
    }
    // After the two sizes, each answer comes after its length; an account's has the kind 2, and its
    // debits after a header and two ids of 16 bytes each.
    let mut at = 16;
    while let Some(length) = body.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if body[at + 4] == 2 {
            body[at + 4 + 48] ^= 1;
            return;
        }
        at += 4 + length;
    }
}

/// Stands between a client and the deployment, and changes what it answers; the URL. It serves one request
/// on a connection, and ends with the test.
fn between(scene: &Scene, tamper: fn(&str, &mut [u8])) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let http = scene.host.http.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut lines = (&mut reader).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let headers: Vec<(String, String)> = lines
                .take_while(|line| !line.is_empty())
                .filter_map(|line| {
                    line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.into()))
                })
                .collect();
            let mut words = first.split(' ');
            let (Some(method), Some(path)) = (words.next(), words.next()) else { continue };
            let header =
                |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
            let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
            reader.read_exact(&mut body).unwrap();
            let mut call = Call::new(method, path);
            if let Some(media_type) = header("content-type") {
                call = call.body(media_type, body);
            }
            if let Some(token) = header("authorization") {
                call = call.header("authorization", token);
            }
            let mut reply = http.send(&call);
            tamper(path, &mut reply.body);
            let head = format!(
                "HTTP/1.1 {} Said\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                reply.status,
                reply.body.len()
            );
            // A client that has gone needs no answer.
            let _ = reader.get_mut().write_all(&[head.as_bytes(), &reply.body].concat());
        }
    });
    url
}
