//! A zone in a file: what others check, and what comes back in.

use super::{administer, shared};
use vwp_tests::dns::{Transport, answers, dig};
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::signed::require_valid;
use vwp_tests::{tools, unique};

#[test]
fn an_exported_zone_is_complete_and_correctly_signed_for_every_checker() {
    let Some((host, _)) = shared() else { return };
    let worlds: Vec<Operator> = (0..20).map(|_| Operator::registered(&host, "arena")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("zone");
    administer(&host, &["zone", "export", &file.display().to_string()]);
    let text = std::fs::read_to_string(&file).expect("the export");
    for operator in &worlds {
        assert!(text.contains(&format!("_vw.{}.", operator.world)), "{} is missing", operator.world);
    }
    require_valid(&host.zone, &file);
}

#[test]
fn an_imported_master_file_is_served_and_what_belongs_to_others_is_left_alone() {
    let Some((host, server)) = shared() else { return };
    let arena = Operator::registered(&host, "arena");
    let (name, zone) = (unique("www"), &host.zone);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("zone");
    let text = format!(
        "$ORIGIN {zone}.\n$TTL 60\n{name} A 192.0.2.7\n{name} TYPE65400 \\# 3 010203\n\
         {} A 192.0.2.8\n",
        arena.world
    );
    std::fs::write(&file, text).expect("a master file");
    let imported = tools::output(&mut host.shell(&["zone", "import", &file.display().to_string()]));
    // One of the names is an operator's, and the command says so.
    assert_eq!(imported.status.code(), Some(1), "{}", tools::shown(&imported));
    assert!(
        tools::shown(&imported).contains(&format!("refused {}", arena.world)),
        "{}",
        tools::shown(&imported)
    );
    let ask = |rtype: &str, name: &str| answers(&dig(server, Transport::Udp, rtype, name));
    assert_eq!(ask("A", &format!("{name}.{zone}")), ["A 192.0.2.7"]);
    // A type that nobody knows survives (RFC 3597, section 5).
    assert_eq!(ask("TYPE65400", &format!("{name}.{zone}")), ["TYPE65400 \\# 3 010203"]);
    assert_eq!(ask("A", &format!("{}.{zone}", arena.world)), Vec::<String>::new());
    let _ = host.http.send(&Call::get(format!("/v1/worlds/{}", arena.world))).expect(200);
}
