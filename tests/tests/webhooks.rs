//! Webhooks that arrive at endpoints made with the official libraries of Standard Webhooks, for Python and for
//! JavaScript.

use serde_json::{Value, json};
use std::process::Command;
use vwp_client::key::Key;
use vwp_tests::foreign::{Place, Server};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http, Reply};
use vwp_tests::people::Operator;
use vwp_tests::{eventually, libraries, project, secrets, tools, unique};

/// An endpoint.
struct Receiver {
    server: Server,
    http: Http,
}

impl Receiver {
    fn start(command: &mut Command, place: Place) -> Self {
        command.arg(place.address.port().to_string());
        let http = Http::new(&format!("http://{}", place.address));
        let server = place.start(command, |address| {
            Http::new(&format!("http://{address}")).try_send(&Call::get("/seen")).is_ok()
        });
        Self { server, http }
    }

    /// With the library for Python; none if it cannot be had.
    fn python() -> Option<Self> {
        let (python, folder) = libraries::webhooks(&["receiver.py"])?;
        Some(Self::start(Command::new(python).arg(folder.join("receiver.py")), Place::new()))
    }

    /// With the library for JavaScript; none if it cannot be had.
    fn node() -> Option<Self> {
        let folder = libraries::node(&["receiver.mjs"])?;
        Some(Self::start(Command::new("node").arg(folder.join("receiver.mjs")), Place::new()))
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Says which secret it has and how it answers, and forgets what arrived.
    fn is_told(&self, secret: &str, status: u16) {
        let control = Call::json("/control", &json!({"secret": secret, "status": status}));
        let _ = self.http.send(&control).expect(204);
    }

    fn seen(&self) -> Vec<Value> {
        self.http.send(&Call::get("/seen")).expect(200).json().as_array().expect("a list").clone()
    }
}

/// A port that sends webhooks to one endpoint, and a world whose operator wants them.
struct Port {
    host: Host,
    operator: Operator,
    asset: String,
}

impl Port {
    fn open(receiver: &Receiver, retries: &str) -> Option<Self> {
        Self::open_for(Operator::new("shop"), receiver, retries)
    }

    /// None: the deployment is another one's.
    fn open_for(operator: Operator, receiver: &Receiver, retries: &str) -> Option<Self> {
        if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
            tools::skip(
                "webhooks",
                "the deployment is another one's, and does not send to endpoints of ours",
            );
            return None;
        }
        let hosts = format!("webhook_hosts={}", receiver.url());
        let retries = format!("webhook_retries={retries}");
        let host = Host::start_with(&["--variable", &hosts, "--variable", &retries]);
        let _ = host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 1))).expect(201);
        let asset = operator.asset("gold");
        let _ = host.http.send(&operator.asset_call(&host, "gold")).expect(201);
        Some(Self { host, operator, asset })
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let token = self.operator.token_for(&self.host, &bytes);
        let call = Call::new(method, format!("/v1/webhooks/endpoints{path}")).bearer(&token);
        self.host.http.send(&if body.is_null() { call } else { call.body("application/json", bytes) })
    }

    /// The new endpoint's id and secret.
    fn register(&self, receiver: &Receiver) -> (String, String) {
        let made = self.ask("POST", "", &json!({"url": format!("{}/hook", receiver.url())})).expect(201);
        let secret = made.text("secret");
        secrets::note(&secret);
        (made.text("endpoint_id"), secret)
    }

    /// The world is paid; the transfer's id.
    fn is_paid(&self) -> String {
        let order = json!({
            "idempotency_key": unique("pay"), "from": format!("issuance:{}", self.asset),
            "to": format!("world:{}", self.operator.world), "asset": self.asset, "amount": "5",
        });
        let paid = self.host.http.send(&self.operator.transfer_call(&self.host, order)).expect(201);
        paid.text("transfer_id")
    }

    /// What hosts without a timer are asked to do.
    fn work(&self) {
        let admin = self.host.admin_token.as_deref().expect("an own deployment's token is known");
        for path in ["/v1/schedules/run", "/v1/webhooks/run"] {
            let _ = self.host.http.send(&Call::new("POST", path).bearer(admin)).expect(200);
        }
    }

    /// What arrived about a transfer, as soon as something has.
    #[track_caller]
    fn told(&self, receiver: &Receiver, transfer: &str) -> Value {
        let mut found = None;
        eventually(&format!("the endpoint is told of the transfer {transfer}"), || {
            self.work();
            found = receiver.seen().into_iter().find(|one| one["event"]["data"]["transfer_id"] == transfer);
            found.is_some()
        });
        found.expect("it was found")
    }

    fn deliveries(&self, endpoint: &str, state: &str) -> Vec<Value> {
        let page = self.ask("GET", &format!("/{endpoint}/deliveries?state={state}&limit=100"), &Value::Null);
        page.expect(200).json()["items"].as_array().expect("a list").clone()
    }
}

fn verifies_with_the_library(receiver: &Receiver) {
    let Some(port) = Port::open(receiver, "1s") else { return };
    let (id, secret) = port.register(receiver);
    receiver.is_told(&secret, 204);
    let told = port.told(receiver, &port.is_paid());
    assert_eq!(
        (&told["event"]["type"], &told["event"]["data"]["amount"]),
        (&json!("transfer.created"), &json!("5"))
    );
    let is_verified = |told: &Value| {
        ["verifies", "changed_verifies", "moved_verifies"]
            .map(|what| told[what].as_bool().expect("true or false"))
    };
    assert_eq!(is_verified(&told), [true, false, false]);

    let rotated = port.ask("POST", &format!("/{id}/rotate"), &json!({})).expect(200);
    let new = rotated.text("secret");
    secrets::note(&new);
    // Who has the new one believes it, and who has the old one still does.
    for secret in [&new, &secret] {
        receiver.is_told(secret, 204);
        assert_eq!(is_verified(&port.told(receiver, &port.is_paid())), [true, false, false]);
    }
    receiver.is_told("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 204);
    assert_eq!(is_verified(&port.told(receiver, &port.is_paid())), [false, false, false]);
}

#[test]
fn the_library_for_python_verifies_what_arrives_and_nothing_else() {
    if let Some(receiver) = Receiver::python() {
        verifies_with_the_library(&receiver);
    }
}

#[test]
fn the_library_for_javascript_verifies_what_arrives_and_nothing_else() {
    if let Some(receiver) = Receiver::node() {
        verifies_with_the_library(&receiver);
    }
}

#[test]
fn what_is_refused_is_tried_again_given_up_and_replayed() {
    let Some(receiver) = Receiver::python() else { return };
    let Some(port) = Port::open(&receiver, "0s,0s") else { return };
    let (id, secret) = port.register(&receiver);
    receiver.is_told(&secret, 500);
    let transfer = port.is_paid();
    eventually("the delivery is given up", || {
        port.work();
        port.deliveries(&id, "dead").len() == 1
    });
    let seen = receiver.seen();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|one| one["id"] == seen[0]["id"] && one["verifies"] == true), "{seen:?}");
    let dead = &port.deliveries(&id, "dead")[0];
    assert_eq!((&dead["webhook_id"], &dead["last_attempt"]["status"]), (&seen[0]["id"], &json!(500)));

    receiver.is_told(&secret, 204);
    let replayed = port.ask("POST", &format!("/{id}/replay"), &json!({"since": 0})).expect(200);
    assert_eq!(replayed.json(), json!({"replayed": 1, "more": false}));
    assert_eq!(port.told(&receiver, &transfer)["id"], seen[0]["id"]);
    eventually("the delivery is made", || port.deliveries(&id, "delivered").len() == 1);
    assert_eq!(port.deliveries(&id, "dead").len(), 0);
}

#[test]
fn what_happened_right_before_a_host_was_killed_is_told_by_the_next_one() {
    let Some(receiver) = Receiver::python() else { return };
    // Nothing is sent again before the claim of the host that was killed has ended.
    let Some(mut port) = Port::open(&receiver, "1s,1s,1s,1s,1s") else { return };
    let (_, secret) = port.register(&receiver);
    receiver.is_told(&secret, 204);
    let mut transfers = Vec::new();
    for _ in 0..4 {
        for _ in 0..3 {
            transfers.push(port.is_paid());
        }
        port.host.kill();
        port.host = port.host.restarted();
    }
    for transfer in &transfers {
        let told = port.told(&receiver, transfer);
        assert_eq!(told["verifies"], true, "{told}");
    }
}

#[test]
fn every_command_of_the_page_about_webhooks_works_in_order() {
    if !tools::require("curl", "curl") {
        return;
    }
    let Some(receiver) = Receiver::python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("operator.jwk");
    let operator = Operator { key: Key::create(&key).expect("a key"), world: unique("shop") };
    let Some(port) = Port::open_for(operator, &receiver, "1s") else { return };
    let page = std::fs::read_to_string(project().join("docs/webhooks.md")).expect("the page");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let start = "set -euo pipefail\nvwp() { \"$VWP\" \"$@\"; }\n";
    let commands: String = std::iter::once(start).chain(blocks).collect();
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(commands).current_dir(project());
    shell.env("PORT", &port.host.url).env("FOLDER", folder.path()).env("OPERATOR", &key);
    shell.env("HOOK", format!("{}/hook", receiver.url())).env("VWP", Host::program());
    shell.env("ADMIN", port.host.admin_token.as_deref().unwrap_or_default());
    let printed = tools::run(&mut shell);
    for expected in [
        r#""secret":"whsec_"#,
        r#""type":"webhook.test""#,
        r#""state":"delivered""#,
        r#""previous_secret_until""#,
        r#"{"replayed":0,"more":false}"#,
        "STATE    TYPES",
        "enabled  payment.captured, transfer.created",
        "WEBHOOK-ID",
        "webhook.test  delivered",
        r#""events":"#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
}
