//! Where everything is and what it takes: RFC 8414 and OpenID Connect Discovery, in one document,
//! because clients of either read what they know.

use super::scope::Scope;
use super::{device, flow, par, resources, token, url};
use crate::openid4vci::details;
use serde_json::{Value, json};
use vwp_core::Environment;

/// Where tokens are introspected.
pub(crate) const INTROSPECTION_PATH: &str = "/oauth/introspect";
/// Where tokens are revoked.
pub(crate) const REVOCATION_PATH: &str = "/oauth/revoke";

/// The document.
pub(crate) fn document(environment: &Environment<'_>) -> Value {
    let at = |path: &str| url(path, environment);
    json!({
        "issuer": environment.settings.issuer,
        "authorization_endpoint": at(flow::PATH),
        "token_endpoint": at(token::PATH),
        "userinfo_endpoint": at(resources::USERINFO_PATH),
        "jwks_uri": at("/.well-known/jwks.json"),
        "pushed_authorization_request_endpoint": at(par::PATH),
        "device_authorization_endpoint": at(device::PATH),
        "introspection_endpoint": at(INTROSPECTION_PATH),
        "revocation_endpoint": at(REVOCATION_PATH),
        "require_pushed_authorization_requests": false,
        "scopes_supported": Scope::ALL.map(Scope::name),
        "authorization_details_types_supported": [details::TYPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:pre-authorized_code",
        ],
        "pre-authorized_grant_anonymous_access_supported": false,
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "revocation_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported":
            ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "preferred_username"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
