//! Escrow over HTTP: between a traveller and a world, and between the operators of two worlds.
#![allow(clippy::similar_names, reason = "payer and payee are what they are called")]

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_client::key::Key;
use vwp_client::sign::Statement;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::{eventually, tools, unique};

/// Somebody who asks for something about an escrow.
enum Who<'a> {
    Traveller(&'a Traveller),
    Operator(&'a Operator),
}

fn send(host: &Host, who: &Who<'_>, path: &str, body: &Value) -> Reply {
    let call = Call::json(path, body);
    host.http.send(&match who {
        Who::Traveller(traveller) => call.bearer(&traveller.token),
        Who::Operator(operator) => call.bearer(&operator.token_for(host, body.to_string().as_bytes())),
    })
}

fn act(host: &Host, who: &Who<'_>, id: &str, what: &str, body: &Value) -> Reply {
    send(host, who, &format!("/v1/escrows/{id}/{what}"), body)
}

fn states(escrow: &Reply) -> Vec<String> {
    let escrow = escrow.json();
    let milestones = escrow["milestones"].as_array().expect("milestones");
    milestones.iter().map(|milestone| milestone["state"].as_str().unwrap().to_owned()).collect()
}

/// The kinds of money that a history has, oldest first: the codes of its transfers.
fn codes(host: &Host, owner: &str, asset: &str, token: &str) -> Vec<u64> {
    let path = format!("/v1/ledger/accounts/{owner}/{asset}/transfers?order=oldest-first");
    let history = host.http.send(&Call::get(path).bearer(token)).expect(200).json();
    let transfers = history["transfers"].as_array().unwrap();
    transfers.iter().filter_map(|transfer| transfer["code"].as_u64()).collect()
}

#[test]
fn a_traveller_pays_a_world_milestone_by_milestone_and_a_stranger_sees_nothing() {
    let host = Host::shared();
    let (shop, ada, eve) =
        (Operator::registered(&host, "shop"), Traveller::signed_in(&host), Traveller::signed_in(&host));
    let asset = shop.issue(&host, "gold", &ada.account(), "1000");
    let world = format!("world:{}", shop.world);
    let terms = json!({"idempotency_key": unique("e"), "payee": world, "asset": asset,
                       "milestones": ["400", "500"], "timeout_s": 3600, "memo": "Two floors of a tower"});
    let (payer, payee) = (Who::Traveller(&ada), Who::Operator(&shop));
    let made = send(&host, &payer, "/v1/escrows", &terms).expect(201);
    let id = made.text("escrow_id");
    assert_eq!(send(&host, &payer, "/v1/escrows", &terms).expect(200).text("escrow_id"), id);
    assert_eq!(ada.balance(&host, &asset), 100);
    let seen = Call::get(format!("/v1/escrows/{id}"));
    host.http.send(&seen.clone().bearer(&eve.token)).expect_problem(403, "forbidden");
    host.http.send(&seen.clone()).expect_problem(401, "unauthorised");
    assert_eq!(host.http.send(&seen.bearer(&shop.token(&host))).expect(200).json(), made.json());

    act(&host, &payee, &id, "release", &json!({"milestone": 1})).expect_problem(403, "forbidden");
    let released = act(&host, &payer, &id, "release", &json!({"milestone": 1})).expect(200);
    assert_eq!(states(&released), ["released", "funded"]);
    assert_eq!(balance(&host, &world, &asset, &shop.token(&host)), 400);
    let refunded = act(&host, &payee, &id, "refund", &json!({})).expect(200);
    assert_eq!(states(&refunded), ["released", "refunded"]);
    act(&host, &payer, &id, "release", &json!({"milestone": 2})).expect_problem(409, "escrow-settled");
    assert_eq!(ada.balance(&host, &asset), 600);
    assert_eq!(codes(&host, &ada.account(), &asset, &ada.token), [65001, 65003]);

    // The release has a receipt that proves itself, as every transfer has.
    let transfer = released.json()["milestones"][0]["transfer_id"].as_str().unwrap().to_owned();
    let receipt = Call::get(format!("/v1/transfers/{transfer}/receipt")).bearer(&shop.token(&host));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("receipt");
    std::fs::write(&file, host.http.send(&receipt).expect(200).body).expect("a file");
    let keys = format!("{}/v1/ledger/vkeys", host.url);
    tools::run(host.shell(&["receipt", "verify", "--vkeys", &keys]).arg(&file));
}

#[test]
fn two_operators_leave_a_dispute_to_an_arbiter() {
    let host = Host::shared();
    let (inn, mine) = (Operator::registered(&host, "inn"), Operator::registered(&host, "mine"));
    let eve = Traveller::signed_in(&host);
    let (payer, payee) = (format!("world:{}", inn.world), format!("world:{}", mine.world));
    let asset = inn.issue(&host, "gold", &payer, "90");
    let terms = json!({"idempotency_key": unique("e"), "payer": payer, "payee": payee, "asset": asset,
                       "milestones": ["30", "30", "30"], "timeout_s": 3600, "arbiter": eve.account()});
    let (from, to, arbiter) = (Who::Operator(&inn), Who::Operator(&mine), Who::Traveller(&eve));
    send(&host, &to, "/v1/escrows", &terms).expect_problem(403, "forbidden");
    let id = send(&host, &from, "/v1/escrows", &terms).expect(201).text("escrow_id");
    act(&host, &arbiter, &id, "release", &json!({})).expect_problem(403, "forbidden");
    let _ = act(&host, &from, &id, "release", &json!({"milestone": 1})).expect(200);
    let disputed = act(&host, &to, &id, "dispute", &json!({})).expect(200);
    assert_eq!(states(&disputed), ["released", "disputed", "disputed"]);
    let _ = act(&host, &arbiter, &id, "release", &json!({"milestone": 2})).expect(200);
    let decided = act(&host, &arbiter, &id, "refund", &json!({"milestone": 3})).expect(200);
    assert_eq!(states(&decided), ["released", "released", "refunded"]);
    assert_eq!(balance(&host, &payer, &asset, &inn.token(&host)), 30);
    assert_eq!(balance(&host, &payee, &asset, &mine.token(&host)), 60);
    assert_eq!(codes(&host, &payee, &asset, &mine.token(&host)), [65002, 65002]);
    assert_eq!(codes(&host, &payer, &asset, &inn.token(&host)), [65001, 65003]);
}

#[test]
fn two_of_three_approve_one_of_them_with_a_key_of_its_own() {
    let host = Host::shared();
    let (inn, court) = (Operator::registered(&host, "inn"), Operator::registered(&host, "court"));
    let (ada, eve) = (Traveller::signed_in(&host), Traveller::signed_in(&host));
    let asset = inn.issue(&host, "gold", &ada.account(), "50");
    let key = Key::generate().expect("a key");
    let approvers = json!([{"key": key.jwk()}, {"owner": format!("world:{}", court.world)},
                           {"owner": eve.account()}]);
    let terms = json!({"idempotency_key": unique("e"), "payee": format!("world:{}", inn.world), "asset": asset,
                       "milestones": ["50"], "timeout_s": 3600, "approvers": approvers, "approvals": 2});
    let id = send(&host, &Who::Traveller(&ada), "/v1/escrows", &terms).expect(201).text("escrow_id");
    let claims = json!({"escrow": id, "decision": "release", "milestone": 1});
    let vote = Statement::new("vwp-escrow-vote+jws", &host.issuer, claims).sign(&key);
    let path = format!("/v1/escrows/{id}/release");
    let voted = host.http.send(&Call::jose(&path, &vote)).expect(200);
    assert_eq!(voted.json()["milestones"][0]["votes"], json!({"release": 1, "refund": 0}));
    // The same vote again is the same vote.
    assert_eq!(states(&host.http.send(&Call::jose(&path, &vote)).expect(200)), ["funded"]);
    let released = act(&host, &Who::Operator(&court), &id, "release", &json!({"milestone": 1})).expect(200);
    assert_eq!(states(&released), ["released"]);
    assert_eq!(balance(&host, &format!("world:{}", inn.world), &asset, &inn.token(&host)), 50);
}

#[test]
fn what_nobody_releases_is_the_payers_again_when_its_time_is_over() {
    let host = Host::shared();
    let shop = Operator::registered(&host, "shop");
    let ada = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "70");
    let terms = json!({"idempotency_key": unique("e"), "payee": format!("world:{}", shop.world), "asset": asset,
                       "milestones": ["30", "40"], "timeout_s": 1});
    let id = send(&host, &Who::Traveller(&ada), "/v1/escrows", &terms).expect(201).text("escrow_id");
    let seen = Call::get(format!("/v1/escrows/{id}")).bearer(&ada.token);
    eventually("the escrow expires", || host.http.send(&seen).expect(200).text("state") == "expired");
    assert_eq!(ada.balance(&host, &asset), 70);
    let late = act(&host, &Who::Traveller(&ada), &id, "release", &json!({"milestone": 1}));
    late.expect_problem(409, "escrow-settled");
}

/// One side of an exchange between two ports: who pays there, and whom.
struct Side<'a> {
    host: &'a Host,
    payer: &'a Operator,
    payee: &'a Operator,
    asset: &'a str,
}

impl Side<'_> {
    /// The payer's promise: whoever shows what the condition is of is paid, in time.
    fn promise(&self, condition: &str, amount: &str, timeout_s: u64) -> String {
        let terms = json!({"idempotency_key": unique("e"), "payer": format!("world:{}", self.payer.world),
                           "payee": format!("world:{}", self.payee.world), "asset": self.asset,
                           "milestones": [amount], "timeout_s": timeout_s, "condition": condition});
        send(self.host, &Who::Operator(self.payer), "/v1/escrows", &terms).expect(201).text("escrow_id")
    }

    fn claim(&self, id: &str, preimage: &str) -> Reply {
        act(self.host, &Who::Operator(self.payee), id, "release", &json!({"preimage": preimage}))
    }

    /// What a party of the escrow sees of it.
    fn seen(&self, operator: &Operator, id: &str) -> Reply {
        let seen = Call::get(format!("/v1/escrows/{id}")).bearer(&operator.token(self.host));
        self.host.http.send(&seen).expect(200)
    }

    /// What the payer and the payee have.
    fn have(&self) -> (u128, u128) {
        let of = |operator: &Operator| {
            let path = format!("/v1/ledger/accounts/world:{}/{}", operator.world, self.asset);
            let account = self.host.http.send(&Call::get(path).bearer(&operator.token(self.host)));
            // Who was never paid has no account.
            if account.status == 404 { 0 } else { account.text("balance").parse().expect("a number") }
        };
        (of(self.payer), of(self.payee))
    }
}

#[test]
fn two_operators_exchange_money_of_two_ports_that_do_not_know_each_other() {
    let (silver_port, gold_port) = (Host::start_own(), Host::start_own());
    // The same two people have a world at either port.
    let of = |host: &Host, name: &str| Operator::registered(host, name);
    let (inn, mine) = (of(&silver_port, "inn"), of(&silver_port, "mine"));
    let (inn_abroad, mine_abroad) = (of(&gold_port, "inn"), of(&gold_port, "mine"));
    let silver = inn.issue(&silver_port, "silver", &format!("world:{}", inn.world), "900");
    let gold = mine_abroad.issue(&gold_port, "gold", &format!("world:{}", mine_abroad.world), "90");
    let there = Side { host: &silver_port, payer: &inn, payee: &mine, asset: &silver };
    let back = Side { host: &gold_port, payer: &mine_abroad, payee: &inn_abroad, asset: &gold };

    // The inn knows the secret, so that it promises first, and for longer: who learns the secret last has to have the
    // time to use it.
    let secret = [7_u8; 32];
    let preimage = Base64UrlUnpadded::encode_string(&secret);
    let condition = Base64UrlUnpadded::encode_string(&Sha256::digest(secret));
    let first = there.promise(&condition, "300", 7200);
    assert_eq!(there.seen(&mine, &first).json()["terms"]["condition"], condition);
    let second = back.promise(&condition, "30", 3600);
    assert_eq!((there.have(), back.have()), ((600, 0), (60, 0)));
    there.claim(&first, &Base64UrlUnpadded::encode_string(&[8; 32])).expect_problem(422, "wrong-preimage");

    // Taking the gold tells the mine the secret, and nothing else could have.
    assert!(back.seen(&mine_abroad, &second).json().get("preimage").is_none());
    assert_eq!(states(&back.claim(&second, &preimage).expect(200)), ["released"]);
    let learnt = back.seen(&mine_abroad, &second).text("preimage");
    assert_eq!(learnt, preimage);
    assert_eq!(states(&there.claim(&first, &learnt).expect(200)), ["released"]);
    assert_eq!((there.have(), back.have()), ((600, 300), (60, 30)));
    // Twice is once.
    assert_eq!(states(&there.claim(&first, &learnt).expect(200)), ["released"]);
    assert_eq!((there.have(), back.have()), ((600, 300), (60, 30)));

    // Where the secret is never shown, both have back what they promised.
    let condition = Base64UrlUnpadded::encode_string(&Sha256::digest([9; 32]));
    let (first, second) = (there.promise(&condition, "5", 2), back.promise(&condition, "5", 1));
    for (side, id, operator) in [(&back, &second, &mine_abroad), (&there, &first, &inn)] {
        eventually("the promise expires", || side.seen(operator, id).text("state") == "expired");
    }
    let late = there.claim(&first, &Base64UrlUnpadded::encode_string(&[9; 32]));
    late.expect_problem(409, "escrow-settled");
    assert_eq!((there.have(), back.have()), ((600, 300), (60, 30)));
}
