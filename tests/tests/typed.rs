//! What an integrator relies on who takes the components without their HTTP: a handler
//! that imports their typed interfaces is composed with them by its manifest alone, gets
//! typed results and typed errors, and shares one state with whoever speaks HTTP.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use vwp_client::key::Key;
use vwp_client::presentation;
use vwp_client::sign::{self, Statement};
use vwp_tests::application::Application;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::{application, guests, project, tools, unique};

/// The settings that every application needs, as the port's own manifest has them.
const APPLICATION: &str = r#"
spin_manifest_version = 2
[application]
name = "integrator"
[application.tool.vwp]
machines = { ledger = "ledger" }
generated_secrets = { master_key = 32, admin_token = 32 }
served_url_variable = "issuer"
[variables]
zone = { default = "vwp.test" }
issuer = { default = "http://127.0.0.1:3000" }
master_key = { required = true, secret = true }
admin_token = { required = true, secret = true }
[component.ledger]
source = "BUILT/vwp_ledger_component.wasm"
"#;

/// The integrator's handler with all that it may use, the same handler with nothing at
/// all, and the port's own HTTP for passports.
const COMPONENTS: &str = r#"
[[trigger.http]]
route = "/granted/..."
component = "granted"
[[trigger.http]]
route = "/ungranted/..."
component = "ungranted"
[[trigger.http]]
route = "/..."
component = "auth"
[component.granted]
source = "GUESTS/vwp_typed_guest.wasm"
variables = { VARIABLES }
[component.granted.tool.vwp]
write_spaces = ["discovery", "directory", "auth", "transactions"]
machines = ["ledger"]
[component.granted.dependencies]
"vwp:discovery/registry" = { path = "BUILT/vwp_discovery_component.wasm", inherit_configuration = true }
"vwp:auth/accounts" = { path = "COMPOSED/auth.wasm", inherit_configuration = true }
"vwp:auth/verifier" = { path = "COMPOSED/auth.wasm", inherit_configuration = true }
"vwp:transactions/ledger" = { path = "BUILT/vwp_transactions_component.wasm", inherit_configuration = true }
"vwp:transactions/escrows" = { path = "BUILT/vwp_transactions_component.wasm", inherit_configuration = true }
[component.ungranted]
source = "GUESTS/vwp_typed_guest.wasm"
dependencies_inherit_configuration = true
[component.ungranted.dependencies]
"vwp:discovery/registry@0.1.0" = { path = "BUILT/vwp_discovery_component.wasm" }
"vwp:auth/accounts@0.1.0" = { path = "COMPOSED/auth.wasm" }
"vwp:auth/verifier@0.1.0" = { path = "COMPOSED/auth.wasm" }
"vwp:transactions/ledger@0.1.0" = { path = "BUILT/vwp_transactions_component.wasm" }
"vwp:transactions/escrows@0.1.0" = { path = "BUILT/vwp_transactions_component.wasm" }
[component.auth]
source = "COMPOSED/auth.wasm"
variables = { VARIABLES }
[component.auth.tool.vwp]
write_spaces = ["auth", "directory"]
"#;

/// The variables of a component that keeps state.
const VARIABLES: &str = r#"zone = "{{ zone }}", issuer = "{{ issuer }}", master_key = "{{ master_key }}", admin_token = "{{ admin_token }}""#;

/// A handler of WASI 0.2 alone.
const WASI_02: &str = r#"
spin_manifest_version = 2
[application]
name = "wasi02"
[[trigger.http]]
route = "/..."
component = "guest"
[component.guest]
source = "GUESTS/vwp_wasi02_guest.wasm"
"#;

/// A manifest with the paths of the binaries; the guests are built when this is first asked.
fn manifest(text: &str) -> String {
    static GUESTS: OnceLock<PathBuf> = OnceLock::new();
    let guests = GUESTS.get_or_init(|| guests::build("typed"));
    let built = project().join("target/wasm32-wasip2/release");
    text.replace("{ VARIABLES }", &format!("{{ {VARIABLES} }}"))
        .replace("GUESTS", &guests.display().to_string())
        .replace("COMPOSED", &project().join("target/composed").display().to_string())
        .replace("BUILT", &built.display().to_string())
}

/// An application, and what its handlers do.
struct Handlers(Application);

impl Handlers {
    /// Calls a function of an interface through one of the handlers: what it gives, or its
    /// error.
    #[track_caller]
    fn call(&self, handler: &str, function: &str, arguments: &Value) -> Result<Value, Value> {
        let reply = self.0.http.send(&Call::json(format!("/{handler}/{function}"), arguments)).expect(200);
        let mut answer = reply.json();
        let mut take = |member: &str| answer.get_mut(member).map(Value::take);
        match (take("Ok"), take("Err")) {
            (Some(given), None) => Ok(given),
            (None, Some(error)) => Err(error),
            _ => panic!("{function} answered neither way: {}", reply.shown()),
        }
    }

    /// Calls through the handler that has all grants.
    #[track_caller]
    fn typed(&self, function: &str, arguments: &Value) -> Result<Value, Value> {
        self.call("granted", function, arguments)
    }

    /// A statement of an operator to this application.
    fn signed(&self, operator: &Operator, typ: &str, claims: Value) -> String {
        Statement::new(typ, &self.0.url, claims).sign(&operator.key)
    }

    /// What an operator asserts of this JSON to this application.
    fn asserted(&self, operator: &Operator, body: &Value) -> Value {
        let body = body.to_string();
        let assertion = sign::operator_token(&operator.key, None, &self.0.url, Some(body.as_bytes()));
        json!({ "assertion": assertion, "body": body })
    }

    /// The signed record of an operator's world.
    fn record(&self, operator: &Operator, seq: u64) -> String {
        let statement = Statement::new("vwp-world+jws", &self.0.url, operator.claims(seq));
        let valid = Some(Duration::from_hours(1));
        Statement { introduce: true, valid, ..statement }.sign(&operator.key)
    }
}

#[test]
fn an_integrator_composes_the_components_by_their_typed_interfaces() {
    let whole = manifest(&format!("{APPLICATION}{COMPONENTS}"));
    let application = Handlers(Application::start(&whole, &[]));
    let arena = a_world_is_registered_once_and_found(&application);
    let (ada, token) = a_traveller_signs_up_and_in(&application);
    a_passport_is_verified_without_storage_and_settings(&application, &ada, &token);
    money_moves_once(&application, &arena, &ada, &token);
    many_transfers_are_made_at_once_and_listed(&application, &arena, &ada, &token);
    an_escrow_is_decided_by_all_who_may(&application, &arena, &ada, &token);
}

fn a_world_is_registered_once_and_found(application: &Handlers) -> Operator {
    let arena = Operator::new("arena");
    let record = application.record(&arena, 1);
    let made = application.typed("registry/register", &json!([record])).expect("the world is registered");
    assert_eq!(made["name"], arena.world.as_str());
    assert_eq!(made["fqdn"], format!("{}.vwp.test", arena.world));
    assert_eq!((&made["operator"], &made["is_new"]), (&json!(arena.key.id()), &json!(true)));

    let found = application.typed("registry/lookup", &json!([arena.world])).expect("an answer");
    let title = json!([{"language": "en", "text": arena.claims(1)["title"]["en"]}]);
    assert_eq!((&found["title"], &found["signed"]), (&title, &json!(record)));
    assert_eq!(found["endpoints"].as_array().map(Vec::len), Some(2), "{found}");
    let nobody = application.typed("registry/lookup", &json!([unique("nobody")]));
    assert_eq!(nobody, Ok(Value::Null), "no world is an answer, not an error");
    let page = application.typed("registry/search", &json!([arena.world, null, null])).expect("a page");
    assert_eq!((&page["worlds"][0], &page["worlds"][1]), (&found, &Value::Null));

    let replayed = application.typed("registry/register", &json!([record])).expect_err("a replay");
    assert_eq!(replayed["Refused"]["reason"], "record-replayed", "{replayed}");
    let other = Operator { world: arena.world.clone(), ..Operator::new("thief") };
    let taken = application.typed("registry/register", &json!([application.record(&other, 2)]));
    assert_eq!(taken.expect_err("a name that is taken")["Refused"]["reason"], "name-taken");
    arena
}

/// Gives out the traveller's id and access token.
fn a_traveller_signs_up_and_in(application: &Handlers) -> (String, String) {
    let credentials = json!([{ "handle": unique("ada"), "password": unique("password") }]);
    let ada = application.typed("accounts/sign-up", &credentials).expect("the traveller signs up");
    assert_eq!(ada["handle"], credentials[0]["handle"]);
    let again = application.typed("accounts/sign-up", &credentials);
    assert_eq!(again, Err(json!("HandleTaken")));

    let wrong = json!([{ "handle": ada["handle"], "password": "not the password" }]);
    let refused = application.typed("accounts/sign-in", &wrong).expect_err("a wrong password");
    assert!(refused.get("Unauthorised").is_some(), "{refused}");
    let session = application.typed("accounts/sign-in", &credentials).expect("the traveller signs in");
    assert_eq!(session["traveller"], ada["id"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&ada["id"]), text(&session["access_token"]))
}

fn a_passport_is_verified_without_storage_and_settings(application: &Handlers, ada: &str, token: &str) {
    // The session was opened by a typed call; the port's HTTP knows it, for the state is one.
    let key = Key::generate().expect("a key");
    let proof = sign::proof_of_possession(&key, &application.0.url).expect("a proof");
    let ask = Call::json("/v1/passports", &json!({ "proof": proof })).bearer(token);
    let passport = application.0.http.send(&ask).expect(200).text("passport");
    let keys = application.0.http.send(&Call::get("/.well-known/jwks.json")).expect(200).json().to_string();
    let (world, nonce) = ("https://world-b.example", unique("nonce"));
    let shown =
        presentation::present(&key, &passport, world, &nonce, &["traveller"]).expect("a presentation");

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    let now = u64::try_from(now.as_millis()).expect("a time before the year 584,556,019");
    let verify = |nonce: &str, keys: &str| {
        let expectation =
            json!({ "issuer": application.0.url, "audience": world, "nonce": nonce, "now": now });
        application.call("ungranted", "verifier/verify", &json!([shown, keys, expectation]))
    };
    let believed = verify(&nonce, &keys).expect("the presentation is believed");
    assert_eq!((&believed["traveller"], &believed["holder"]), (&json!(ada), &json!(key.id())));
    assert_eq!(believed["handle"], Value::Null, "what was not disclosed stays unknown");
    let refused = verify("another", &keys).expect_err("another nonce");
    assert_eq!(refused["reason"], "nonce-mismatch", "{refused}");
    verify(&nonce, r#"{"keys":[]}"#).expect_err("without the issuer's key nothing is believed");

    // The handler that verified has indeed nothing: what needs a store fails there.
    let lookup = application.call("ungranted", "registry/lookup", &json!(["anything"]));
    assert_eq!(lookup, Err(json!("Internal")));
}

fn money_moves_once(application: &Handlers, arena: &Operator, ada: &str, token: &str) {
    let (asset, account) = (arena.asset("gold"), format!("traveller:{ada}"));
    let definition = json!({ "asset": asset, "scale": 2, "title": "Test money" });
    let definition = json!([application.signed(arena, "vwp-asset+jws", definition)]);
    let created = application.typed("ledger/create-asset", &definition).expect("the asset is created");
    assert_eq!((&created[0]["name"], &created[1]), (&json!(asset), &json!("Created")));
    let again = application.typed("ledger/create-asset", &definition).expect("the same asset");
    assert_eq!((&again[0], &again[1]), (&created[0], &json!("Repeated")));

    let order = json!({
        "idempotency_key": unique("issue"), "from": format!("issuance:{asset}"),
        "to": account, "asset": asset, "amount": "1000",
    });
    let order = json!([{ "Operator": application.signed(arena, "vwp-transfer+jws", order) }]);
    let issued = application.typed("ledger/transfer", &order).expect("the operator issues money");
    assert_eq!((&issued[0]["to"], &issued[1]), (&json!(account), &json!("Created")));

    let pay = |key: &str, amount: &str| {
        let to = format!("world:{}", arena.world);
        let order =
            json!({ "kind": "Plain", "to": to, "asset": asset, "amount": amount, "memo": "entrance" });
        let credential = json!({ "Token": token });
        let keyed = json!({ "credential": credential, "idempotency_key": key, "order": order });
        application.typed("ledger/transfer", &json!([{ "Traveller": keyed }]))
    };
    let key = unique("payment");
    let paid = pay(&key, "250").expect("the traveller pays");
    assert_eq!((&paid[0]["amount"], &paid[1]), (&json!("250"), &json!("Created")));
    let repeated = pay(&key, "250").expect("a repeat is harmless");
    assert_eq!((&repeated[0], &repeated[1]), (&paid[0], &json!("Repeated")));
    assert_eq!(pay(&key, "251"), Err(json!("IdempotencyKeyReused")));
    assert_eq!(pay(&unique("payment"), "751"), Err(json!("InsufficientFunds")));

    let balance =
        |credential: Value| application.typed("ledger/get-account", &json!([credential, account, asset]));
    assert_eq!(balance(json!({ "Token": token })).expect("the account")["balance"], "750");
    let stranger = balance(json!("None")).expect_err("an account is its owner's");
    assert!(stranger.get("Unauthorised").is_some(), "{stranger}");
}

/// Goes on where [`money_moves_once`] ends: the traveller has 750 of 1,000.
fn many_transfers_are_made_at_once_and_listed(
    application: &Handlers,
    arena: &Operator,
    ada: &str,
    token: &str,
) {
    let (asset, account) = (arena.asset("gold"), format!("traveller:{ada}"));
    let (credential, till) = (json!({ "Token": token }), format!("world:{}", arena.world));
    let pay = |amount: &str, linked: bool| {
        let order = json!({ "kind": "Plain", "to": till, "asset": asset, "amount": amount, "code": 7 });
        json!({ "idempotency_key": unique("bulk"), "order": order, "linked": linked })
    };
    let transfers = [pay("100", false), pay("50", true), pay("10000", false)];
    let bulk = json!([{ "Traveller": { "credential": credential, "transfers": transfers } }]);
    let made = application.typed("ledger/transfer-bulk", &bulk).expect("each has an outcome");
    let first = &made[0]["Created"];
    assert_eq!((&first["amount"], &first["novelty"]), (&json!("100"), &json!("Created")), "{made}");
    assert_eq!(made[1]["Refused"]["error"], "LinkedFailed", "{made}");
    assert_eq!(made[2]["Refused"]["error"], "InsufficientFunds", "{made}");
    let again = application.typed("ledger/transfer-bulk", &bulk).expect("a repeat is harmless");
    assert_eq!(again[0]["Created"]["novelty"], "Repeated", "{again}");
    assert_eq!(again[0]["Created"]["transfer_id"], first["transfer_id"]);

    let order = json!({
        "idempotency_key": unique("prize"), "from": till, "to": account, "asset": asset, "amount": "5",
    });
    let prizes = application.asserted(arena, &json!({ "transfers": [order] }));
    let paid = application.typed("ledger/transfer-bulk", &json!([{ "Operator": prizes }]));
    assert_eq!(paid.expect("the operator pays")[0]["Created"]["amount"], "5");
    let other = json!([{ "Operator": { "assertion": prizes["assertion"], "body": "{}" } }]);
    let refused = application.typed("ledger/transfer-bulk", &other).expect_err("another body");
    assert!(refused.get("Unauthorised").is_some(), "{refused}");

    let list = |credential: &Value, page: Value| {
        application.typed("ledger/list-transfers", &json!([credential, account, asset, page]))
    };
    let amounts = |page: &Value| -> Vec<(Value, Value)> {
        let entries = page["transfers"].as_array().expect("the page has transfers").iter();
        entries.map(|entry| (entry["side"].clone(), entry["amount"].clone())).collect()
    };
    let sided = |side: &str, amount: &str| (json!(side), json!(amount));
    let page = list(&credential, json!({ "order": "NewestFirst", "limit": 2 })).expect("a page");
    assert_eq!(amounts(&page), [sided("Credit", "5"), sided("Debit", "100")], "{page}");
    let next = json!({ "order": "NewestFirst", "limit": 2, "start": page["next"] });
    let page = list(&credential, next).expect("the next page");
    assert_eq!(amounts(&page), [sided("Debit", "250"), sided("Credit", "1000")], "{page}");
    let page = list(&credential, json!({ "order": "OldestFirst", "code": 7 })).expect("those with a code");
    assert_eq!(amounts(&page), [sided("Debit", "100")], "{page}");
    let stranger = list(&json!("None"), json!({ "order": "NewestFirst" })).expect_err("it is its owner's");
    assert!(stranger.get("Unauthorised").is_some(), "{stranger}");
}

/// The traveller pays the world for three things: one it releases, one the world gives back, and about the
/// last one an approver decides, who has nothing but a key.
fn an_escrow_is_decided_by_all_who_may(application: &Handlers, arena: &Operator, ada: &str, token: &str) {
    let (asset, account) = (arena.asset("gold"), format!("traveller:{ada}"));
    let (credential, approver) = (json!({ "Token": token }), Key::generate().expect("a key"));
    let jwk = serde_json::to_string(&approver.jwk()).expect("a key is JSON");
    let terms = json!({
        "payee": format!("world:{}", arena.world), "asset": asset, "milestones": ["1", "2", "4"],
        "timeout_s": 3600, "approvers": [{ "Key": jwk }], "approvals": 1, "memo": "Three floors",
    });
    let keyed = json!({ "credential": credential, "idempotency_key": unique("escrow"), "terms": terms });
    let instruction = json!([{ "Traveller": keyed }]);
    let created = application.typed("escrows/create", &instruction).expect("the escrow is funded");
    let (escrow, id) = (&created[0], &created[0]["escrow_id"]);
    assert_eq!((&escrow["state"], &escrow["amount"]), (&json!("Funded"), &json!("7")), "{created}");
    assert_eq!((&escrow["terms"]["payer"], &created[1]), (&json!(account), &json!("Created")), "{created}");
    let again = application.typed("escrows/create", &instruction).expect("a repeat is harmless");
    assert_eq!((&again[0], &again[1]), (escrow, &json!("Repeated")));
    let operators = json!({ "Token": sign::operator_token(&arena.key, None, &application.0.url, None) });
    assert_eq!(application.typed("escrows/get", &json!([operators, id])).as_ref(), Ok(escrow));

    let states = |escrow: &Value| -> Vec<Value> {
        let milestones = escrow["milestones"].as_array().expect("the escrow has milestones").iter();
        milestones.map(|milestone| milestone["state"].clone()).collect()
    };
    let own = json!({ "Traveller": { "credential": credential, "milestone": 1 } });
    let released = application.typed("escrows/release", &json!([own, id])).expect("the payer releases");
    assert_eq!(states(&released), ["Released", "Funded", "Funded"]);
    let theirs = json!({ "Operator": application.asserted(arena, &json!({ "milestone": 2 })) });
    let refused = application.typed("escrows/release", &json!([theirs, id])).expect_err("it is the payer's");
    assert!(refused.get("Forbidden").is_some(), "{refused}");
    let refunded = application.typed("escrows/refund", &json!([theirs, id])).expect("the payee gives back");
    assert_eq!(states(&refunded), ["Released", "Refunded", "Funded"]);

    let refused = application.typed("escrows/dispute", &json!([operators, id])).expect_err("no body's");
    assert!(refused.get("Unauthorised").is_some(), "{refused}");
    let objection = json!({ "Token": application.asserted(arena, &json!({}))["assertion"] });
    let disputed = application.typed("escrows/dispute", &json!([objection, id])).expect("a dispute");
    assert_eq!(states(&disputed), ["Released", "Refunded", "Disputed"]);
    let vote = json!({ "escrow": id, "decision": "refund", "milestone": 3 });
    let vote = Statement::new("vwp-escrow-vote+jws", &application.0.url, vote).sign(&approver);
    let decided = application.typed("escrows/refund", &json!([{ "Approver": vote }, id]));
    let decided = decided.expect("the approver decides");
    assert_eq!(states(&decided), ["Released", "Refunded", "Refunded"]);

    let late = application.typed("escrows/dispute", &json!([credential, id])).expect_err("nothing waits");
    assert!(late.get("EscrowSettled").is_some(), "{late}");
    let other = json!([credential, "0123456789abcdef0123456789abcdef"]);
    assert_eq!(application.typed("escrows/get", &other), Err(json!("UnknownEscrow")));
}

/// What `vwp check` says of a manifest that it refuses.
#[track_caller]
fn refused(text: &str) -> String {
    let folder = application::folder(&manifest(text));
    let output = tools::output(Command::new(Host::program()).args(["check", "-f"]).arg(folder.path()));
    assert!(!output.status.success(), "the manifest was accepted: {}", tools::shown(&output));
    tools::shown(&output)
}

#[test]
fn a_dependency_that_needs_what_it_does_not_inherit_is_refused_by_name() {
    let whole = format!("{APPLICATION}{COMPONENTS}");
    let all = r#"vwp_discovery_component.wasm", inherit_configuration = true"#;
    assert!(whole.contains(all), "the manifest says what the dependency inherits");
    for (inherit, import, kind) in [
        ("", "wasi:http/client@0.3.0", "allowed_outbound_hosts"),
        (r#""allowed_outbound_hosts", "variables""#, "vwp:storage/kv@0.1.0", "key_value_stores"),
        (r#""allowed_outbound_hosts", "key_value_stores""#, "spin:variables/variables@3.0.0", "variables"),
    ] {
        let inherited = format!(r#"vwp_discovery_component.wasm", inherit_configuration = [{inherit}]"#);
        let shown = refused(&whole.replace(all, &inherited));
        let says = |text: &str| assert!(shown.contains(text), "{inherit} says no {text}: {shown}");
        says("component `granted`");
        says("vwp_discovery_component.wasm");
        says(&format!("`{import}`"));
        says(&format!("`{kind}`"));
    }
}

#[test]
fn an_import_that_no_dependency_satisfies_is_named() {
    let whole = format!("{APPLICATION}{COMPONENTS}");
    let is_other = |line: &&str| !line.starts_with("\"vwp:transactions/ledger\"");
    let lines: Vec<&str> = whole.lines().filter(is_other).collect();
    let shown = refused(&lines.join("\n"));
    let granted = shown.split("component granted").nth(1).expect("the handler is in the list");
    let granted = granted.split("\ncomponent ").next().unwrap_or_default();
    assert!(
        granted.contains("NOT SATISFIED") && granted.contains("vwp:transactions/ledger@0.1.0"),
        "{shown}"
    );
}

#[test]
fn a_handler_of_wasi_0_2_is_served_as_well() {
    let application = Application::start(&manifest(WASI_02), &[]);
    let call = Call::new("POST", "/some/path?a=b").body("text/plain", "and a body");
    let reply = application.http.send(&call).expect(200);
    assert_eq!(String::from_utf8_lossy(&reply.body), "POST /some/path?a=b and a body");
}
