//! Exchange over HTTP: a provider signs a quote, many accept it at once, and one does.

use serde_json::{Value, json};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller, balance};
use vwp_tests::unique;

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

/// A quote of a provider's, of two gems for three gold, published.
fn quote(host: &Host, provider: &Operator, (takes, gives): (&str, &str), more: &Value) -> String {
    let mut terms = json!({"idempotency_key": unique("q"), "provider": format!("world:{}", provider.world),
                           "takes": takes, "gives": gives, "rate": {"take": "3", "give": "2"}, "max": "900",
                           "exp": now_s() + 600});
    terms.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let signed = provider.statement(host, "vwp-quote+jws", terms).sign(&provider.key);
    host.http.send(&Call::jose("/v1/quotes", &signed)).expect(201).text("quote_id")
}

fn accept(host: &Host, traveller: &Traveller, id: &str, body: &Value) -> Reply {
    host.http.send(&Call::json(format!("/v1/quotes/{id}/accept"), body).bearer(&traveller.token))
}

#[test]
fn a_traveller_exchanges_what_it_has_and_every_unit_is_somewhere() {
    let host = Host::shared();
    let (mint, desk) = (Operator::registered(&host, "mint"), Operator::registered(&host, "desk"));
    let ada = Traveller::signed_in(&host);
    let gold = mint.issue(&host, "gold", &ada.account(), "1000");
    let liquidity = format!("liquidity:{}", desk.world);
    let gems = desk.issue(&host, "gems", &liquidity, "500");
    let fee =
        json!({"fee": {"ppm": 10_000, "shares": [{"to": format!("world:{}", mint.world), "weight": 1}]}});
    let id = quote(&host, &desk, (&gold, &gems), &fee);
    let fill = accept(&host, &ada, &id, &json!({"amount": "102"})).expect(201);
    let amounts = |fill: &Reply| ["paid", "fee", "received", "rounding"].map(|member| fill.text(member));
    assert_eq!(amounts(&fill), ["102", "2", "66", "1"]);
    assert_eq!(accept(&host, &ada, &id, &json!({"amount": "102"})).expect(200).json(), fill.json());
    accept(&host, &ada, &id, &json!({"amount": "105"})).expect_problem(409, "quote-filled");
    assert_eq!([ada.balance(&host, &gold), ada.balance(&host, &gems)], [898, 66]);
    let of_desk = |owner: &str, asset: &str| balance(&host, owner, asset, &desk.token(&host));
    assert_eq!([of_desk(&liquidity, &gold), of_desk(&liquidity, &gems)], [100, 433]);
    assert_eq!(of_desk(&format!("rounding:{}", desk.world), &gems), 1);
    assert_eq!(balance(&host, &format!("world:{}", mint.world), &gold, &mint.token(&host)), 2);
}

#[test]
fn of_many_who_accept_at_once_one_does() {
    let host = Host::shared();
    let (mint, desk) = (Operator::registered(&host, "mint"), Operator::registered(&host, "desk"));
    let crew: Vec<Traveller> = (0..4).map(|_| Traveller::signed_in(&host)).collect();
    let gold = format!("gold@{}", mint.world);
    for member in &crew {
        mint.issue(&host, "gold", &member.account(), "300");
    }
    let gems = desk.issue(&host, "gems", &format!("liquidity:{}", desk.world), "10000");
    let id = quote(&host, &desk, (&gold, &gems), &json!({}));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask =
            |member: usize| accept(&host, &crew[member % crew.len()], &id, &json!({"amount": "300"})).status;
        let running: Vec<_> = (0..16).map(|member| scope.spawn(move || ask(member))).collect();
        running.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    let count = |wanted: u16| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(200), count(409)), (1, 3, 12), "{statuses:?}");
    let got: Vec<u128> = crew.iter().map(|member| member.balance(&host, &gems)).collect();
    assert_eq!(got.iter().sum::<u128>(), 200, "{got:?}");
}
