//! Who may read and change policies and teams.

use crate::decide::{Principal, PrincipalKind, Request, Resource, ResourceKind};
use crate::decider;
use crate::error::PolicyError;
use crate::store::Owner;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vwp_core::caller::{Caller, verify_operator_body};
use vwp_core::environment::is_current;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// What an operator signs beside the matter: see [`signed`].
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims<T> {
    iat: u64,
    aud: String,
    operator: String,
    #[serde(flatten)]
    matter: T,
}

/// Believes a body that an operator signed about itself. The version that it replaces makes a
/// replay harmless.
pub(crate) async fn signed<T: DeserializeOwned>(
    kv: &impl Kv,
    compact: &str,
    typ: &str,
    owner: &Owner,
    environment: &Environment<'_>,
) -> Result<T, PolicyError> {
    let (operator, payload) = verify_operator_body(kv, compact, typ).await?;
    let claims: Claims<T> = serde_json::from_slice(&payload)
        .map_err(|error| Problem::bad_request(format!("the payload is not the expected JSON: {error}")))?;
    if claims.aud != environment.settings.issuer {
        return Err(PolicyError::WrongAudience);
    }
    if !is_current(claims.iat, environment.now) {
        return Err(PolicyError::NotCurrent);
    }
    if claims.operator != operator || *owner != Owner::Operator(operator) {
        return Err(PolicyError::WrongOperator);
    }
    Ok(claims.matter)
}

/// Requires that a caller may do something with an owner's policies or team, and says who it is.
///
/// The administrator may do everything, and an operator everything with what is its own; a
/// traveller what the role in the team permits.
pub(crate) async fn require(
    kv: &impl Kv,
    caller: &Caller,
    action: &'static str,
    owner: &Owner,
    environment: &Environment<'_>,
) -> Result<String, PolicyError> {
    match (caller, owner) {
        (Caller::Nobody, _) => {
            Err(Problem::unauthorised("sign in, or send an operator's assertion or signed body").into())
        }
        (Caller::Administrator, _) => Ok("administrator".to_owned()),
        (Caller::Operator { id }, Owner::Operator(owner)) if id == owner => Ok(format!("operator:{id}")),
        (Caller::Traveller { id, .. }, Owner::Operator(operator)) => {
            let request = Request {
                principal: Principal {
                    kind: PrincipalKind::Traveller,
                    id: id.clone(),
                    role: None,
                    scopes: Vec::new(),
                    age_over: None,
                    home_world: None,
                    languages: None,
                },
                action: action.to_owned(),
                resource: Resource { kind: ResourceKind::Operator, id: operator.clone(), operator: None },
                scopes: Vec::new(),
                client: None,
                now: 0,
            };
            let by = format!("traveller:{id}");
            if decider::decide_and_log(kv, &request, &by, environment).await?.allow {
                Ok(by)
            } else {
                Err(Problem::forbidden("your role in the team does not permit this").into())
            }
        }
        _ => Err(Problem::forbidden("this is for the operator, its team and the administrator").into()),
    }
}

/// Requires that a caller may have something decided: about its own worlds, or about all.
pub(crate) async fn require_asker(
    kv: &impl Kv,
    caller: &Caller,
    resource: &Resource,
) -> Result<String, PolicyError> {
    match caller {
        Caller::Administrator => Ok("administrator".to_owned()),
        Caller::Operator { id } => {
            let operator = match resource.kind {
                ResourceKind::World => decider::operator_of(kv, &resource.id).await?,
                ResourceKind::Operator => resource.id.clone(),
            };
            if operator == *id {
                Ok(format!("operator:{id}"))
            } else {
                Err(Problem::forbidden("this is another operator's").into())
            }
        }
        Caller::Nobody => Err(Problem::unauthorised("send an operator's assertion").into()),
        Caller::Traveller { .. } => Err(Problem::forbidden("this is for operators").into()),
    }
}
