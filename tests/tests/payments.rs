//! Payments through a server that speaks Stripe's API, which this project did not write, and with Stripe's own
//! library on the other side.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_tests::foreign::{Place, Server};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http, Reply};
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::{eventually, libraries, project, secrets, tools, unique};

const KEY: &str = "sk_test_of_the_port";
const SECRET: &str = "whsec_of_the_port_and_the_processor";
const GOOD: &str = "4242424242424242";
/// One of which the processor takes the number, and from which it gets no money.
const DECLINED: &str = "4000000000000341";

/// A port, and the processor that it takes payments at.
struct Shop {
    host: Host,
    server: Server,
    python: PathBuf,
    folder: PathBuf,
    operator: Operator,
    asset: String,
    ada: Traveller,
}

impl Shop {
    /// None: the libraries cannot be had, or the deployment is another one's.
    fn open() -> Option<Self> {
        if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
            tools::skip("payments", "the deployment is another one's, and has no processor of ours");
            return None;
        }
        let (python, folder) = libraries::payments(&["client.py", "server.py"])?;
        let place = Place::new();
        let url = format!("http://{}", place.address);
        let mut command = Command::new(&python);
        command.arg(folder.join("server.py")).arg(place.address.port().to_string());
        let server = place.start(&mut command, |address| {
            Http::new(&format!("http://{address}")).try_send(&Call::get("/js.stripe.com/v3/")).is_ok()
        });
        let operator = Operator::new("shop");
        let asset = operator.asset("eur");
        let assets = json!([{"asset": asset, "processor": "stripe", "currency": "EUR"}]).to_string();
        let variables = [
            ("payment_assets", assets.as_str()),
            ("stripe_url", &url),
            ("stripe_key", KEY),
            ("stripe_webhook_secret", SECRET),
        ];
        [KEY, SECRET].into_iter().for_each(secrets::note);
        let arguments: Vec<String> = variables
            .iter()
            .flat_map(|(name, value)| ["--variable".to_owned(), format!("{name}={value}")])
            .collect();
        let host = Host::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let _ = host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 1))).expect(201);
        let _ = host.http.send(&operator.asset_call(&host, "eur")).expect(201);
        let ada = Traveller::signed_in(&host);
        Some(Self { host, server, python, folder, operator, asset, ada })
    }

    /// Has the processor send webhooks to the port.
    fn subscribe(&self) {
        let url = format!("{}/v1/payments/webhooks/stripe", self.host.url);
        let processor = Http::new(&self.url());
        let webhook = json!({"url": url, "secret": SECRET});
        let _ = processor.send(&Call::json("/_config/webhooks/port", &webhook)).expect(200);
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Does something at the processor with the official library.
    fn client(&self, mut task: Value) -> Value {
        task["url"] = self.url().into();
        let mut command = Command::new(&self.python);
        libraries::answer(command.arg("client.py").current_dir(&self.folder), &task)
    }

    fn card(&self, number: &str) -> String {
        self.client(json!({"do": "card", "number": number}))["id"].as_str().expect("an id").to_owned()
    }

    fn at_processor(&self, payment: &Reply) -> Value {
        self.client(json!({"do": "payment", "reference": payment.text("reference")}))
    }

    /// What ada asks for.
    fn ask(&self, path: &str, body: &Value) -> Reply {
        self.host.http.send(&Call::json(path, body).bearer(&self.ada.token))
    }

    fn pay(&self, more: &Value) -> Reply {
        let mut body = json!({"idempotency_key": unique("p"), "asset": self.asset, "amount": "2500"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask("/v1/payments", &body).expect(201)
    }

    fn step(&self, payment: &Reply, what: &str, mut body: Value) -> Reply {
        if body["idempotency_key"].is_null() {
            body["idempotency_key"] = unique("s").into();
        }
        self.ask(&format!("/v1/payments/{}/{what}", payment.text("payment_id")), &body)
    }

    /// What the operator asks for about a payment.
    fn operate(&self, payment: &Reply, what: &str, body: &Value) -> Reply {
        let call = Call::json(format!("/v1/payments/{}/{what}", payment.text("payment_id")), body);
        self.host.http.send(&call.bearer(&self.operator.token_for(&self.host, body.to_string().as_bytes())))
    }

    fn balance(&self) -> u128 {
        self.ada.balance(&self.host, &self.asset)
    }

    /// What the port has at the processor, as the ledger says.
    fn clearing(&self) -> u128 {
        let admin = self.host.admin_token.as_deref().expect("an own deployment's token is known");
        balance(&self.host, "processor:stripe", &self.asset, admin)
    }
}

#[test]
fn a_card_pays_once_a_declined_one_does_not_and_what_was_taken_goes_back() {
    let Some(shop) = Shop::open() else { return };
    let payment = shop.pay(&json!({}));
    assert_eq!(payment.text("state"), "open");
    let declined = json!({"payment_method": shop.card(DECLINED)});
    let refused = shop.step(&payment, "confirm", declined);
    refused.expect_problem(422, "payment-refused");
    assert_eq!(shop.balance(), 0);

    let payment = shop.pay(&json!({}));
    let confirm = json!({"idempotency_key": "c", "payment_method": shop.card(GOOD)});
    let paid = shop.step(&payment, "confirm", confirm.clone()).expect(200);
    assert_eq!((paid.text("state"), paid.text("captured")), ("captured".to_owned(), "2500".to_owned()));
    assert_eq!(shop.step(&payment, "confirm", confirm).expect(200).json(), paid.json());
    assert_eq!((shop.balance(), shop.clearing()), (2500, 2500));
    let id = paid.text("payment_id");
    let theirs = shop.at_processor(&paid);
    assert_eq!(
        (&theirs["amount"], &theirs["currency"], &theirs["status"]),
        (&json!(2500), &json!("eur"), &json!("succeeded"))
    );
    assert_eq!(theirs["metadata"], json!({"vwp": format!("{id}-0")}));

    shop.step(&payment, "refund", json!({"amount": "2501"})).expect_problem(422, "exceeds-origin");
    let back = shop.step(&payment, "refund", json!({"idempotency_key": "r", "amount": "700"})).expect(200);
    assert_eq!(back.json()["refunds"][0]["state"], "paid");
    let again = shop.step(&payment, "refund", json!({"idempotency_key": "r", "amount": "700"})).expect(200);
    assert_eq!(again.json(), back.json());
    assert_eq!(shop.at_processor(&paid)["refunds"], json!([[700, format!("{id}-2")]]));
    assert_eq!((shop.balance(), shop.clearing()), (1800, 1800));
}

#[test]
fn an_operator_captures_a_part_of_what_was_authorised_for_its_world() {
    let Some(shop) = Shop::open() else { return };
    let world = format!("world:{}", shop.operator.world);
    let payment = shop.pay(&json!({"payee": world, "capture": "manual"}));
    let reserved = shop.step(&payment, "confirm", json!({"payment_method": shop.card(GOOD)})).expect(200);
    assert_eq!(reserved.text("state"), "authorised");
    let part = json!({"idempotency_key": "t", "amount": "2000"});
    shop.step(&payment, "capture", part.clone()).expect_problem(403, "forbidden");
    let taken = shop.operate(&payment, "capture", &part).expect(200);
    assert_eq!(taken.text("captured"), "2000");
    let shown = shop.operator.token(&shop.host);
    assert_eq!((balance(&shop.host, &world, &shop.asset, &shown), shop.clearing()), (2000, 2000));

    let other = shop.pay(&json!({"payee": world, "capture": "manual"}));
    let cancelled = shop.step(&other, "cancel", json!({})).expect(200);
    assert_eq!(cancelled.text("state"), "cancelled");
    assert_eq!(shop.at_processor(&cancelled)["status"], "canceled");
}

#[test]
fn a_payout_is_held_until_a_webhook_says_what_became_of_it() {
    let Some(shop) = Shop::open() else { return };
    shop.subscribe();
    let payment = shop.pay(&json!({}));
    let _ = shop.step(&payment, "confirm", json!({"payment_method": shop.card(GOOD)})).expect(200);
    let ask = |amount: &str| {
        let body = json!({"idempotency_key": unique("o"), "asset": shop.asset, "amount": amount, "destination": "ba_1"});
        shop.ask("/v1/payouts", &body)
    };
    ask("2501").expect_problem(422, "insufficient-funds");
    let payouts = ["1000", "500"].map(|amount| ask(amount).expect(201));
    let held = || {
        let path = format!("/v1/ledger/accounts/{}/{}", shop.ada.account(), shop.asset);
        shop.host.http.send(&Call::get(path).bearer(&shop.ada.token)).expect(200).text("debits_pending")
    };
    assert_eq!((shop.balance(), held().as_str()), (2500, "1500"));
    for (payout, (status, state)) in payouts.iter().zip([("paid", "paid"), ("failed", "failed")]) {
        assert_eq!(payout.text("state"), "pending");
        let reference = payout.text("reference");
        let _ = shop.client(json!({"do": "arrive", "reference": reference, "status": status}));
        let seen = Call::get(format!("/v1/payouts/{}", payout.text("payout_id"))).bearer(&shop.ada.token);
        eventually(&format!("the payout is {state}"), || {
            shop.host.http.send(&seen).expect(200).text("state") == state
        });
    }
    assert_eq!((shop.balance(), held().as_str(), shop.clearing()), (1500, "0", 1500));
}

#[test]
fn the_same_event_thrice_or_forged_or_late_settles_a_payment_once() {
    let Some(shop) = Shop::open() else { return };
    let payment = shop.pay(&json!({}));
    let _ = shop.step(&payment, "confirm", json!({"payment_method": shop.card(GOOD)})).expect(200);
    let signed = |now: u64, secret: &str| {
        let reference = payment.text("reference");
        let events =
            shop.client(json!({"do": "events", "reference": reference, "now": now, "secret": secret}));
        events.as_array().expect("a list").first().cloned().expect("an event")
    };
    let tell = |event: &Value| {
        let call = Call::new("POST", "/v1/payments/webhooks/stripe")
            .body("application/json", event["body"].as_str().expect("a body"))
            .header("stripe-signature", event["signature"].as_str().expect("a signature"));
        shop.host.http.send(&call)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let genuine = signed(now, SECRET);
    for _ in 0..3 {
        let _ = tell(&genuine).expect(204);
    }
    assert_eq!((shop.balance(), shop.clearing()), (2500, 2500));
    tell(&signed(now, "whsec_of_somebody_else")).expect_problem(401, "unauthorised");
    tell(&signed(now - 600, SECRET)).expect_problem(401, "unauthorised");
    let mut changed = genuine.clone();
    changed["body"] = genuine["body"].as_str().map(|body| body.replace("2500", "9500")).into();
    tell(&changed).expect_problem(401, "unauthorised");
    // All that ever happened, told again by the administrator's wish.
    let replay = Call::json("/v1/payments/webhooks/stripe/replay", &json!({"since": 0}));
    let admin = shop.host.admin_token.clone().expect("an own deployment's token is known");
    let told = shop.host.http.send(&replay.bearer(&admin)).expect(200).json();
    assert!(told["events"].as_u64().is_some_and(|events| events > 0), "{told}");
    assert_eq!((shop.balance(), shop.clearing()), (2500, 2500));
}

#[test]
fn every_command_of_the_page_about_payments_works_in_order() {
    if !tools::require("curl", "curl") {
        return;
    }
    let Some(shop) = Shop::open() else { return };
    let page = std::fs::read_to_string(project().join("docs/payments.md")).expect("the page");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: String = std::iter::once("set -euo pipefail\n").chain(blocks).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(commands).current_dir(project());
    shell.env("PORT", &shop.host.url).env("TOKEN", &shop.ada.token).env("ASSET", &shop.asset);
    shell.env("CARD", shop.card(GOOD)).env("ACCOUNT", shop.ada.account()).env("FOLDER", folder.path());
    shell.env("ADMIN", shop.host.admin_token.as_deref().unwrap_or_default());
    let printed = tools::run(&mut shell);
    for expected in [
        r#""state":"open""#,
        r#""state":"captured""#,
        r#""balance":"2500""#,
        r#""refunded":"500""#,
        r#""amount":"1000","state":"pending""#,
        r#""items":[{"payment_id""#,
        r#"{"events":"#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
}
