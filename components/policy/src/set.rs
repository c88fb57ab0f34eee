//! Sets of policies: read, bounded, and validated against the schema before anybody keeps them.

use crate::limits::{self, LimitError, POLICIES_MAX};
use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// The schema, as people read it.
pub const SCHEMA: &str = include_str!("vwp.cedarschema");
/// The port's own rules about teams, which every decision takes part in.
const BASE: &str = include_str!("base.json");
/// What the ids of those rules start with; no other policy's does.
pub const BASE_PREFIX: &str = "base.";
/// How many diagnostics a check answers with.
pub const DIAGNOSTICS_MAX: usize = 64;
/// How long a diagnostic may be, in characters.
const MESSAGE_LENGTH_MAX: usize = 500;

/// Policies by their ids, each as its text in Cedar.
pub type Texts = BTreeMap<String, String>;

/// Reads policies by their ids, and refuses an id that comes twice: readers differ in which of two
/// they would take.
pub(crate) fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    struct Once;

    impl<'de> Visitor<'de> for Once {
        type Value = Texts;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("policies by their ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
            let mut texts = Texts::new();
            while let Some((id, text)) = map.next_entry()? {
                if texts.insert(id, text).is_some() {
                    return Err(de::Error::custom("an id comes twice"));
                }
            }
            Ok(texts)
        }
    }

    deserializer.deserialize_map(Once)
}

/// How serious a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is not taken.
    Error,
    /// The policy is taken; whether it says what was meant is another question.
    Warning,
}

/// What is to be said about a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The policy; none if this is about the set.
    pub policy: Option<String>,
    /// How serious it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
}

/// Policies that may decide.
#[derive(Debug, Clone)]
pub struct Set {
    pub(crate) policies: PolicySet,
}

/// The schema.
pub(crate) fn schema() -> &'static Schema {
    static PARSED: OnceLock<Schema> = OnceLock::new();
    PARSED.get_or_init(|| {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).expect("the schema is tested");
        schema
    })
}

/// The port's own rules.
pub(crate) fn base() -> &'static Set {
    static PARSED: OnceLock<Set> = OnceLock::new();
    PARSED.get_or_init(|| {
        let texts: Texts = serde_json::from_str(BASE).expect("the rules are tested");
        parse(&texts).expect("the rules are tested")
    })
}

/// The port's own rules, as people read them.
pub fn base_texts() -> Texts {
    serde_json::from_str(BASE).unwrap_or_default()
}

/// Says what is to be said about policies. None of them is taken if one has an error.
pub fn check(texts: &Texts) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let set = read(texts, &mut found);
    if found.is_empty() {
        validate(&set, &mut found);
    }
    if found.iter().all(|said| said.severity == Severity::Warning) {
        warn_of_everything(&set, &mut found);
    }
    found.truncate(DIAGNOSTICS_MAX);
    found
}

/// The set of policies that somebody wrote, if none of them has an error.
pub fn admit(texts: &Texts) -> Result<Set, Vec<Diagnostic>> {
    let mut found = check(texts);
    if let Some(id) = texts.keys().find(|id| id.starts_with(BASE_PREFIX)) {
        found.push(error(Some(id), &format!("ids that start with {BASE_PREFIX} are the port's own")));
    }
    if found.iter().any(|said| said.severity == Severity::Error) {
        return Err(found);
    }
    parse(texts)
}

/// Reads policies that were admitted before.
pub(crate) fn parse(texts: &Texts) -> Result<Set, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let policies = read(texts, &mut found);
    if found.is_empty() { Ok(Set { policies }) } else { Err(found) }
}

fn read(texts: &Texts, found: &mut Vec<Diagnostic>) -> PolicySet {
    let mut set = PolicySet::new();
    if texts.len() > POLICIES_MAX {
        found.push(error(None, &LimitError::Policies.to_string()));
        return set;
    }
    for (id, text) in texts {
        if let Err(limit) = limits::id(id).and_then(|()| limits::policy(text)) {
            found.push(error(Some(id), &limit.to_string()));
            continue;
        }
        match Policy::parse(Some(PolicyId::new(id)), text) {
            Ok(policy) => {
                if let Err(refused) = set.add(policy) {
                    found.push(error(Some(id), &refused.to_string()));
                }
            }
            Err(errors) => {
                found.extend(errors.iter().map(|said| error(Some(id), &said.to_string())));
            }
        }
    }
    set
}

fn validate(set: &PolicySet, found: &mut Vec<Diagnostic>) {
    let result = Validator::new(schema().clone()).validate(set, ValidationMode::Strict);
    for said in result.validation_errors() {
        found.push(error(Some(said.policy_id().as_ref()), &said.to_string()));
    }
    for said in result.validation_warnings() {
        use ValidationWarning as Said;
        // What can never apply was meant otherwise: who forbids something must not be mistaken.
        let is_vain = matches!(said, Said::ImpossiblePolicy(_) | Said::InvalidActionApplication(_));
        let severity = if is_vain { Severity::Error } else { Severity::Warning };
        found.push(diagnostic(Some(said.policy_id().as_ref()), severity, &said.to_string()));
    }
}

/// Warns of policies that permit everything to everybody.
fn warn_of_everything(set: &PolicySet, found: &mut Vec<Diagnostic>) {
    use cedar_policy::{ActionConstraint, Effect, PrincipalConstraint};
    for policy in set.policies() {
        let is_wide = policy.effect() == Effect::Permit
            && policy.principal_constraint() == PrincipalConstraint::Any
            && policy.action_constraint() == ActionConstraint::Any;
        // Cedar writes what has no conditions without braces.
        if is_wide && !policy.to_string().contains('{') {
            let message = "this permits everybody to do everything in your worlds";
            found.push(diagnostic(Some(policy.id().as_ref()), Severity::Warning, message));
        }
    }
}

fn error(policy: Option<&str>, message: &str) -> Diagnostic {
    diagnostic(policy, Severity::Error, message)
}

fn diagnostic(policy: Option<&str>, severity: Severity, message: &str) -> Diagnostic {
    let message = message.chars().take(MESSAGE_LENGTH_MAX).collect();
    Diagnostic { policy: policy.map(str::to_owned), severity, message }
}
