//! The middleware of `examples/passport-check`, composed as its README says with the verifier and
//! with a handler that knows nothing of the port: who presents a passport for the world is let
//! through and named to the handler, and nobody else is.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use vwp_client::key::Key;
use vwp_client::presentation;
use vwp_client::sign;
use vwp_core::jose;
use vwp_tests::application::Application;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::pages::Pages;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{guests, project, tools};

/// The manifest that the README shows.
const README: &str = include_str!("../../examples/passport-check/README.md");

/// The middleware with the verifier and the foreign handler inside.
fn checked() -> &'static Path {
    static CHECKED: OnceLock<PathBuf> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let handler = guests::build("typed").join("vwp_foreign_guest.wasm");
        let built = |name: &str| project().join("target/wasm32-wasip2/release").join(name);
        let [check, checked] = ["passport-check.wasm", "passport-checked.wasm"]
            .map(|name| project().join("target/guests").join(name));
        guests::plug(&built("vwp_passport_check.wasm"), &built("vwp_verifier_component.wasm"), &check);
        guests::plug(&check, &handler, &checked);
        checked
    })
}

/// The world's own host, which serves the foreign handler behind the middleware.
struct World(Application);

impl World {
    /// Starts with the README's manifest.
    fn start(issuer: &str, name: &str, keys: &str) -> Self {
        let (_, manifest) = README.split_once("```toml\n").expect("the README shows a manifest");
        let (manifest, _) = manifest.split_once("```").expect("the manifest ends");
        let manifest = manifest.replace("checked.wasm", &checked().display().to_string());
        let variables = [("passport_issuer", issuer), ("passport_world", name), ("passport_keys", keys)];
        Self(Application::start(&manifest, &variables))
    }

    /// The nonce that somebody is given who has none.
    #[track_caller]
    fn nonce(&self) -> String {
        let reply = self.0.http.send(&Call::get("/"));
        reply.expect_problem(401, "passport-refused");
        assert_eq!(reply.text("reason"), "passport-missing");
        let nonce = reply.text("nonce");
        assert_eq!(reply.header("www-authenticate"), format!("Passport nonce=\"{nonce}\""));
        nonce
    }

    /// Sends a request with a presentation.
    fn show(&self, call: Call, shown: &str, nonce: &str) -> Reply {
        let call = call.header("authorization", format!("Passport {shown}"));
        self.0.http.send(&call.header("passport-nonce", nonce))
    }

    /// Requires that a presentation is refused for a reason, and gives the next nonce.
    #[track_caller]
    fn refuses(&self, shown: &str, nonce: &str, reason: &str) {
        let reply = self.show(Call::get("/"), shown, nonce);
        reply.expect_problem(401, "passport-refused");
        assert_eq!(reply.text("reason"), reason, "{}", reply.shown());
    }
}

/// The port that issues, a world that is registered there, and its own host.
struct Stage {
    port: Arc<Host>,
    operator: Operator,
    world: World,
}

impl Stage {
    fn set() -> Self {
        let port = Host::shared();
        let operator = Operator::registered(&port, "arena");
        let keys = port.http.send(&Call::get("/.well-known/jwks.json")).expect(200).json().to_string();
        let world = World::start(&port.issuer, &operator.world, &keys);
        Self { port, operator, world }
    }

    /// A copy of a traveller's passport for one world.
    #[track_caller]
    fn copy(&self, traveller: &Traveller, world: &str) -> String {
        let proof = sign::proof_of_possession(&traveller.key, &self.port.issuer).expect("a proof");
        let order = json!({ "proof": proof, "world": world });
        let call = Call::json("/v1/passports", &order).bearer(&traveller.token);
        self.port.http.send(&call).expect(200).text("passport")
    }

    /// A presentation to the world with nothing disclosed.
    fn present(&self, traveller: &Traveller, passport: &str, nonce: &str) -> String {
        self.reveal(traveller, passport, nonce, &[])
    }

    /// A presentation to the world that discloses some claims.
    fn reveal(&self, traveller: &Traveller, passport: &str, nonce: &str, claims: &[&str]) -> String {
        presentation::present(&traveller.key, passport, &self.operator.world, nonce, claims)
            .expect("a presentation")
    }
}

/// The values of each header that the handler got.
fn headers(seen: &Value) -> BTreeMap<String, Vec<String>> {
    serde_json::from_value(seen["headers"].clone()).expect("lists of texts")
}

/// The claims that the handler was told.
#[track_caller]
fn claims(headers: &BTreeMap<String, Vec<String>>) -> Value {
    let [told] = headers["passport-claims"].as_slice() else { panic!("claims, once: {headers:?}") };
    serde_json::from_slice(&jose::decode(told).expect("base64url")).expect("JSON")
}

#[test]
fn the_commands_of_the_page_show_a_passport_to_the_world() {
    if !tools::require("curl", "curl") {
        return;
    }
    let stage = Stage::set();
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::create(&folder.path().join("traveller.jwk")).expect("a key");
    let ada = Traveller { key, ..Traveller::signed_in(&stage.port) };
    let copy = stage.copy(&ada, &stage.operator.world);
    std::fs::write(folder.path().join("passport.txt"), copy).expect("a file");
    let page = Pages::read(&["examples/passport-check/README.md"], &[]).at(&stage.port, folder.path());
    let page =
        page.inside(folder.path()).with("--audience arena", &format!("--audience {}", stage.operator.world));
    let page = page.variable("WORLD", &stage.world.0.url).variable("NONCE", &stage.world.nonce());
    let seen: Value = serde_json::from_str(&page.run()).expect("what the handler answers");
    assert!(headers(&seen).contains_key("passport-subject"), "{seen}");
}

#[test]
fn a_handler_is_told_what_the_traveller_discloses_and_nothing_else() {
    let stage = Stage::set();
    let ada = Traveller::signed_in(&stage.port);
    let copy = stage.copy(&ada, &stage.operator.world);
    let nonce = stage.world.nonce();
    let shown = [stage.present(&ada, &copy, &nonce), stage.reveal(&ada, &copy, &nonce, &["handle"])];
    let [hidden, disclosed] = shown.map(|shown| {
        let seen = stage.world.show(Call::get("/"), &shown, &nonce).expect(200).json();
        claims(&headers(&seen))
    });
    assert_eq!(hidden.get("handle"), None, "{hidden}");
    assert_eq!(disclosed["handle"], ada.handle.as_str());
    assert_eq!(disclosed["iss"], stage.port.issuer.as_str());
    // Neither is of use to a handler, and both would tell copies of one traveller apart.
    assert_eq!((disclosed.get("cnf"), disclosed.get("status")), (None, None), "{disclosed}");
}

#[test]
fn a_traveller_is_let_through_and_named_to_a_handler_that_knows_no_passports() {
    let stage = Stage::set();
    let (ada, grace) = (Traveller::signed_in(&stage.port), Traveller::signed_in(&stage.port));
    let mut subjects = Vec::new();
    for traveller in [&ada, &grace, &ada] {
        let nonce = stage.world.nonce();
        let shown = stage.present(traveller, &stage.copy(traveller, &stage.operator.world), &nonce);
        let call = Call::new("POST", "/duels?of=today")
            .body("text/plain", "on the hill")
            .header("passport-subject", "somebody-else")
            .header("Passport_Subject", "somebody-else")
            .header("passport-presentation", "forged")
            .header("passport-claims", "forged");
        let seen = stage.world.show(call, &shown, &nonce).expect(200).json();
        assert_eq!(
            (&seen["method"], &seen["path"], &seen["content"]),
            (&json!("POST"), &json!("/duels?of=today"), &json!("on the hill"))
        );
        let headers = headers(&seen);
        assert_eq!(headers["content-type"], ["text/plain"]);
        assert_eq!(headers["passport-subject"].len(), 1, "{seen}");
        assert_eq!(headers["passport-presentation"].len(), 1, "{seen}");
        assert_ne!(headers["passport-presentation"], ["forged"]);
        for gone in ["authorization", "passport-nonce", "passport_subject"] {
            assert!(!headers.contains_key(gone), "the handler got `{gone}`: {seen}");
        }
        assert_eq!(claims(&headers)["sub"], headers["passport-subject"][0].as_str());
        subjects.extend(headers["passport-subject"].clone());
    }
    // The same at every visit, another for everybody else, and not what the port calls them.
    assert_eq!(subjects[0], subjects[2]);
    assert_ne!(subjects[0], subjects[1]);
    assert!(subjects.iter().all(|subject| *subject != ada.id && *subject != grace.id));
}

#[test]
fn whoever_presents_no_passport_for_this_world_and_nonce_is_refused() {
    let stage = Stage::set();
    let world = &stage.world;
    let (ada, mallory) = (Traveller::signed_in(&stage.port), Traveller::signed_in(&stage.port));
    let copy = stage.copy(&ada, &stage.operator.world);
    let nonce = world.nonce();
    let shown = stage.present(&ada, &copy, &nonce);

    let of_mine = stage.present(&ada, &copy, "a-nonce-of-my-own");
    world.refuses(&of_mine, "a-nonce-of-my-own", "nonce-stale");
    world.refuses(&of_mine, &nonce, "nonce-mismatch");
    world.refuses(&shown, "", "nonce-stale");
    world.refuses(&copy, &nonce, "key-binding-missing");
    let stolen = presentation::present(&mallory.key, &copy, &stage.operator.world, &nonce, &[]);
    world.refuses(&stolen.expect("a presentation"), &nonce, "key-binding-signature");
    let elsewhere = presentation::present(&ada.key, &copy, "elsewhere", &nonce, &[]);
    world.refuses(&elsewhere.expect("a presentation"), &nonce, "audience-mismatch");
    let other = Operator::registered(&stage.port, "other");
    let for_other = stage.present(&ada, &stage.copy(&ada, &other.world), &nonce);
    world.refuses(&for_other, &nonce, "passport-audience");
    let for_any = stage.present(&ada, &ada.passport(&stage.port), &nonce);
    world.refuses(&for_any, &nonce, "passport-not-pairwise");
    world.refuses("no-passport", &nonce, "presentation-malformed");

    // None of it has spoilt the nonce.
    let seen = world.show(Call::get("/"), &shown, &nonce).expect(200).json();
    assert_eq!(headers(&seen)["passport-subject"].len(), 1);
}

#[test]
fn a_port_whose_keys_are_not_set_is_not_believed() {
    let stage = Stage::set();
    let ada = Traveller::signed_in(&stage.port);
    let world = World::start(&stage.port.issuer, &stage.operator.world, r#"{"keys":[]}"#);
    let nonce = world.nonce();
    let shown = stage.present(&ada, &stage.copy(&ada, &stage.operator.world), &nonce);
    let reply = world.show(Call::get("/"), &shown, &nonce);
    reply.expect_problem(401, "passport-refused");
}
