//! What the issuer says of itself (OpenID4VCI 1.0, section 12.2.4).

use super::{CONFIGURATION, CREDENTIAL_PATH, NONCE_PATH};
use crate::passports::claims::AGES;
use crate::passports::{COPIES_MAX, PASSPORT_TYPE};
use crate::provider::scope::Scope;
use crate::provider::url;
use serde_json::{Value, json};
use vwp_core::Environment;

/// The document. There is no `authorization_servers`, because the issuer is its own.
pub(crate) fn document(environment: &Environment<'_>) -> Value {
    let mut claims: Vec<String> =
        ["traveller", "handle", "avatar", "languages", "home_world", "entitlements"]
            .map(str::to_owned)
            .into();
    claims.extend(AGES.map(|age| format!("age_over_{age}")));
    let claims: Vec<Value> = claims.into_iter().map(|name| json!({ "path": [name] })).collect();
    json!({
        "credential_issuer": environment.settings.issuer,
        "credential_endpoint": url(CREDENTIAL_PATH, environment),
        "nonce_endpoint": url(NONCE_PATH, environment),
        "batch_credential_issuance": { "batch_size": COPIES_MAX },
        "credential_configurations_supported": {
            CONFIGURATION: {
                "format": "dc+sd-jwt",
                "vct": PASSPORT_TYPE,
                "scope": Scope::Passport.name(),
                "cryptographic_binding_methods_supported": ["jwk"],
                "credential_signing_alg_values_supported": ["ES256"],
                "proof_types_supported": { "jwt": { "proof_signing_alg_values_supported": ["ES256"] } },
                "credential_metadata": {
                    "display": [{ "name": "Passport", "locale": "en" }],
                    "claims": claims,
                },
            },
        },
    })
}
