//! Payments through a wallet that speaks Open Payments: each request and each answer is held against the official
//! descriptions, and each signature is verified, with the official libraries (tests/conformance/node/open-payments.mjs).

use serde_json::{Value, json};
use std::process::Command;
use vwp_tests::foreign::{Place, Server};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http, Reply};
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::{libraries, secrets, tools, unique};

/// `test-key-ed25519` of RFC 9421, appendix B.1.4: its halves, and the public half of another key.
const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF";
const PUBLIC: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
const ANOTHER: &str = "ITRTiaHJhFDNTXXdeXmRSTvzQEctTVII-gldUR3GruM";
/// The token of the grant that the wallet's owner consented to.
const TOKEN: &str = "consented-to-once";

/// A port, and the wallet that it takes payments at.
struct Shop {
    host: Host,
    server: Server,
    asset: String,
    ada: Traveller,
}

impl Shop {
    /// Takes the public key that the wallet knows. None: the libraries cannot be had, or the deployment is another
    /// one's.
    fn open(public: &str) -> Option<Self> {
        if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
            tools::skip("open payments", "the deployment is another one's, and has no wallet of ours");
            return None;
        }
        let folder = libraries::node(&["open-payments.mjs"])?;
        let place = Place::new();
        let url = format!("http://{}", place.address);
        let known = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "port", "x": public});
        let mut command = Command::new("node");
        command.arg(folder.join("open-payments.mjs")).arg(place.address.port().to_string());
        let server = place.start(command.arg(known.to_string()), |address| {
            Http::new(&format!("http://{address}")).try_send(&Call::get("/control")).is_ok()
        });
        let operator = Operator::new("shop");
        let asset = operator.asset("eur");
        let assets = json!([{"asset": asset, "processor": "open-payments", "currency": "EUR"}]).to_string();
        let address = format!("{url}/port");
        let variables = [
            ("payment_assets", assets.as_str()),
            ("open_payments_hosts", &url),
            ("open_payments_wallet_address", &address),
            ("open_payments_key", KEY),
            ("open_payments_key_id", "port"),
            ("open_payments_access_token", TOKEN),
        ];
        [KEY, TOKEN].into_iter().for_each(secrets::note);
        let arguments: Vec<String> = variables
            .iter()
            .flat_map(|(name, value)| ["--variable".to_owned(), format!("{name}={value}")])
            .collect();
        let host = Host::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let _ = host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 1))).expect(201);
        let _ = host.http.send(&operator.asset_call(&host, "eur")).expect(201);
        let ada = Traveller::signed_in(&host);
        Some(Self { host, server, asset, ada })
    }

    /// Has people do something at the wallet, and says what it has seen.
    fn wallet(&self, task: &Value) -> Value {
        let wallet = Http::new(&format!("http://{}", self.server.address()));
        wallet.send(&Call::json("/control", task)).expect(200).json()
    }

    /// What was made at the wallet, and what marks it as a call's.
    fn made(&self, kind: &str) -> Vec<Value> {
        let things = self.wallet(&json!({}))["things"][kind].as_array().cloned().expect("a list");
        things.into_iter().filter(|thing| thing["metadata"]["vwp"].is_string()).collect()
    }

    fn address(&self, name: &str) -> String {
        format!("http://{}/{name}", self.server.address())
    }

    fn ask(&self, path: &str, body: &Value) -> Reply {
        self.host.http.send(&Call::json(path, body).bearer(&self.ada.token))
    }

    fn look(&self, path: String) -> Reply {
        self.host.http.send(&Call::get(path).bearer(&self.ada.token)).expect(200)
    }

    fn new_payment(&self) -> Value {
        json!({"idempotency_key": unique("p"), "asset": self.asset, "amount": "2500"})
    }

    /// A payment of which the payer's wallet paid so much.
    fn paid(&self, amount: u64) -> Reply {
        let payment = self.ask("/v1/payments", &self.new_payment()).expect(201);
        let _ = self.wallet(&json!({"pay": {"id": payment.text("redirect_url"), "amount": amount}}));
        self.look(format!("/v1/payments/{}", payment.text("payment_id")))
    }

    fn step(&self, payment: &Reply, what: &str, mut body: Value) -> Reply {
        body["idempotency_key"] = unique("s").into();
        self.ask(&format!("/v1/payments/{}/{what}", payment.text("payment_id")), &body)
    }

    fn new_payout(&self, amount: &str) -> Value {
        let destination = self.address("trader");
        json!({"idempotency_key": unique("o"), "asset": self.asset, "amount": amount, "destination": destination})
    }

    /// What ada has, and what the port has at the wallet, as the ledger says.
    fn balances(&self) -> (u128, u128) {
        let admin = self.host.admin_token.as_deref().expect("an own deployment's token is known");
        let clearing = balance(&self.host, "processor:open-payments", &self.asset, admin);
        (self.ada.balance(&self.host, &self.asset), clearing)
    }

    /// Everything was signed, and nothing differed from the official descriptions.
    fn require_conformance(&self) {
        let seen = self.wallet(&json!({}));
        assert_eq!((&seen["misfits"], &seen["unsigned"]), (&json!([]), &json!(0)), "{seen}");
        assert!(seen["calls"].as_u64().is_some_and(|calls| calls > 0), "{seen}");
    }
}

#[test]
fn a_wallet_pays_an_incoming_payment_and_gets_some_of_it_back() {
    let Some(shop) = Shop::open(PUBLIC) else { return };
    let payment = shop.ask("/v1/payments", &shop.new_payment()).expect(201);
    assert_eq!(payment.text("state"), "action-required");
    assert_eq!(payment.text("redirect_url"), payment.text("reference"));
    let path = format!("/v1/payments/{}", payment.text("payment_id"));
    let pay =
        |amount: u64| shop.wallet(&json!({"pay": {"id": payment.text("redirect_url"), "amount": amount}}));
    let _ = pay(1000);
    assert_eq!((shop.look(path.clone()).text("state"), shop.balances()), ("processing".to_owned(), (0, 0)));
    // Nobody knows yet whom a refund would go to.
    let known = json!({"payment_method": shop.address("payer")});
    shop.step(&payment, "confirm", json!({"payment_method": shop.address("nobody")}))
        .expect_problem(422, "payment-refused");
    assert_eq!(shop.step(&payment, "confirm", known).expect(200).text("state"), "processing");
    let _ = pay(1500);
    assert_eq!(
        (shop.look(path.clone()).text("state"), shop.balances()),
        ("captured".to_owned(), (2500, 2500))
    );

    let back = shop.step(&payment, "refund", json!({"amount": "700"})).expect(200);
    assert_eq!(back.json()["refunds"][0]["state"], "pending");
    let made = shop.made("outgoing-payments");
    assert_eq!((made.len(), &made[0]["debitAmount"]["value"]), (1, &json!("700")));
    let receiver =
        shop.made("incoming-payments").into_iter().find(|made_in| made_in["id"] == made[0]["receiver"]);
    assert_eq!(receiver.expect("what is paid")["walletAddress"], json!(shop.address("payer")));
    let _ = shop.wallet(&json!({"send": made[0]["id"]}));
    assert_eq!(shop.look(path).json()["refunds"][0]["state"], "paid");
    assert_eq!(shop.balances(), (1800, 1800));

    let other = shop.ask("/v1/payments", &shop.new_payment()).expect(201);
    assert_eq!(shop.step(&other, "cancel", json!({})).expect(200).text("state"), "cancelled");
    let unknown = shop.paid(2500);
    let refused = shop.step(&unknown, "refund", json!({"amount": "1"}));
    refused.expect_problem(422, "payment-refused");
    shop.require_conformance();
}

#[test]
fn what_was_done_before_an_answer_was_lost_is_found_and_not_done_again() {
    let Some(shop) = Shop::open(PUBLIC) else { return };
    let wanted = shop.new_payment();
    let _ = shop.wallet(&json!({"lose": "/op/incoming-payments"}));
    shop.ask("/v1/payments", &wanted).expect_problem(503, "outcome-unknown");
    let payment = shop.ask("/v1/payments", &wanted);
    assert!(payment.is_success(), "{}", payment.shown());
    assert_eq!(shop.made("incoming-payments").len(), 1);
    assert_eq!(shop.paid(2500).text("state"), "captured");

    let wanted = shop.new_payout("1000");
    let _ = shop.wallet(&json!({"lose": "/op/outgoing-payments", "fee": 3}));
    shop.ask("/v1/payouts", &wanted).expect_problem(503, "outcome-unknown");
    let payout = shop.ask("/v1/payouts", &wanted);
    assert_eq!(
        (payout.is_success(), payout.text("state")),
        (true, "pending".to_owned()),
        "{}",
        payout.shown()
    );
    let made = shop.made("outgoing-payments");
    assert_eq!(made.len(), 1);
    // The wallet takes a fee, and so what is sent is less than what the port pays.
    let _ = shop.wallet(&json!({"send": made[0]["id"], "fee": 0}));
    assert_eq!(shop.look(format!("/v1/payouts/{}", payout.text("payout_id"))).text("state"), "paid");
    assert_eq!(shop.balances(), (1500, 1500));

    // It broke off before it paid, and may be at it still; only when it cannot be, another one is made.
    let wanted = shop.new_payout("400");
    let _ = shop.wallet(&json!({"lose": "/op/quotes"}));
    for _ in 0..3 {
        shop.ask("/v1/payouts", &wanted).expect_problem(503, "outcome-unknown");
    }
    assert_eq!(shop.made("outgoing-payments").len(), 1);
    let _ = shop.wallet(&json!({"age": 600}));
    let payout = shop.ask("/v1/payouts", &wanted);
    assert!(payout.is_success(), "{}", payout.shown());
    let made = shop.made("outgoing-payments");
    assert_eq!(made.len(), 2);
    let _ = shop.wallet(&json!({"fail": made[0]["id"]}));
    assert_eq!(shop.look(format!("/v1/payouts/{}", payout.text("payout_id"))).text("state"), "failed");
    assert_eq!(shop.balances(), (1500, 1500));
    shop.require_conformance();
}

#[test]
fn the_administrator_has_everything_looked_at_and_what_wallets_cannot_do_is_refused() {
    let Some(shop) = Shop::open(PUBLIC) else { return };
    let payments = [0; 3].map(|_| shop.ask("/v1/payments", &shop.new_payment()).expect(201));
    for payment in &payments {
        let _ = shop.wallet(&json!({"pay": {"id": payment.text("redirect_url"), "amount": 2500}}));
    }
    assert_eq!(shop.balances(), (0, 0));
    let admin = shop.host.admin_token.clone().expect("an own deployment's token is known");
    let mut wanted = json!({"since": 0});
    loop {
        let replay = Call::json("/v1/payments/webhooks/open-payments/replay", &wanted).bearer(&admin);
        let told = shop.host.http.send(&replay).expect(200).json();
        match &told["next"] {
            Value::Null => break,
            next => wanted["after"] = next.clone(),
        }
    }
    assert_eq!(shop.balances(), (7500, 7500));

    let mut reserved = shop.new_payment();
    reserved["capture"] = "manual".into();
    let refused = shop.ask("/v1/payments", &reserved);
    refused.expect_problem(422, "payment-refused");
    assert!(refused.shown().contains("capture_unsupported"), "{}", refused.shown());
    let webhook =
        Call::json("/v1/payments/webhooks/open-payments", &json!({"type": "incoming_payment.completed"}));
    shop.host.http.send(&webhook).expect_problem(401, "unauthorised");
    shop.require_conformance();
}

#[test]
fn a_wallet_that_knows_another_key_makes_nothing() {
    let Some(shop) = Shop::open(ANOTHER) else { return };
    shop.ask("/v1/payments", &shop.new_payment()).expect_problem(503, "outcome-unknown");
    let seen = shop.wallet(&json!({}));
    assert_eq!((&seen["unsigned"], &seen["things"]["incoming-payments"]), (&json!(1), &json!([])), "{seen}");
}
