//! Profiles: what a traveller says of themselves.

use crate::support::Port;
use crate::travel::Host;
use futures::executor::block_on;
use serde_json::{Value, json};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

const PATH: &str = "/v1/travellers/me/profile";

fn put(port: &Port, token: &str, profile: &Value) -> crate::support::Answer {
    port.send("PUT", PATH, Some(token), &profile.to_string())
}

#[test]
fn a_profile_is_kept_as_it_was_put_and_replaced_as_a_whole() {
    let port = Port::new();
    let token = port.arrive("ada");
    assert_eq!(port.get(PATH, Some(&token)).json, json!({}));
    let profile = json!({ "avatar": "https://avatars.example/ada.glb", "languages": ["de", "en-GB"],
        "birth_date": "2001-02-28", "home_world": "arena", "entitlements": ["founder@arena"] });
    assert_eq!(put(&port, &token, &profile).json, profile);
    assert_eq!(port.get(PATH, Some(&token)).json, profile);
    let less = json!({ "languages": ["fr"] });
    assert_eq!(put(&port, &token, &less).status, 200);
    assert_eq!(port.get(PATH, Some(&token)).json, less);
    assert_eq!(port.get(PATH, Some(&port.arrive("bob"))).json, json!({}));
    assert_eq!(port.get(PATH, None).status, 401);
    assert_eq!(port.send("DELETE", PATH, Some(&token), "").status, 405);
}

#[test]
fn a_profile_that_breaks_a_rule_is_refused() {
    let port = Port::new();
    let token = port.arrive("ada");
    let long = format!("https://a.example/{}", "a".repeat(512));
    let many: Vec<String> = (0..17).map(|index| format!("e{index}@arena")).collect();
    for profile in [
        json!({ "avatar": "http://a.example/" }),
        json!({ "avatar": "https://user:secret@a.example/" }),
        json!({ "avatar": "javascript:alert(1)" }),
        json!({ "avatar": long }),
        json!({ "languages": ["not a tag"] }),
        json!({ "languages": ["de", "de"] }),
        json!({ "languages": ["a1", "de", "en", "fr", "it", "es", "pl", "nl", "sv"] }),
        json!({ "birth_date": "2999-01-01" }),
        json!({ "birth_date": "2001-02-29" }),
        json!({ "birth_date": "2001-2-3" }),
        json!({ "birth_date": "+001-02-03" }),
        json!({ "birth_date": "1800-01-01" }),
        json!({ "home_world": "Not a world" }),
        json!({ "entitlements": ["founder"] }),
        json!({ "entitlements": many }),
    ] {
        let answer = put(&port, &token, &profile);
        assert_eq!((answer.status.as_u16(), answer.problem()), (422, "profile-unacceptable"), "{profile}");
    }
    assert_eq!(put(&port, &token, &json!({ "shoe_size": 38 })).problem(), "bad-request");
    assert_eq!(port.get(PATH, Some(&token)).json, json!({}));
}

#[test]
fn a_birth_date_is_not_readable_in_the_store() {
    let port = Port::new();
    let token = port.arrive("ada");
    assert_eq!(put(&port, &token, &json!({ "birth_date": "2001-02-28" })).status, 200);
    let page = block_on(port.store.scan(&KeyRange::prefix("auth/"), 1000, Direction::Forward)).unwrap();
    assert!(page.items.iter().all(|item| !String::from_utf8_lossy(&item.entry.value).contains("2001-02")));
}

#[test]
fn entitlements_are_told_that_a_world_has_granted_and_no_others() {
    let port = Port::new();
    let arena = Host::new(&port, "arena", 60);
    let token = port.arrive("ada");
    let profile = json!({ "entitlements": ["founder@arena", "admin@arena"] });
    assert_eq!(put(&port, &token, &profile).status, 200);
    let subject = crate::travel::payload(&crate::travel::ticket(&port, &token, "arena"))["sub"].clone();
    let told = |port: &Port| {
        let wish = json!({ "world": "arena", "claims": ["entitlements"] });
        let answer = crate::travel::ask(port, &token, &wish);
        match answer.json["ticket"].as_str() {
            Some(ticket) => crate::travel::payload(ticket)["claims"]["entitlements"].clone(),
            None => answer.problem().into(),
        }
    };
    assert_eq!(told(&port), "claim-unavailable", "what the traveller claims is worth nothing by itself");
    let grant = |granted: bool| {
        let matter = json!({ "code": "founder", "subject": subject, "granted": granted });
        arena.statement(&port, "vwp-entitlement+jws", matter)
    };
    let given = grant(true);
    assert_eq!(crate::travel::send(&port, "/v1/tickets/entitlements", &given).status, 200);
    assert_eq!(told(&port), json!(["founder@arena"]));
    port.advance_s(1);
    assert_eq!(crate::travel::send(&port, "/v1/tickets/entitlements", &grant(false)).status, 200);
    assert_eq!(told(&port), "claim-unavailable");
    let replayed = crate::travel::send(&port, "/v1/tickets/entitlements", &given);
    assert_eq!((replayed.status.as_u16(), replayed.problem()), (409, "statement-replayed"));
}
