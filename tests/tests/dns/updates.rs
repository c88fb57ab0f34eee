//! Dynamic update (RFC 2136) with `nsupdate`.

use super::{shared, tsig_key};
use std::net::SocketAddr;
use std::path::Path;
use vwp_client::key::Key;
use vwp_tests::dns::{self, Transport, answers, nsupdate};
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::{tools, unique};

fn texts(server: SocketAddr, name: &str) -> Vec<String> {
    answers(&dns::dig(server, Transport::Udp, "TXT", name))
}

#[test]
fn nsupdate_changes_with_a_tsig_key_the_names_that_the_key_is_for_and_no_others() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("nsupdate", "bind9-dnsutils") {
        return;
    }
    let (arena, other) = (Operator::registered(&host, "arena"), Operator::registered(&host, "other"));
    let zone = &host.zone;
    let own = format!("{}.{zone}", arena.world);
    let key = tsig_key(&host, &unique("key"), &["--update", &own]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.conf");
    std::fs::write(&file, key.clause()).expect("a key file");
    let motd = format!("motd.{own}");

    let added = nsupdate(server, zone, &file, &format!("update add {motd}. 60 TXT \"open at dusk\""));
    assert!(added.status.success(), "{}", tools::shown(&added));
    assert_eq!(texts(server, &motd), ["TXT \"open at dusk\""]);

    let unmet = format!("prereq nxdomain {motd}.\nupdate add {motd}. 60 TXT \"twice\"");
    let unmet = nsupdate(server, zone, &file, &unmet);
    assert!(tools::shown(&unmet).contains("YXDOMAIN"), "{}", tools::shown(&unmet));

    let others = format!("update add motd.{}.{zone}. 60 TXT \"not mine\"", other.world);
    let refused = nsupdate(server, zone, &file, &others);
    assert!(tools::shown(&refused).contains("REFUSED"), "{}", tools::shown(&refused));
    // What the signed record says is changed with the record.
    let projected = format!("update delete _vw.{own}. SVCB");
    let refused = nsupdate(server, zone, &file, &projected);
    assert!(tools::shown(&refused).contains("REFUSED"), "{}", tools::shown(&refused));

    let removed = nsupdate(server, zone, &file, &format!("update delete {motd}. TXT"));
    assert!(removed.status.success(), "{}", tools::shown(&removed));
    assert_eq!(texts(server, &motd), Vec::<String>::new());
}

#[test]
fn nsupdate_with_a_wrong_secret_changes_nothing() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("nsupdate", "bind9-dnsutils") {
        return;
    }
    let arena = Operator::registered(&host, "arena");
    let own = format!("{}.{}", arena.world, host.zone);
    let mut key = tsig_key(&host, &unique("key"), &["--update", &own]);
    key.secret = "d3JvbmcgYnV0IGxvbmcgZW5vdWdoIGZvciBhIGtleQ==".to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.conf");
    std::fs::write(&file, key.clause()).expect("a key file");
    let refused = nsupdate(server, &host.zone, &file, &format!("update add x.{own}. 60 TXT \"x\""));
    assert!(tools::shown(&refused).contains("BADSIG"), "{}", tools::shown(&refused));
    assert_eq!(texts(server, &format!("x.{own}")), Vec::<String>::new());
}

#[test]
fn nsupdate_changes_an_operators_names_with_the_key_that_signs_its_records() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("nsupdate", "bind9-dnsutils") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("operator.jwk");
    let arena = Operator { key: Key::create(&file).expect("a key"), world: unique("arena") };
    let _ = host.http.send(&Call::jose("/v1/worlds", arena.record(&host, 1))).expect(201);
    let other = Operator::registered(&host, "other");
    let (zone, own) = (&host.zone, format!("{}.{}", arena.world, host.zone));
    // SIG(0), RFC 2931: the world's name, and the operator's key.
    let mut command = host.shell(&["key", "nsupdate", "--name", &own]);
    let key = tools::run(command.arg(&file).arg(folder.path()));
    let key = Path::new(key.trim());

    let added = nsupdate(server, zone, key, &format!("update add motd.{own}. 60 TXT \"by its operator\""));
    assert!(added.status.success(), "{}", tools::shown(&added));
    assert_eq!(texts(server, &format!("motd.{own}")), ["TXT \"by its operator\""]);
    let others = format!("update add motd.{}.{zone}. 60 TXT \"not mine\"", other.world);
    let refused = nsupdate(server, zone, key, &others);
    assert!(tools::shown(&refused).contains("REFUSED"), "{}", tools::shown(&refused));
}
