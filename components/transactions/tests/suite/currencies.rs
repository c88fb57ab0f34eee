//! What no world issues: currencies of ISO 4217 and assets on chains, which the port's administrator creates,
//! mints and burns.

use crate::support::{ADMIN, NOW, PORT, Port};
use http::{Request, StatusCode};
use serde_json::{Value, json};

const ETHER: &str = "eip155:1/slip44:60";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

fn create(port: &Port, token: &str, definition: &Value) -> (StatusCode, Value) {
    port.call(Port::request("/v1/assets", token, definition))
}

/// The administrator's transfer.
fn issue(port: &Port, key: &str, order: &Value) -> (StatusCode, Value) {
    let request = Request::post("/v1/transfers")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("idempotency-key", key)
        .body(order.to_string().into_bytes());
    port.call(request.unwrap())
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[test]
fn a_currency_has_the_scale_of_the_table_and_the_port_mints_and_burns_it() {
    let port = Port::new();
    let euro = json!({"asset": "EUR", "scale": 2, "cap": "1000", "title": "Euro"});
    let (status, created) = create(&port, ADMIN, &euro);
    assert_eq!((status, &created["issuer"]), (CREATED, &json!("administrator")), "{created}");
    assert_eq!(create(&port, ADMIN, &euro).0, OK);
    for (asset, scale) in [("JPY", 2), ("KWD", 2), ("XAU", 2), ("ZZZ", 2), ("eur", 2)] {
        let refused = create(&port, ADMIN, &json!({"asset": asset, "scale": scale}));
        assert_eq!((refused.0, slug(&refused.1)), (StatusCode::BAD_REQUEST, "bad-request"), "{asset}");
    }
    assert_eq!(create(&port, ADMIN, &json!({"asset": "JPY", "scale": 0})).0, CREATED);
    let order = |from: &str, to: &str, amount: &str| json!({"from": from, "to": to, "asset": "EUR", "amount": amount});
    let mint = order("issuance:EUR", "traveller:ada", "600");
    let (status, receipt) = issue(&port, "mint", &mint);
    assert_eq!((status, &receipt["from"]), (CREATED, &json!("issuance:EUR")), "{receipt}");
    assert_eq!(issue(&port, "mint", &mint), (OK, receipt));
    let more = issue(&port, "more", &order("issuance:EUR", "traveller:eve", "401"));
    assert_eq!((more.0, slug(&more.1)), (StatusCode::UNPROCESSABLE_ENTITY, "exceeds-cap"));
    assert_eq!(port.pay("ada", "pay", "world:arena", "EUR", "50").0, CREATED);
    assert_eq!(port.pay("ada", "burn", "issuance:EUR", "EUR", "100").0, CREATED);
    assert_eq!(port.get("/v1/assets/EUR", None).1["supply"], "500");
    assert_eq!(port.balance("ada", "EUR"), "450");
    // The administrator issues, and moves nothing of anybody's.
    for from in ["traveller:ada", "world:arena", "issuance:gold@arena"] {
        port.create_asset(&port.arena, "gold@arena", None);
        let mut wanted = order(from, "traveller:eve", "1");
        if from.starts_with("issuance") {
            wanted["asset"] = "gold@arena".into();
        }
        assert_eq!(issue(&port, "theirs", &wanted).0, StatusCode::FORBIDDEN, "{from}");
    }
}

#[test]
fn nobody_but_the_port_creates_or_issues_what_no_world_does() {
    let port = Port::new();
    let definition = json!({"asset": "EUR", "scale": 2});
    for token in [port.session("ada"), port.arena.token()] {
        assert_eq!(create(&port, &token, &definition).0, StatusCode::FORBIDDEN);
    }
    let signed = json!({"asset": "EUR", "scale": 2, "iat": NOW / 1000, "aud": PORT});
    assert_eq!(
        port.post_signed("/v1/assets", port.arena.sign("vwp-asset+jws", &signed)).0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(create(&port, ADMIN, &json!({"asset": "gold@arena", "scale": 2})).0, StatusCode::FORBIDDEN);
    assert_eq!(create(&port, ADMIN, &definition).0, CREATED);
    let mint = ["issuance:EUR", "traveller:ada", "EUR", "1"];
    assert_eq!(port.operate(&port.arena, "mint", &mint).0, StatusCode::FORBIDDEN);
}

#[test]
fn an_asset_on_a_chain_has_the_scale_that_it_has_there() {
    let port = Port::new();
    assert_eq!(create(&port, ADMIN, &json!({"asset": ETHER, "scale": 18})).0, CREATED);
    let taken = create(&port, ADMIN, &json!({"asset": ETHER, "scale": 9}));
    assert_eq!((taken.0, slug(&taken.1)), (StatusCode::CONFLICT, "asset-exists"));
    let mixed = json!({"asset": "eip155:1/erc20:0x6B175474E89094C44Da98b954EedeAC495271d0F", "scale": 18});
    assert_eq!(create(&port, ADMIN, &mixed).0, StatusCode::BAD_REQUEST);
    let wei = "1000000000000000000";
    let order =
        json!({"from": format!("issuance:{ETHER}"), "to": "traveller:ada", "asset": ETHER, "amount": wei});
    assert_eq!(issue(&port, "mint", &order).0, CREATED);
    // In a path the name is one part, with its slash escaped.
    let path = "eip155:1%2Fslip44:60";
    assert_eq!(port.balance("ada", path), wei);
    let (status, seen) = port.get(&format!("/v1/assets/{path}"), None);
    assert_eq!((status, &seen["asset"], &seen["scale"]), (OK, &json!(ETHER), &json!(18)));
}
