//! Money moves once, and none appears or vanishes.

use crate::support::Port;
use futures::executor::block_on;
use futures::future::join_all;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

const GOLD: &str = "gold@arena";
const TRAVELLERS: [&str; 3] = ["ada", "bob", "eve"];

fn issue(port: &Port, key: &str, traveller: &str, amount: &str) -> StatusCode {
    let to = format!("traveller:{traveller}");
    port.operate(&port.arena, key, &["issuance:gold@arena", &to, GOLD, amount]).0
}

#[test]
fn a_hundred_requests_at_once_with_one_key_move_the_money_once() {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    issue(&port, "1", "ada", "1000");
    let order = json!({"to": "world:bazaar", "asset": GOLD, "amount": "7"});
    let requests = (0..100).map(|_| port.send(port.payment("ada", "once", &order)));
    let responses = block_on(join_all(requests));
    let created = responses.iter().filter(|response| response.status() == StatusCode::CREATED).count();
    let repeated = responses.iter().filter(|response| response.status() == StatusCode::OK).count();
    assert_eq!((created, repeated), (1, 99));
    assert!(responses.iter().all(|response| response.body() == responses[0].body()));
    assert_eq!(port.balance("ada", GOLD), "993");
}

#[derive(Debug, Clone)]
enum Step {
    Issue(usize, u16),
    Pay(usize, usize, u8, u16),
    GiveBack(usize, u8, u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0..TRAVELLERS.len();
    prop_oneof![
        (who.clone(), 0..500_u16).prop_map(|(to, amount)| Step::Issue(to, amount)),
        (who.clone(), who.clone(), 0..8_u8, 0..300_u16)
            .prop_map(|(from, to, key, amount)| Step::Pay(from, to, key, amount)),
        (who, 0..8_u8, 0..300_u16).prop_map(|(from, key, amount)| Step::GiveBack(from, key, amount)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_asked_for_the_supply_is_what_the_travellers_hold(
        steps in prop::collection::vec(any_step(), 1..20),
    ) {
        let port = Port::new();
        port.create_asset(&port.arena, GOLD, Some("2000"));
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Issue(to, amount) => {
                    issue(&port, &number.to_string(), TRAVELLERS[*to], &amount.to_string());
                }
                Step::Pay(from, to, key, amount) => {
                    let to = format!("traveller:{}", TRAVELLERS[*to]);
                    port.pay(TRAVELLERS[*from], &key.to_string(), &to, GOLD, &amount.to_string());
                }
                Step::GiveBack(from, key, amount) => {
                    let (key, amount) = (key.to_string(), amount.to_string());
                    port.pay(TRAVELLERS[*from], &key, "issuance:gold@arena", GOLD, &amount);
                }
            }
            let balances = TRAVELLERS.map(|who| port.balance(who, GOLD).parse::<u64>().unwrap());
            let supply = port.get("/v1/assets/gold@arena", None).1["supply"].as_str().map(str::to_owned);
            prop_assert_eq!(supply, Some(balances.iter().sum::<u64>().to_string()));
            prop_assert!(balances.iter().sum::<u64>() <= 2000);
        }
    }
}
