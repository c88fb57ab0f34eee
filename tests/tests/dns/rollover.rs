//! Keys roll over while updates run, with times of seconds instead of months, and nobody who
//! validates notices.

use super::{administer, started, tsig_key};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use vwp_tests::foreign::Server;
use vwp_tests::host::Host;
use vwp_tests::people::Operator;
use vwp_tests::resolvers::unbound;
use vwp_tests::secondaries::{TsigKey, contents};
use vwp_tests::signed::{self, delv, resolved};
use vwp_tests::{eventually, tools, unique};

/// Two keys, of which everybody knows within seconds.
const TIMES: [&str; 8] = [
    "--variable",
    "dns_keys=ksk+zsk",
    "--variable",
    "dns_apex_ttl=1s",
    "--variable",
    "dns_key_publish=2s",
    "--variable",
    "dns_record_ttl=2s",
];

#[test]
fn every_validator_stays_content_while_keys_roll_over_and_updates_run() {
    let Some((host, server)) = started(&TIMES) else { return };
    let Some(mut validators) = Validators::new(&host, server) else { return };
    let updating = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let _end = End(&updating);
        scope.spawn(|| {
            while updating.load(Ordering::Relaxed) {
                let _ = Operator::registered(&host, "w");
            }
        });
        let before = tags(&host, "zsk");
        administer(&host, &["zone", "roll", "zsk"]);
        validators.until(&host, "the new key signs alone", || {
            let now = tags(&host, "zsk");
            now.len() == 1 && now != before
        });

        let before = tags(&host, "ksk");
        administer(&host, &["zone", "roll", "ksk"]);
        validators.until(&host, "the parent is asked to name the new key", || announced(&host) != before[0]);
        // RFC 7344, section 3: the parent finds in CDS what it is to name.
        let named = announced(&host);
        let cds = tools::run(signed::dig(server).args(["+short", "+norecurse", "CDS", &host.zone]));
        assert!(cds.starts_with(&format!("{named} 13 2 ")), "CDS does not name {named}: {cds}");
        validators.trust(&host, named);
        administer(&host, &["zone", "ds-seen", &named.to_string()]);
        validators.until(&host, "the old key is gone", || tags(&host, "ksk") == [named]);
    });
}

/// Ends the updates even if the test fails, which would wait for them otherwise.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn keys(host: &Host) -> Vec<Value> {
    let printed = administer(host, &["zone", "keys", "--json"]);
    printed.lines().map(|line| serde_json::from_str(line).expect("a key in JSON")).collect()
}

fn tag(key: &Value) -> u64 {
    key["tag"].as_u64().expect("a key has a tag")
}

/// The tags of the keys with a role.
fn tags(host: &Host, role: &str) -> Vec<u64> {
    keys(host).iter().filter(|key| key["role"] == role).map(tag).collect()
}

/// The tag of the key that the parent is asked to name: the latest that is announced.
fn announced(host: &Host) -> u64 {
    let keys = keys(host);
    let latest = keys.iter().filter_map(|key| Some((key["announced_at"].as_u64()?, tag(key)))).max();
    latest.expect("a key is announced").1
}

/// Everybody who validates: `delv`, Unbound, and the checkers of whole zones.
struct Validators {
    server: SocketAddr,
    zone: String,
    folder: TempDir,
    anchors: PathBuf,
    resolver: Server,
    transfer: TsigKey,
}

impl Validators {
    /// Those who trust the keys of now.
    fn new(host: &Host, server: SocketAddr) -> Option<Self> {
        let zone = host.zone.clone();
        if !tools::require("delv", "bind9-dnsutils") {
            return None;
        }
        let folder = TempDir::with_prefix("vwp-anchors-").expect("a folder");
        let anchors = folder.path().join("anchors");
        let trusted = signed::anchors(server, &zone);
        signed::write_delv_anchors(&anchors, &trusted);
        let resolver = unbound(server, &zone, &trusted.join("\n"))?;
        let transfer = tsig_key(host, &unique("rollover"), &["--transfer"]);
        Some(Self { server, zone, folder, anchors, resolver, transfer })
    }

    /// Trust one key and no other from now on, as if the parent named it.
    fn trust(&mut self, host: &Host, named: u64) {
        let keys = keys(host);
        let key = keys.iter().find(|key| tag(key) == named).expect("the key that is named");
        let data = key["dnskey"].as_str().expect("a key has its record");
        let trusted = vec![format!("{}. 1 IN DNSKEY {data}", self.zone)];
        signed::write_delv_anchors(&self.anchors, &trusted);
        self.resolver = unbound(self.server, &self.zone, &trusted.join("\n")).expect("Unbound is there");
    }

    /// Validates everything again and again until something has happened.
    #[track_caller]
    fn until(&self, host: &Host, what: &str, mut happened: impl FnMut() -> bool) {
        eventually(what, || {
            self.require_content(host);
            happened()
        });
        self.require_content(host);
    }

    #[track_caller]
    fn require_content(&self, host: &Host) {
        // A world that nobody has asked for, so that no cache answers.
        let world = Operator::registered(host, "new").world;
        let there = format!("_vw.{world}.{}", self.zone);
        let absent = format!("{}.{}", unique("nobody"), self.zone);
        let printed = delv(self.server, &self.zone, &self.anchors, "SVCB", &there);
        assert!(printed.contains("; fully validated"), "{printed}");
        let printed = delv(self.server, &self.zone, &self.anchors, "A", &absent);
        assert!(printed.contains("; negative response, fully validated"), "{printed}");
        let ask = |rtype: &str, name: &str| resolved(self.resolver.address(), rtype, name);
        assert_eq!(ask("SVCB", &there), ("NOERROR".to_owned(), true));
        assert_eq!(ask("A", &absent), ("NXDOMAIN".to_owned(), true));
        let whole = contents(self.server, &self.zone, Some(&self.transfer)).join("\n") + "\n";
        let file = self.folder.path().join("zone");
        std::fs::write(&file, whole).expect("a file");
        signed::require_valid(&self.zone, &file);
    }
}
