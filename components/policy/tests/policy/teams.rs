//! Operators' teams: who is in them, and what that lets them do.

use crate::support::{ADA, ADMIN, EVE, Port, operator};
use http::StatusCode;
use serde_json::{Value, json};

const TYPE: &str = "vwp-team+jws";

fn member(id: &str, role: &str) -> Value {
    json!({ "kind": "traveller", "id": id, "role": role })
}

fn path(seed: u8) -> String {
    format!("/v1/teams/{}", operator(seed))
}

#[test]
fn a_members_role_permits_in_the_operators_worlds_and_in_no_others() {
    let port = Port::new();
    port.team(1, &json!([member(ADA, "moderator")]));
    assert_eq!(port.decide(ADA, "ban", "arena").json["policies"], json!(["base.moderator"]));
    assert_eq!(port.decide(ADA, "edit_world", "arena").json["allow"], false);
    assert_eq!(port.decide(ADA, "ban", "garden").json["allow"], false);
    assert_eq!(port.decide(EVE, "ban", "arena").json["allow"], false);
}

#[test]
fn a_key_is_a_member_like_a_traveller() {
    let port = Port::new();
    port.team(1, &json!([{ "kind": "key", "id": operator(5), "role": "support" }]));
    let ask = |kind: &str, id: &str| {
        let question = json!({
            "principal": { "kind": kind, "id": id },
            "action": "view_reports",
            "resource": { "kind": "world", "id": "arena" },
        });
        port.send("POST", "/v1/policies/decide", Some(&Port::assertion(1)), &question).json["allow"].clone()
    };
    assert_eq!(ask("key", &operator(5)), true);
    assert_eq!(ask("key", &operator(6)), false);
    assert_eq!(ask("traveller", &operator(5)), false, "an id of another kind is another one's");
}

#[test]
fn who_leaves_the_team_may_do_nothing_any_more() {
    let port = Port::new();
    port.team(1, &json!([member(ADA, "admin")]));
    let policies = format!("/v1/policies/{}", operator(1));
    let token = Port::token(ADA);
    let body = json!({ "replaces": 0, "policies": {} });
    let put = port.send("PUT", &policies, Some(&token), &body);
    assert_eq!(
        (put.status, &put.json["written_by"]),
        (StatusCode::CREATED, &json!(format!("traveller:{ADA}")))
    );
    let gone = port.put_signed(&path(1), TYPE, 1, &json!({ "replaces": 1, "members": [] }));
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.text);
    assert_eq!(port.send("GET", &policies, Some(&token), &json!(null)).status, StatusCode::FORBIDDEN);
    assert_eq!(port.decide(ADA, "edit_world", "arena").json["allow"], false);
}

#[test]
fn nobody_makes_themselves_more_than_they_are() {
    let port = Port::new();
    port.team(1, &json!([member(ADA, "admin")]));
    let body = json!({ "replaces": 1, "members": [member(ADA, "owner")] });
    let token = Port::token(ADA);
    assert_eq!(port.send("PUT", &path(1), Some(&token), &body).status, StatusCode::FORBIDDEN);
    assert_eq!(port.send("GET", &path(1), Some(&token), &json!(null)).json["version"], 1);
    let owner = json!({ "replaces": 1, "members": [member(ADA, "admin"), member(EVE, "owner")] });
    assert_eq!(port.put_signed(&path(1), TYPE, 1, &owner).status, StatusCode::OK);
    let body = json!({ "replaces": 2, "members": [member(EVE, "owner")] });
    assert_eq!(port.send("PUT", &path(1), Some(&Port::token(EVE)), &body).status, StatusCode::OK);
}

#[test]
fn an_operators_own_policies_forbid_its_team_too() {
    let port = Port::new();
    port.team(1, &json!([member(ADA, "owner")]));
    port.policies(1, &json!({ "no-bans": "forbid (principal, action == Action::\"ban\", resource);" }));
    let denied = port.decide(ADA, "ban", "arena").json;
    assert_eq!((&denied["allow"], &denied["policies"]), (&json!(false), &json!(["operator/no-bans"])));
    assert_eq!(port.decide(ADA, "kick", "arena").json["allow"], true);
}

#[test]
fn a_team_has_bounds() {
    let port = Port::new();
    let many: Vec<Value> = (0..65).map(|number| member(&format!("{number:022}"), "support")).collect();
    for members in [
        json!(many),
        json!([member(ADA, "support"), member(ADA, "owner")]),
        json!([member("short", "support")]),
        json!([member("../../../../../../../..", "support")]),
        json!([{ "kind": "client", "id": ADA, "role": "support" }]),
    ] {
        let answer = port.put_signed(&path(1), TYPE, 1, &json!({ "replaces": 0, "members": members }));
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNPROCESSABLE_ENTITY, "team-unacceptable")
        );
    }
    let unknown =
        port.put_signed(&path(1), TYPE, 1, &json!({ "replaces": 0, "members": [member(ADA, "king")] }));
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    let team = port.send("GET", &path(1), Some(ADMIN), &json!(null)).json;
    assert_eq!((&team["version"], &team["members"]), (&json!(0), &json!([])));
}
