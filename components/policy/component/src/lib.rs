//! Who may do what, as a component: `vwp-policy` on the interfaces of `vwp:policy` and on HTTP.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

use bindings::exports::vwp::policy::decider as api;
use bindings::vwp::policy::types;
use vwp_core::Problem;
use vwp_guest::http_types::{ErrorCode, Request as HttpRequest, Response};
use vwp_guest::{HttpHandler, Store};
use vwp_policy::decide::{Principal, PrincipalKind, Request, Resource, ResourceKind};
use vwp_policy::{PolicyError, decider, http, set};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: "../../../wit/policy",
        world: "policy",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

struct Component;
bindings::export!(Component with_types_in bindings);

spin_sdk::wasip3::http::service::export!(Component);

/// Who asks where a component asks: whoever composed this one into an application.
const COMPONENT: &str = "component";

impl HttpHandler for Component {
    async fn handle(request: HttpRequest) -> Result<Response, ErrorCode> {
        vwp_guest::serve(request, async |environment, request| {
            http::handle(&Store, environment, request).await
        })
        .await
    }
}

impl api::Guest for Component {
    async fn decide(request: types::Request) -> Result<types::Decision, types::Error> {
        let request = Request::from(request);
        let answer = vwp_guest::environment(async |environment| {
            Ok(decider::decide_and_log(&Store, &request, COMPONENT, environment).await)
        })
        .await;
        let decision = answer.map_err(PolicyError::from).flatten()?;
        Ok(types::Decision { allow: decision.allow, policies: decision.policies, errors: decision.errors })
    }

    fn check(policies: Vec<types::Policy>) -> Vec<types::Diagnostic> {
        let texts = policies.into_iter().map(|policy| (policy.id, policy.text)).collect();
        set::check(&texts).into_iter().map(Into::into).collect()
    }
}

impl From<types::Request> for Request {
    fn from(request: types::Request) -> Self {
        let principal = request.principal;
        let (kind, id) = match request.resource {
            types::Resource::World(name) => (ResourceKind::World, name),
            types::Resource::Operator(id) => (ResourceKind::Operator, id),
        };
        Self {
            principal: Principal {
                kind: match principal.kind {
                    types::PrincipalKind::Traveller => PrincipalKind::Traveller,
                    types::PrincipalKind::Key => PrincipalKind::Key,
                    types::PrincipalKind::Client => PrincipalKind::Client,
                },
                id: principal.id,
                role: None,
                scopes: principal.scopes,
                age_over: principal.age_over,
                home_world: principal.home_world,
                languages: principal.languages,
            },
            action: request.action,
            resource: Resource { kind, id, operator: None },
            scopes: request.scopes,
            client: request.client,
            now: 0,
        }
    }
}

impl From<set::Diagnostic> for types::Diagnostic {
    fn from(said: set::Diagnostic) -> Self {
        Self {
            policy: said.policy,
            severity: match said.severity {
                set::Severity::Error => types::Severity::Error,
                set::Severity::Warning => types::Severity::Warning,
            },
            message: said.message,
        }
    }
}

impl From<PolicyError> for types::Error {
    fn from(error: PolicyError) -> Self {
        let problem = Problem::from(error);
        match problem.status.as_u16() {
            503 => Self::Unavailable(problem.detail),
            500.. => Self::Internal,
            _ => Self::Refused(types::Refusal { reason: problem.slug.into(), detail: problem.detail }),
        }
    }
}
