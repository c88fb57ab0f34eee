//! The world servers of `examples/`: what their pages show works as it stands there, and they take money
//! and believe passports by the rules that they state.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vwp_client::key::Key;
use vwp_client::presentation;
use vwp_client::sign;
use vwp_tests::application::Application;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::pages::Pages;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{build_folder, guests, project, secrets, tools, unique};

/// What entering the arena costs, and what a winner gets, as its manifest says.
const FEE: u128 = 250;
const PRIZE: u128 = 400;

/// How many duels are fought before it is no accident that all end alike.
const DUELS_MAX: usize = 64;

/// A port with the arena in it, and its operator.
struct Arena {
    host: Host,
    operator: Operator,
    /// The file of the operator's key.
    key: PathBuf,
    _application: Application,
    folder: tempfile::TempDir,
}

impl Arena {
    /// Starts with the example's manifest as it is.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("operator.jwk");
        let operator = Operator { key: Key::create(&key).expect("a key"), world: "arena".to_owned() };
        let secret = std::fs::read_to_string(&key).expect("the key's file");
        let private: Value = serde_json::from_str(&secret).expect("a JWK");
        secrets::note(private["d"].as_str().expect("a private key"));
        let manifest = include_str!("../../examples/world-rust/spin.toml");
        let manifest = manifest.replace("../../target", &project().join("target").display().to_string());
        let application = Application::start(&manifest, &[("operator_key", secret.trim())]);
        let host = Host::at(&application.url);
        Self { host, operator, key, _application: application, folder }
    }

    /// An arena that has registered itself.
    fn open() -> Self {
        let arena = Self::start();
        let opened = arena.host.http.send(&Call::new("POST", "/arena/open")).expect(201);
        assert_eq!(
            (opened.text("world"), opened.text("asset")),
            ("arena".to_owned(), "coin@arena".to_owned())
        );
        arena
    }

    /// A traveller with some of the arena's coins.
    fn guest(&self, amount: u128) -> Guest<'_> {
        let traveller = Traveller::signed_in(&self.host);
        let order = json!({
            "idempotency_key": unique("welcome"), "from": "issuance:coin@arena", "to": traveller.account(),
            "asset": "coin@arena", "amount": amount.to_string(),
        });
        let _ = self.host.http.send(&self.operator.transfer_call(&self.host, order)).expect(201);
        let proof = sign::proof_of_possession(&traveller.key, &self.host.issuer).expect("a proof");
        let order = json!({ "proof": proof, "world": self.operator.world });
        let call = Call::json("/v1/passports", &order).bearer(&traveller.token);
        let passport = self.host.http.send(&call).expect(200).text("passport");
        Guest { arena: self, traveller, passport }
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.host.http.send(&Call::json(path, body))
    }
}

/// A traveller at the arena.
struct Guest<'a> {
    arena: &'a Arena,
    traveller: Traveller,
    passport: String,
}

impl Guest<'_> {
    /// Holds an amount for somebody; gives out the hold's id.
    fn hold(&self, to: &str, amount: u128) -> String {
        let order = json!({
            "kind": "pending", "to": to, "asset": "coin@arena", "amount": amount.to_string(), "timeout_s": 600,
        });
        let call = Call::json("/v1/transfers", &order).bearer(&self.traveller.token);
        let call = call.header("idempotency-key", unique("hold"));
        self.arena.host.http.send(&call).expect(201).text("transfer_id")
    }

    /// The passport, presented to a world for a nonce.
    fn present(&self, world: &str, nonce: &str) -> String {
        presentation::present(&self.traveller.key, &self.passport, world, nonce, &[]).expect("a presentation")
    }

    fn enter(&self, hold: &str, shown: &str) -> Reply {
        self.arena.post("/arena/entries", &json!({ "hold": hold, "presentation": shown }))
    }

    fn fight(&self, hold: &str) -> Reply {
        self.arena.post("/arena/duels", &json!({ "hold": hold }))
    }

    fn balance(&self) -> u128 {
        self.traveller.balance(&self.arena.host, "coin@arena")
    }

    /// What is held of the balance.
    fn held(&self) -> String {
        let path = format!("/v1/ledger/accounts/{}/coin@arena", self.traveller.account());
        let call = Call::get(path).bearer(&self.traveller.token);
        self.arena.host.http.send(&call).expect(200).text("debits_pending")
    }
}

#[test]
fn the_arena_registers_itself_once_and_leads_on_to_other_worlds() {
    let arena = Arena::start();
    let host = &arena.host;
    host.http.send(&Call::get("/arena")).expect_problem(404, "not-found");
    let _ = host.http.send(&Call::new("POST", "/arena/open")).expect(201);
    let registered = host.http.send(&Call::get("/v1/worlds/arena")).expect(200);
    let _ = host.http.send(&Call::new("POST", "/arena/open")).expect(200);
    let again = host.http.send(&Call::get("/v1/worlds/arena")).expect(200);
    assert_eq!(registered.json(), again.json(), "a record that is good is not replaced");
    let shown = host.http.send(&Call::get("/arena")).expect(200).json();
    assert_eq!((&shown["world"]["fqdn"], &shown["fee"]["amount"]), (&json!("arena.vwp.test"), &json!("250")));

    let other = Operator::registered(host, "tavern");
    let gate = host.http.send(&Call::get(format!("/arena/gates/{}", other.world))).expect(200).json();
    assert_eq!(gate["endpoints"][0]["host"], format!("{}.example", other.world));
    host.http.send(&Call::get("/arena/gates/nowhere")).expect_problem(404, "not-found");
}

#[test]
fn an_entry_is_paid_once_and_takes_nothing_from_who_is_not_let_in() {
    let arena = Arena::open();
    let ada = arena.guest(1000);
    let hold = ada.hold("world:arena", FEE);
    let mut reasons = BTreeMap::new();
    for (what, shown) in [
        ("another nonce", ada.present("arena", "another")),
        ("another world", ada.present("elsewhere", &hold)),
        ("nothing", "nothing".to_owned()),
    ] {
        let refused = ada.enter(&hold, &shown);
        refused.expect_problem(401, "passport-refused");
        reasons.insert(what, refused.text("reason"));
    }
    assert_eq!(reasons["another nonce"], "nonce-mismatch", "{reasons:?}");
    ada.fight(&hold).expect_problem(422, "not-the-fee");
    assert_eq!((ada.balance(), ada.held().as_str()), (1000, "250"), "the fee is held, and not taken");

    let shown = ada.present("arena", &hold);
    let entered = ada.enter(&hold, &shown).expect(201);
    assert!(!entered.text("subject").is_empty() && entered.text("subject") != ada.traveller.id);
    let again = ada.enter(&hold, &shown).expect(200);
    assert_eq!(again.json(), entered.json(), "the same entry");
    assert_eq!((ada.balance(), ada.held().as_str()), (1000 - FEE, "0"));

    let cheap = ada.hold("world:arena", FEE - 1);
    ada.enter(&cheap, &ada.present("arena", &cheap)).expect_problem(422, "not-the-fee");
    let other = Operator::registered(&arena.host, "tavern");
    let elsewhere = ada.hold(&format!("world:{}", other.world), FEE);
    ada.enter(&elsewhere, &ada.present("arena", &elsewhere)).expect_problem(422, "not-the-fee");
    ada.enter("0123456789abcdef0123456789abcdef", "nothing").expect_problem(422, "not-the-fee");
}

#[test]
fn an_entry_is_one_duel_and_a_prize_is_paid_once() {
    let arena = Arena::open();
    let ada = arena.guest(FEE * 100);
    let mut outcomes = BTreeMap::new();
    let mut wealth = ada.balance();
    for _ in 0..DUELS_MAX {
        let hold = ada.hold("world:arena", FEE);
        let _ = ada.enter(&hold, &ada.present("arena", &hold)).expect(201);
        let fought = ada.fight(&hold).expect(200).json();
        assert_eq!(ada.fight(&hold).expect(200).json(), fought, "a duel is fought once");
        let won = fought["won"].as_bool().expect("won or not");
        wealth = wealth - FEE + if won { PRIZE } else { 0 };
        assert_eq!(ada.balance(), wealth);
        if won {
            assert_eq!(fought["prize"]["to"], ada.traveller.account());
        }
        outcomes.insert(won, hold);
        if outcomes.len() == 2 {
            return;
        }
    }
    panic!("all duels ended alike");
}

#[test]
fn on_spins_terms_the_arena_has_its_storage_composed_in() {
    // As its page says, with the library in place of the program.
    let target = project().join("target");
    let plugged = |name: &str| {
        let component = target.join("wasm32-wasip2/release").join(format!("vwp_{name}_component.wasm"));
        let composed = build_folder("examples").join(format!("{name}.wasm"));
        guests::plug(&component, &target.join("spin/storage-sqlite.wasm"), &composed);
        composed.display().to_string()
    };
    let manifest = include_str!("../../examples/world-rust/spin.toml");
    let (head, rest) = manifest.split_once("[[trigger.http]]").expect("the routes");
    let (_, arena) = rest.split_once("# The arena: ").expect("the arena's part");
    let mut manifest = format!("{head}# {arena}")
        .replace("[component.arena]\n", "[component.arena]\nsqlite_databases = [\"default\"]\n");
    for name in ["discovery", "transactions"] {
        let path = format!("../../target/wasm32-wasip2/release/vwp_{name}_component.wasm");
        manifest = manifest.replace(&path, &plugged(name));
    }
    let manifest = manifest.replace("../../target", &target.display().to_string());
    let key = tempfile::tempdir().expect("a folder");
    let key = key.path().join("operator.jwk");
    let _ = Key::create(&key).expect("a key");
    let secret = std::fs::read_to_string(&key).expect("the key's file");
    let application = Application::start_portable(&manifest, &[("operator_key", secret.trim())]);
    let http = &application.http;
    assert_eq!(http.send(&Call::new("POST", "/arena/open")).expect(201).text("asset"), "coin@arena");
    let _ = http.send(&Call::new("POST", "/arena/open")).expect(200);
    assert_eq!(http.send(&Call::get("/arena")).expect(200).json()["world"]["name"], "arena");
}

#[test]
fn every_command_of_the_rust_worlds_page_works_in_order_and_shows_what_it_says() {
    if !tools::require("curl", "curl") {
        return;
    }
    let arena = Arena::start();
    let page = Pages::read(&["examples/world-rust/README.md"], &[]).at(&arena.host, arena.folder.path());
    assert_eq!(arena.key, arena.folder.path().join("operator.jwk"), "the key that the page signs with");
    let printed = page.run();
    for expected in [
        r#"{"asset":"coin@arena","world":"arena"}"#,
        r#""fqdn":"arena.vwp.test""#,
        r#""paid":{"amount":"250""#,
        r#""won":"#,
        r#""asset":"coin@arena","balance":""#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
}

#[test]
fn every_command_of_the_python_worlds_page_works_in_order_and_shows_what_it_says() {
    if !tools::require("curl", "curl") || !tools::require("python3", "python3-venv") {
        return;
    }
    let page = "examples/world-python/README.md";
    let _ = build_folder("examples");
    // Says itself what is wrong where the library cannot be installed.
    Pages::read(&[&format!("{page}#Build and run")], &[]).run();
    let folder = project().join("target");
    let manifest = std::fs::read_to_string(folder.join("examples/spin.toml")).expect("the manifest");
    let manifest = manifest.replace("\"../", &format!("\"{}/", folder.display()));
    let application = Application::start(&manifest, &[("inn_nonce_secret", &unique("secret"))]);
    let (host, journey) = (Host::at(&application.url), tempfile::tempdir().expect("a folder"));
    let printed = Pages::read(&[&format!("{page}#A stay")], &[]).at(&host, journey.path()).run();
    for expected in [
        r#""world": "inn", "fqdn": "inn.vwp.test", "asset": "night@inn""#,
        r#""handle": "bea", "paid": {"transfer_id": ""#,
        r#""asset":"night@inn","balance":"700""#,
        r#""endpoints": [{"transport": "https", "host": "inn.example", "port": 443}]"#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    let paid = printed.matches(r#""paid": {"transfer_id": ""#).count();
    assert_eq!(paid, 2, "a repeat gets the same answer:\n{printed}");

    // What is not right is refused, with the reason, and by name.
    let refused = |body: &Value| host.http.send(&Call::json("/inn/stays", body));
    refused(&json!({"stay": "1"})).expect_problem(400, "bad-request");
    let stale = refused(&json!({"stay": "1", "nonce": "1.forged", "presentation": "nothing"}));
    stale.expect_problem(401, "passport-refused");
    assert_eq!(stale.text("reason"), "nonce-stale");
    host.http.send(&Call::get("/inn/roads/nowhere")).expect_problem(404, "not-found");
    host.http.send(&Call::get("/inn/cellar")).expect_problem(404, "not-found");
}

#[test]
fn every_command_for_integrators_works_and_shows_what_it_says() {
    let printed = Pages::read(&["docs/integrators.md"], &[])
        .with("target/release/vwp", &Host::program().display().to_string())
        .run();
    let (_, arena) = printed.split_once("component arena\n").expect("the arena is listed");
    let (arena, _) = arena.split_once("\n  satisfied\n").expect("the arena has all that it imports");
    for line in
        ["writes space discovery/", "imports vwp:storage/kv@0.1.0", "imports vwp:storage/replicated@0.1.0"]
    {
        assert!(arena.contains(line), "{line} is not said of the arena:\n{arena}");
    }
    assert!(!arena.contains("component "), "the arena is satisfied, and not the next one:\n{arena}");
}
