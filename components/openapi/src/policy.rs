//! Who may do what: policies, teams and decisions. Beside `components/policy/src/http.rs`.

use crate::Api;
use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, Refusal, get, post, put, tagged};
use crate::refusals::MISSING;
use crate::schema::{
    Member, Schema, count, flag, list, map, member, milliseconds, object, optional, refer, text, word,
};

/// The longest body, in bytes.
const BODY: u64 = 61_440;
/// The longest request to decide about, in bytes.
const QUESTION: u64 = 16_384;

/// What is put may be refused for.
const WRITTEN: &[Refusal] =
    &[(403, "wrong-operator"), (409, "replaced-meanwhile"), (422, "wrong-audience"), (422, "clock-skew")];

/// The table.
pub fn api() -> Api {
    let about = "Who may do what: policies in Cedar, operators' teams, and decisions.";
    let mut operations = policies();
    operations.extend(versions());
    operations.extend(teams());
    Api { name: "policy", about, operations: tagged("Policies", operations), schemas: schemas() }
}

fn policies() -> Vec<Operation> {
    vec![
        get("/v1/policies/schema", "showPolicySchema", "Get the schema that policies are written against")
            .gives(200, "The schema, in Cedar's own notation.", "text/plain; charset=utf-8", text()),
        get("/v1/policies/base", "showBasePolicies", "Get the policies that always hold").answers(
            200,
            "The policies.",
            refer("Policies"),
        ),
        post("/v1/policies/check", "checkPolicies", "Check policies")
            .by(&[Traveller, Operator, Administrator])
            .json(BODY, refer("Policies").about("The policies."))
            .answers(
                200,
                "What is to be said of them.",
                object([member("diagnostics", list(refer("Diagnostic")))]),
            ),
        post("/v1/policies/decide", "decide", "Have a request decided")
            .by(&[Operator, Administrator])
            .json(QUESTION, refer("Question"))
            .answers(200, "The decision, which is kept.", refer("Decision"))
            .refuses(&[(422, "request-unacceptable"), (404, "unknown-world")]),
    ]
}

fn of_owner(operation: Operation) -> Operation {
    operation
        .path("owner", "`port`, or an operator's id.", text().length(1, 64).example("port"))
        .by(&[Traveller, Operator, Administrator])
        .refuses(MISSING)
        .refuses(&[(422, "request-unacceptable")])
}

fn versions() -> Vec<Operation> {
    vec![
        of_owner(get("/v1/policies/{owner}", "showPolicies", "Get the policies of an owner")).answers(
            200,
            "The present version.",
            refer("VersionedPolicies"),
        ),
        of_owner(put("/v1/policies/{owner}", "putPolicies", "Replace the policies of an owner"))
            .about("An operator signs them; its team and the administrator send JSON.")
            .json(BODY, object(new(member("policies", texts()))))
            .signed(BODY, "vwp-policies+jws", object(signed(member("policies", texts()))))
            .answers(201, "The first version.", refer("VersionedPolicies"))
            .answers(200, "A later version.", refer("VersionedPolicies"))
            .refuses(WRITTEN)
            .refuses(&[(422, "policies-unacceptable")]),
        of_owner(get("/v1/policies/{owner}/versions/{version}", "showPolicyVersion", "Get a version"))
            .path("version", "The version.", count())
            .answers(200, "The version.", refer("VersionedPolicies")),
        of_owner(get("/v1/policies/{owner}/decisions", "listDecisions", "List what was decided"))
            .query(
                "cursor",
                "What the page before ended with.",
                text().length(1, 64).pattern("^[A-Za-z0-9_/-]+$"),
            )
            .answers(200, "The decisions, the last one first.", refer("Decisions")),
    ]
}

fn teams() -> Vec<Operation> {
    let of_operator = |operation: Operation| {
        operation
            .path("operator", "The operator's id.", text().length(1, 64))
            .by(&[Traveller, Operator, Administrator])
            .refuses(MISSING)
            .refuses(&[(422, "request-unacceptable")])
    };
    let members = || member("members", list(refer("TeamMember")));
    vec![
        of_operator(get("/v1/teams/{operator}", "showTeam", "Get an operator's team")).answers(
            200,
            "The team.",
            refer("Team"),
        ),
        of_operator(put("/v1/teams/{operator}", "putTeam", "Replace an operator's team"))
            .about("An operator signs it; its owners and the administrator send JSON.")
            .json(BODY, object(new(members())))
            .signed(BODY, "vwp-team+jws", object(signed(members())))
            .answers(201, "The first version.", refer("Team"))
            .answers(200, "A later version.", refer("Team"))
            .refuses(WRITTEN)
            .refuses(&[(422, "team-unacceptable")]),
    ]
}

fn new(matter: Member) -> Vec<Member> {
    vec![member("replaces", count().about("The version that was seen; 0: there was none.")), matter]
}

fn signed(matter: Member) -> Vec<Member> {
    let mut members = new(matter);
    members.extend([
        member("iat", count().about("When it was signed, in seconds; at most five minutes ago.")),
        member("aud", text().about("The port's URL.")),
        member("operator", text().about("The operator's id.")),
    ]);
    members
}

fn texts() -> Schema {
    map(text()).about("Policies in Cedar, by id.")
}

fn versioned(matter: Member) -> Schema {
    object([
        member("version", count().about("From 1 on; 0: nothing was ever written.")),
        member("written_at", milliseconds()),
        member("written_by", text()),
        matter,
    ])
}

fn schemas() -> Vec<(&'static str, Schema)> {
    let kinds = || word(&["traveller", "key", "client"]);
    let roles = || word(&["owner", "admin", "moderator", "support"]);
    let principal = object([
        member("kind", kinds()),
        member("id", text()),
        optional("role", roles().or_null()),
        optional("scopes", list(text())),
        optional("age_over", count().within(0, u8::MAX).or_null()),
        optional("home_world", text().or_null()),
        optional("languages", list(text()).or_null()),
    ]);
    let resource = object([
        member("kind", word(&["world", "operator"])),
        member("id", text()),
        optional("operator", text().or_null()),
    ]);
    let question = object([
        member("principal", principal.closed()),
        member("action", text()),
        member("resource", resource.closed()),
        optional("scopes", list(text())),
        optional("client", text().or_null()),
        optional("now", count()),
    ]);
    let decision = || {
        vec![
            member("allow", flag()),
            member("policies", list(text()).about("The policies that decided. None: none permits.")),
            member("errors", list(text()).about("Policies that failed, and took no part.")),
        ]
    };
    let mut logged = vec![
        member("at", milliseconds()),
        member("asked_by", text()),
        member("kind", kinds()),
        member("principal", text()),
        member("action", text()),
        member("resource", text()),
        member("version", count()),
    ];
    logged.extend(decision());
    let diagnostic = object([
        member("policy", text().or_null().about("The policy; null: the set.")),
        member("severity", word(&["error", "warning"])),
        member("message", text()),
    ]);
    vec![
        ("Policies", object([member("policies", texts())])),
        ("VersionedPolicies", versioned(member("policies", texts()))),
        ("Diagnostic", diagnostic),
        ("Question", question.closed()),
        ("Decision", object(decision())),
        ("Decisions", object([member("decisions", list(object(logged))), optional("cursor", text())])),
        (
            "TeamMember",
            object([member("kind", kinds()), member("id", text()), member("role", roles())]).closed(),
        ),
        ("Team", versioned(member("members", list(refer("TeamMember"))))),
    ]
}
