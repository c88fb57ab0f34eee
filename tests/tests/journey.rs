//! The main job as one journey: worlds are imported and registered, found over DNS and
//! HTTP, a traveller gets a passport that a world believes, money moves exactly once, and
//! all of it survives a power cut.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use vwp_client::presentation;
use vwp_discovery::minecraft_networks;
use vwp_tests::dns::{self, Transport, answers, dig};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller, balance, sign_in};
use vwp_tests::{project, tools, unique};
use vwp_verifier::keys::KeySet;

#[test]
fn a_traveller_finds_a_world_is_believed_there_and_pays_once_whatever_happens() {
    let host = Host::start();
    import_real_networks(&host);
    let arena = an_operator_registers_a_world_and_forgeries_are_refused(&host);
    the_world_is_found_at_once(&host, &arena);
    let ada = a_traveller_is_believed(&host);
    let (asset, paid) = money_moves_once(&host, &arena, &ada);
    a_power_cut_changes_nothing(host, &arena, &ada, &asset, &paid);
}

/// The lists to import: the one that this project ships, and a larger one if it is there.
fn lists() -> Vec<PathBuf> {
    let named = std::env::var_os("VWP_NETWORKS_FILE").map(PathBuf::from);
    let larger = named.unwrap_or_else(|| project().join("../shared/data/minecraft-networks.json"));
    let mut lists = vec![project().join("tests/fixtures/minecraft-networks.json")];
    lists.extend(Some(larger).filter(|path| path.exists()));
    lists
}

fn import_real_networks(host: &Host) {
    let keys = tempfile::tempdir().unwrap();
    for list in lists() {
        let entries = minecraft_networks::parse(&std::fs::read(&list).unwrap()).unwrap();
        let names: Vec<String> = entries.iter().flatten().map(|draft| draft.name.to_string()).collect();
        let is_there = |name: &String| host.http.send(&Call::get(format!("/v1/worlds/{name}"))).status == 200;
        let updated = names.iter().filter(|name| is_there(name)).count();
        let registered = names.len() - updated;
        let left_out = entries.len() - names.len();
        let summary = import(host, &list, keys.path());
        let expected = format!("registered {registered}, updated {updated}, refused 0, left out {left_out}");
        assert!(summary.starts_with(&expected), "expected {expected}, the import said: {summary}");
        assert!(names.iter().all(is_there), "a world of {} is not found", list.display());
        // What was stopped can be repeated: the same operators replace their records.
        let again = import(host, &list, keys.path());
        assert!(again.starts_with(&format!("registered 0, updated {}", names.len())), "{again}");
    }
}

fn import(host: &Host, list: &Path, keys: &Path) -> String {
    let mut command = Command::new(Host::program());
    command.args(["world", "import", "--format", "minecraft-networks", "--url", &host.url, "--keys-dir"]);
    tools::run(command.arg(keys).arg(list))
}

fn an_operator_registers_a_world_and_forgeries_are_refused(host: &Host) -> Operator {
    let arena = Operator::new("arena");
    let send = |record: String| host.http.send(&Call::jose("/v1/worlds", record));
    let record = arena.record(host, 1);

    let (signed, signature) = record.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let mut changed = arena.claims(1);
    changed["title"] = json!({"en": "Somebody else's"});
    let other = arena.record_of(host, changed);
    let changed = other.split('.').nth(1).unwrap();
    send(format!("{header}.{changed}.{signature}")).expect_problem(401, "bad-signature");

    let mut expired = arena.claims(1);
    expired["exp"] = 1.into();
    send(arena.record_of(host, expired)).expect_problem(400, "record-expired");

    let registered = send(record.clone()).expect(201);
    assert_eq!(registered.text("name"), arena.world);
    assert_eq!(registered.text("fqdn"), format!("{}.{}", arena.world, host.zone));
    assert_eq!(registered.text("operator"), arena.key.id());
    send(record).expect_problem(409, "record-replayed");
    arena
}

fn the_world_is_found_at_once(host: &Host, arena: &Operator) {
    let shown = host.http.send(&Call::get(format!("/v1/worlds/{}", arena.world))).expect(200);
    assert_eq!(shown.json()["title"], arena.claims(1)["title"]);
    let found = host.http.send(&Call::get(format!("/v1/worlds?q={}", arena.world))).expect(200);
    let names: Vec<Value> =
        found.json()["worlds"].as_array().unwrap().iter().map(|world| world["name"].clone()).collect();
    assert_eq!(names, [json!(arena.world)]);

    let Some(server) = host.dns_for("DNS") else { return };
    if !dns::has_dig() {
        return;
    }
    let (world, zone) = (&arena.world, &host.zone);
    for transport in [Transport::Udp, Transport::Tcp] {
        let ask = |rtype: &str, name: String| {
            let printed = dig(server, transport, rtype, &name);
            assert!(printed.contains("status: NOERROR"), "{printed}");
            assert!(printed.contains("flags: qr aa"), "the answer is not authoritative: {printed}");
            answers(&printed)
        };
        let svcb = ask("SVCB", format!("_vw.{world}.{zone}")).join("\n");
        assert!(svcb.contains(&format!("1 {world}.example. port=25565")), "{svcb}");
        assert!(svcb.contains("2 web.example. alpn=\"h2,http/1.1\" port=443"), "{svcb}");
        let srv = ask("SRV", format!("_minecraft._tcp.{world}.{zone}"));
        assert_eq!(srv, [format!("SRV 1 0 25565 {world}.example.")]);
        assert_eq!(ask("SRV", format!("_vw._tcp.{world}.{zone}")).len(), 2);
        let txt = ask("TXT", format!("_vw.{world}.{zone}")).join("\n");
        assert!(txt.contains("\"v=vw1\"") && txt.contains(&arena.key.id()), "{txt}");
        let missing = dig(server, transport, "SVCB", &format!("_vw.{}.{zone}", unique("nobody")));
        assert!(missing.contains("status: NXDOMAIN") && missing.contains("SOA"), "{missing}");
    }
}

fn a_traveller_is_believed(host: &Host) -> Traveller {
    let ada = Traveller::signed_in(host);
    let passport = ada.passport(host);
    let (world, nonce) = ("https://world-b.example", unique("nonce"));
    let shown = presentation::present(&ada.key, &passport, world, &nonce, &["handle"]).unwrap();

    let ask = json!({"presentation": shown, "audience": world, "nonce": nonce});
    let believed = host.http.send(&Call::json("/v1/passports/verify", &ask)).expect(200).json();
    assert_eq!(believed["handle"], ada.handle.as_str());
    assert_eq!(believed.get("traveller"), None, "what was not revealed stays unknown");
    let other = json!({"presentation": shown, "audience": world, "nonce": "another"});
    host.http.send(&Call::json("/v1/passports/verify", &other)).expect_problem(422, "nonce-mismatch");

    let published = host.http.send(&Call::get("/.well-known/jwks.json")).expect(200);
    let keys = KeySet::from_json(&String::from_utf8(published.body.clone()).unwrap()).unwrap();
    let offline = presentation::verify(&shown, &keys, &host.issuer, world, &nonce).unwrap();
    assert_eq!(offline.handle.as_deref(), Some(ada.handle.as_str()));
    assert_eq!(offline.holder, ada.key.id());

    // The same from a shell, with the keys in a file and no network.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("jwks.json"), &published.body).unwrap();
    std::fs::write(folder.path().join("presentation"), &shown).unwrap();
    let mut command = Command::new(Host::program());
    command.args(["verify", "--jwks", "jwks.json", "--issuer", &host.issuer, "--audience", world]);
    let printed = tools::run(command.args(["--nonce", &nonce, "presentation"]).current_dir(folder.path()));
    assert!(printed.contains(&ada.handle), "{printed}");
    ada
}

/// Gives out the asset, and the key and the receipt of the payment.
fn money_moves_once(host: &Host, arena: &Operator, ada: &Traveller) -> (String, (String, Value)) {
    let shop = Operator::registered(host, "shop");
    let to = format!("world:{}", shop.world);
    let asset = arena.issue(host, "gold", &ada.account(), "1000");
    assert_eq!(ada.balance(host, &asset), 1000);

    let too_much = ada.transfer_call(&unique("k"), &to, &asset, "1001");
    host.http.send(&too_much).expect_problem(422, "insufficient-funds");

    let key = unique("payment");
    let payment = ada.transfer_call(&key, &to, &asset, "250");
    let barrier = Barrier::new(100);
    let replies: Vec<_> = std::thread::scope(|scope| {
        let send = || {
            barrier.wait();
            host.http.send(&payment)
        };
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    let repeated = replies.iter().filter(|reply| reply.status == 200).count();
    let odd = replies.iter().find(|reply| !matches!(reply.status, 200 | 201)).map(Reply::shown);
    assert_eq!((made, repeated), (1, 99), "one made, the others repeated; one of them: {odd:?}");
    let receipt = replies[0].json();
    assert!(replies.iter().all(|reply| reply.json() == receipt), "every answer is the same receipt");
    assert!(receipt["position"].as_u64().is_some_and(|position| position > 0), "{receipt}");
    assert_eq!(receipt["amount"], "250");

    assert_eq!(ada.balance(host, &asset), 750);
    assert_eq!(balance(host, &to, &asset, &shop.token(host)), 250);
    let other = ada.transfer_call(&key, &to, &asset, "251");
    host.http.send(&other).expect_problem(422, "idempotency-key-reused");
    (asset, (key, receipt))
}

fn a_power_cut_changes_nothing(
    host: Host,
    arena: &Operator,
    ada: &Traveller,
    asset: &str,
    (key, receipt): &(String, Value),
) {
    if !host.is_own() {
        return tools::skip("the power cut", "the deployment of VWP_URL is not the test's to end");
    }
    let mut host = host.restarted();
    let _ = host.http.send(&Call::get(format!("/v1/worlds/{}", arena.world))).expect(200);
    let _ = sign_in(&host, &ada.handle, &ada.password).expect(200);
    assert_eq!(ada.balance(&host, asset), 750);
    let path = format!("/v1/transfers/{}", receipt["transfer_id"].as_str().unwrap());
    assert_eq!(host.http.send(&Call::get(path).bearer(&ada.token)).expect(200).json(), *receipt);
    let to = receipt["to"].as_str().unwrap();
    let repeated = host.http.send(&ada.transfer_call(key, to, asset, "250")).expect(200);
    assert_eq!(repeated.json(), *receipt, "the key is remembered");
    assert_eq!(ada.balance(&host, asset), 750);
    let status = host.stop().expect("the host ends when it is asked to");
    assert!(status.success(), "the host ended with {status}");
}
