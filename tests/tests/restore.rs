//! Backups of a deployment that serves under load: what is restored on an empty machine is what
//! was there at the moment of the backup, and what is not a backup is refused.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use vwp_tests::host::{Host, new_state};
use vwp_tests::http::{Call, Reply};
use vwp_tests::kind::Kind;
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::{eventually, random_below, tools, unique};

/// How much is acknowledged before the backup, and again after it: worlds, and payments.
const ACKNOWLEDGED: usize = 20;
/// How many bytes of a backup are changed, one at a time.
const CHANGED: usize = 60;
/// What each payment moves.
const AMOUNT: u128 = 5;
/// Where the time is in a backup, and how long its last frame is: the one differs between two
/// backups of the same, and so do the checksum before it and the digest at the end.
const TIME: std::ops::Range<usize> = 32..44;
const END: usize = 44;

/// What was acknowledged, in order.
#[derive(Default)]
struct Acknowledged {
    worlds: Mutex<Vec<(String, String)>>,
    payments: Mutex<Vec<(String, Value)>>,
}

impl Acknowledged {
    fn worlds(&self) -> Vec<(String, String)> {
        self.worlds.lock().expect("no panic").clone()
    }

    fn payments(&self) -> Vec<(String, Value)> {
        self.payments.lock().expect("no panic").clone()
    }

    fn reaches(&self, count: usize) -> bool {
        self.worlds().len() >= count && self.payments().len() >= count
    }
}

/// Who trades.
struct Market {
    arena: Operator,
    asset: String,
    payer: Traveller,
}

impl Market {
    fn open(host: &Host) -> Self {
        let (arena, payer) = (Operator::registered(host, "arena"), Traveller::signed_in(host));
        let asset = arena.issue(host, "gold", &payer.account(), "1000000");
        Self { arena, asset, payer }
    }

    fn pay(&self, host: &Host, key: &str) -> Reply {
        let to = format!("world:{}", self.arena.world);
        host.http.send(&self.payer.transfer_call(key, &to, &self.asset, &AMOUNT.to_string()))
    }
}

/// A command about a state, which is run to its end.
fn vwp(command: &str, state: &Path, arguments: &[&str], file: &Path) -> Command {
    let mut vwp = Command::new(Host::program());
    vwp.arg(command).arg("--state-dir").arg(state).args(arguments).arg(file);
    vwp
}

#[track_caller]
fn told(command: &mut Command) -> Value {
    serde_json::from_str(&tools::run(command)).expect("JSON")
}

/// The text of a refusal.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = tools::output(command);
    assert_eq!(output.status.code(), Some(1), "{}", tools::shown(&output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Serves, trades and registers, and takes a backup in the middle of it. Gives out what was
/// acknowledged before the backup began.
fn backed_up_under_load(host: &Host, market: &Market, file: &Path) -> (Acknowledged, Value) {
    let (all, stop) = (Acknowledged::default(), AtomicBool::new(false));
    let state = host.state_folder().expect("an own deployment has a state");
    let (worlds, payments, summary) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let operator = Operator::new("kept");
                let record = operator.record(host, 1);
                let _ = host.http.send(&Call::jose("/v1/worlds", record.clone())).expect(201);
                all.worlds.lock().expect("no panic").push((operator.world, record));
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let key = unique("k");
                let receipt = market.pay(host, &key).expect(201).json();
                all.payments.lock().expect("no panic").push((key, receipt));
            }
        });
        eventually("there is something to back up", || all.reaches(ACKNOWLEDGED));
        let before = (all.worlds(), all.payments());
        let summary = told(&mut vwp("backup", state, &["--with-secrets", "--json"], file));
        let so_far = all.worlds().len().max(all.payments().len());
        eventually("the load goes on after the backup", || all.reaches(so_far + 1));
        stop.store(true, Ordering::Relaxed);
        (before.0, before.1, summary)
    });
    (Acknowledged { worlds: worlds.into(), payments: payments.into() }, summary)
}

#[test]
fn what_is_restored_is_what_was_there_when_the_backup_was_taken() {
    if std::env::var_os("VWP_URL").is_some() || !Kind::chosen().is_vwp() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("backup");
    let mut host = Host::start_own();
    let market = Market::open(&host);
    let (acknowledged, summary) = backed_up_under_load(&host, &market, &file);
    assert!(summary["machines"]["ledger"].as_u64() >= Some(ACKNOWLEDGED as u64), "{summary}");
    let listen = host.url.trim_start_matches("http://").to_owned();
    assert!(host.stop().is_some_and(|status| status.success()), "the host ends in order");
    require_refusals(host.state_folder().expect("a state"), &file, scratch.path());

    let state = new_state();
    let restored = told(&mut vwp("restore", state.path(), &["--json"], &file));
    assert_eq!(restored, summary, "what was read is what was written");
    // Every key with its version, every command and every secret: the restored state, backed up
    // where nothing serves, is the same to the byte.
    let again = scratch.path().join("again");
    let _ = told(&mut vwp("backup", state.path(), &["--with-secrets", "--json"], &again));
    let read = |path: &PathBuf| std::fs::read(path).expect("a backup");
    require_same(&read(&file), &read(&again));

    let host = Host::start_on(state, &listen);
    for (world, record) in acknowledged.worlds() {
        let shown = host.http.send(&Call::get(format!("/v1/worlds/{world}"))).expect(200);
        assert_eq!(shown.text("record"), record);
    }
    for (key, receipt) in acknowledged.payments() {
        assert_eq!(market.pay(&host, &key).expect(200).json(), receipt, "the receipt is the same for ever");
    }
    let world = format!("world:{}", market.arena.world);
    let earned = balance(&host, &world, &market.asset, &market.arena.token(&host));
    let left = market.payer.balance(&host, &market.asset);
    assert_eq!(earned + left, 1_000_000, "money is conserved");
    assert!(earned >= AMOUNT * acknowledged.payments().len() as u128);
    let _ = market.pay(&host, &unique("k")).expect(201);
    let _ = Operator::registered(&host, "after");
}

/// Compares two backups, except for when they were taken.
#[track_caller]
fn require_same(one: &[u8], other: &[u8]) {
    assert_eq!(one.len(), other.len());
    let parts = |bytes: &[u8]| {
        let until = bytes.len() - END;
        (bytes[..TIME.start].to_vec(), bytes[TIME.end..until].to_vec())
    };
    assert!(parts(one) == parts(other), "the backups differ");
}

/// What is refused, and leaves everything as it was.
fn require_refusals(served: &Path, file: &Path, scratch: &Path) {
    assert!(refused(&mut vwp("backup", served, &[], file)).contains("is not replaced"));
    assert!(refused(&mut vwp("restore", served, &[], file)).contains("has a state already"));
    let sound = std::fs::read(file).expect("a backup");
    let changed = scratch.join("changed");
    let places = (0..CHANGED).map(|_| random_below(sound.len() as u64)).chain([0, 8, sound.len() as u64 - 1]);
    for place in places {
        let mut bytes = sound.clone();
        let at = usize::try_from(place).expect("a place in it");
        bytes[at] ^= 1 << random_below(8);
        std::fs::write(&changed, &bytes).expect("written");
        let said = refused(&mut vwp("restore", served, &["--check"], &changed));
        let is_told =
            ["damaged", "cut short", "not a backup", "format"].iter().any(|word| said.contains(word));
        assert!(is_told, "byte {at}: {said}");
    }
    let empty = scratch.join("empty");
    std::fs::write(&changed, &sound[..sound.len() - 1]).expect("written");
    assert!(refused(&mut vwp("restore", &empty, &[], &changed)).contains("cut short"));
    let left = std::fs::read_dir(&empty).expect("the folder was made").count();
    assert_eq!(left, 0, "nothing is left of a restore that was refused");
}

#[test]
fn secrets_are_in_a_backup_only_if_that_is_asked_for() {
    if std::env::var_os("VWP_URL").is_some() || !Kind::chosen().is_vwp() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let host = Host::start_own();
    let state = host.state_folder().expect("a state");
    let secrets: Vec<Vec<u8>> = ["master_key", "admin_token"]
        .map(|name| std::fs::read(state.join("secrets").join(name)).expect("a secret"))
        .into();
    for (name, options, is_in) in [("without", &[][..], false), ("with", &["--with-secrets"], true)] {
        let file = scratch.path().join(name);
        let _ = tools::run(&mut vwp("backup", state, options, &file));
        let bytes = std::fs::read(&file).expect("a backup");
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_slice());
            assert_eq!(found, is_in, "{name}");
        }
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).expect("a file"));
        assert_eq!(mode & 0o077, 0, "nobody else may read a backup");
    }
    let nowhere = scratch.path().join("nowhere");
    let output = tools::output(&mut vwp("backup", &nowhere, &[], &scratch.path().join("none")));
    assert_eq!(output.status.code(), Some(3), "there is nothing to back up");
    assert!(!nowhere.exists(), "and nothing is made");
}
