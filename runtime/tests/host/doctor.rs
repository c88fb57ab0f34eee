//! `vwp doctor`: what it says of deployments that are well and of those that are not.

use crate::support::{Host, MANIFEST, Start, folder, run_in};
use chrono::Datelike;
use serde_json::Value;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// What the doctor finds: each check, its state, and what is said of it.
struct Found {
    is_well: bool,
    findings: Vec<Value>,
}

impl Found {
    fn of(folder: &Path, options: &[&str]) -> Self {
        let state = folder.join("state").display().to_string();
        let fixed = ["--json", "--state-dir", &state, "--resolver", "127.0.0.1:9"];
        let output = run_in("doctor", folder, &Start::with(&[&fixed[..], options].concat()));
        let printed = String::from_utf8(output.stdout).expect("text");
        let findings = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        Self { is_well: output.status.success(), findings }
    }

    /// The state and the text of the first finding about something.
    fn about(&self, check: &str) -> (&str, &str) {
        let found = self.findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("nothing about {check}: {:?}", self.findings));
        (found["state"].as_str().unwrap_or_default(), found["text"].as_str().unwrap_or_default())
    }

    #[track_caller]
    fn require_wrong(&self, check: &str, text: &str) {
        let (state, said) = self.about(check);
        assert!(state == "wrong" && said.contains(text), "{check} is {state}: {said}");
        assert!(!self.is_well, "the exit status says so too");
    }
}

/// A folder with a manifest and a free port for it.
fn place() -> (TempDir, [String; 2]) {
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    (folder(MANIFEST), ["--listen".to_owned(), port.to_string()])
}

/// A folder with the state of a host that has ended.
async fn left_behind() -> (TempDir, [String; 2]) {
    let (folder, listen) = place();
    let host = Host::start_in(folder).await;
    assert_eq!(host.call("/spin3/set/default/kept", "value").await, "ok");
    host.terminate();
    (host.ended().await, listen)
}

fn strs(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_deployment_that_is_well_is_said_to_be_before_and_while_it_serves_and_after() {
    let (folder, listen) = place();
    let before = Found::of(folder.path(), &strs(&listen));
    assert!(before.is_well, "{:?}", before.findings);
    assert!(before.about("store").1.contains("the first start makes it"));
    let host = Host::start_in(folder).await;
    let serving = Found::of(host.folder(), &["--listen", host.address()]);
    assert!(serving.is_well, "{:?}", serving.findings);
    assert!(serving.about("store").1.contains("a process serves from it"));
    assert!(serving.about("port of HTTP").1.contains("answered at"));
    host.terminate();
    let folder = host.ended().await;
    let after = Found::of(folder.path(), &strs(&listen));
    assert!(after.is_well, "{:?}", after.findings);
    assert!(after.about("store").1.contains("every checksum holds"), "{:?}", after.about("store"));
}

#[test]
fn a_manifest_that_is_not_satisfied_is_wrong() {
    let (folder, listen) = place();
    let manifest = std::fs::read_to_string(folder.path().join("spin.toml")).expect("a manifest");
    let manifest = manifest.replace("[component.guest]", "[component.guest]\nunknown = 1");
    std::fs::write(folder.path().join("spin.toml"), manifest).expect("written");
    Found::of(folder.path(), &strs(&listen)).require_wrong("manifest", "unknown");
}

#[tokio::test]
async fn secrets_that_others_may_read_and_a_state_that_others_may_write_are_wrong() {
    let (folder, listen) = left_behind().await;
    let state = folder.path().join("state");
    std::fs::create_dir_all(state.join("secrets")).expect("a folder");
    std::fs::write(state.join("secrets/key"), "hunter2").expect("a secret");
    std::fs::set_permissions(state.join("secrets/key"), Permissions::from_mode(0o644)).expect("opened");
    std::fs::set_permissions(&state, Permissions::from_mode(0o777)).expect("opened");
    let found = Found::of(folder.path(), &strs(&listen));
    found.require_wrong("secrets", "chmod go=");
    found.require_wrong("state folder", "chmod go-w");
    assert!(!found.about("secrets").1.contains("hunter2"), "no secret is repeated");
}

#[tokio::test]
async fn a_damaged_store_is_wrong_and_the_place_of_the_damage_is_told() {
    let (folder, listen) = left_behind().await;
    let log = folder.path().join("state/store/kv/log/00000000000000000001.log");
    let mut bytes = std::fs::read(&log).expect("a log");
    // In the payload of the first record.
    bytes[64 + 24 + 3] ^= 1;
    std::fs::write(&log, bytes).expect("damaged");
    Found::of(folder.path(), &strs(&listen)).require_wrong("store", "00000000000000000001.log");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_wrong_and_the_version_is_told() {
    let (folder, listen) = left_behind().await;
    let note = folder.path().join("state/store/FORMAT");
    let text = std::fs::read_to_string(&note).expect("a note");
    let newer = text.replace("log = 1", "log = 2").replace("needs = 0.1.0", "needs = 7.0.0");
    std::fs::write(&note, newer).expect("changed");
    Found::of(folder.path(), &strs(&listen)).require_wrong("store", "vwp 7.0.0");
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_wrong() {
    let (folder, listen) = left_behind().await;
    let note = std::fs::File::options().append(true).open(folder.path().join("state/store/FORMAT"));
    let ahead = SystemTime::now() + Duration::from_hours(2);
    note.and_then(|file| file.set_modified(ahead)).expect("dated");
    Found::of(folder.path(), &strs(&listen)).require_wrong("clock", "the clock was set back");
}

#[test]
fn a_port_that_another_process_has_is_wrong() {
    let (folder, _) = place();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    Found::of(folder.path(), &["--listen", &address]).require_wrong("port of HTTP", "another process has it");
}

/// Midnight, so many days from today, as a certificate has it.
fn dated(days: i64, set: impl FnOnce(i32, u8, u8)) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    let today = i64::try_from(now / 86_400).expect("a day");
    let time = chrono::DateTime::from_timestamp((today + days) * 86_400, 0).expect("a time");
    let number = |number: u32| u8::try_from(number).expect("a part of a date");
    set(time.year(), number(time.month()), number(time.day()));
}

#[test]
fn a_certificate_that_ended_or_ends_soon_is_told() {
    let (folder, listen) = place();
    for (days, state, said) in
        [(-1, "wrong", "ended 1 d ago"), (3, "warning", "renew it"), (60, "ok", "good for another 59 d")]
    {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut about = rcgen::CertificateParams::new(vec!["port.example".to_owned()]).expect("a name");
        dated(-90, |year, month, day| about.not_before = rcgen::date_time_ymd(year, month, day));
        dated(days, |year, month, day| about.not_after = rcgen::date_time_ymd(year, month, day));
        let certificate = about.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("cert.pem"), certificate.pem()).expect("written");
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("written");
        let options = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
        let found = Found::of(folder.path(), &[&strs(&listen)[..], &options].concat());
        let (was, text) = found.about("certificate");
        assert!(was == state && text.contains(said), "{was}: {text}");
    }
}

#[tokio::test]
async fn the_delegation_of_the_zone_is_looked_up_where_it_is_said() {
    let manifest = crate::dns_client::MANIFEST;
    let server = Host::start_with(folder(manifest), &Start::default()).await;
    let zone = format!("{manifest}\n[variables]\nzone = {{ default = \"nowhere.zone.test\" }}");
    let folder = folder(&zone);
    let resolver = server.dns().to_string();
    let state = folder.path().join("state").display().to_string();
    let options = [
        "--json",
        "--state-dir",
        &state,
        "--listen",
        "127.0.0.1:0",
        "--dns-listen",
        "127.0.0.1:0",
        "--resolver",
        &resolver,
    ];
    let output = run_in("doctor", folder.path(), &Start::with(&options));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("nowhere.zone.test is not delegated"), "{printed}");
}
