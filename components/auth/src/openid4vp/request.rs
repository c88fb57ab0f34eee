//! The request object that a wallet fetches (OpenID4VP 1.0, section 5, and RFC 9101): signed by the
//! port in the name of the world's DID, or under the port's certificate.

use super::certificate::Certified;
use super::transaction::{self, Transaction};
use super::{DIRECT_POST, DIRECT_POST_JWT, REQUESTS_PATH, RESPONSE_PATH, identity, jwe};
use crate::error::AuthError;
use crate::keys;
use crate::provider::error::OauthError;
use crate::provider::params::Params;
use crate::provider::url;
use ::http::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use vwp_core::jose::{self, Header};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The type of a request object (RFC 9101, section 10.8).
const TYPE: &str = "oauth-authz-req+jwt";
/// Its media type (section 5.10.1).
const MEDIA_TYPE: &str = "application/oauth-authz-req+jwt";
/// Who it is for, where nothing is known of the wallet (section 5.8).
const AUDIENCE: &str = "https://self-issued.me/v2";
/// The longest form that a wallet sends of itself, in bytes.
const FORM_LENGTH_MAX: usize = 16_384;
/// The longest nonce of a wallet, in bytes.
const WALLET_NONCE_LENGTH_MAX: usize = 256;

/// Gives the request object out that a path names; none if no answer is awaited.
pub(super) async fn give(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let state = request.uri().path().strip_prefix(REQUESTS_PATH).unwrap_or_default();
    let found = transaction::awaited(kv, state, environment).await?;
    let gone = || Problem::not_found("no answer is awaited to this request: it was given, or has ended");
    let transaction = found.ok_or_else(gone)?.transaction;
    let mut claims = claims(&transaction, state, environment)?;
    if request.method() == Method::POST {
        // Section 5.10: of what a wallet says of itself, only its nonce changes the request. There is one
        // form of it, which every wallet for passports understands.
        let params = Params::form_within(request, FORM_LENGTH_MAX)?;
        if let Some(nonce) = params.get("wallet_nonce") {
            if nonce.len() > WALLET_NONCE_LENGTH_MAX {
                return Err(OauthError::Request("wallet_nonce is too long"));
            }
            claims.insert("wallet_nonce".to_owned(), nonce.into());
        }
    }
    let signed = sign(kv, &transaction, claims, environment).await?;
    Ok(super::http::private(reply::with_type(StatusCode::OK, MEDIA_TYPE, signed.into_bytes())))
}

fn claims(
    transaction: &Transaction,
    state: &str,
    environment: &Environment<'_>,
) -> Result<Map<String, Value>, Problem> {
    let query: Value = serde_json::from_str(&transaction.query).map_err(|_| Problem::internal())?;
    let response_mode = if transaction.encryption.is_some() { DIRECT_POST_JWT } else { DIRECT_POST };
    let claims = json!({
        "aud": AUDIENCE,
        "iat": environment.now_seconds(),
        "exp": transaction.awaited_until() / 1000,
        "client_id": transaction.client_id(environment)?,
        "response_type": "vp_token",
        "response_mode": response_mode,
        "response_uri": url(RESPONSE_PATH, environment),
        "nonce": transaction.nonce,
        "state": state,
        "dcql_query": query,
        "client_metadata": metadata(transaction),
    });
    match claims {
        Value::Object(claims) => Ok(claims),
        _ => Err(Problem::internal()),
    }
}

/// What a wallet has to know of the verifier (section 5.1).
fn metadata(transaction: &Transaction) -> Value {
    let mut metadata = json!({
        "client_name": transaction.client_name,
        // Annex B.3.4.
        "vp_formats_supported": {
            "dc+sd-jwt": { "sd-jwt_alg_values": ["ES256"], "kb-jwt_alg_values": ["ES256"] },
        },
    });
    // Where nothing is encrypted, section 5.1 wants neither.
    if let Some(key) = &transaction.encryption {
        metadata["jwks"] = key.jwks();
        metadata["encrypted_response_enc_values_supported"] = json!(jwe::ENCRYPTIONS);
    }
    metadata
}

async fn sign(
    kv: &impl Kv,
    transaction: &Transaction,
    claims: Map<String, Value>,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let payload = Value::Object(claims).to_string();
    if let Some(client_id) = &transaction.certificate {
        let certified = Certified::given(environment)?.filter(|found| found.client_id() == *client_id);
        // The link names one certificate, and a wallet takes no request under another (section 5.10.1).
        let gone = || Problem::not_found("the port has another certificate now; the world asks once more");
        return Ok(certified.ok_or_else(gone)?.sign(TYPE, payload.as_bytes()));
    }
    let key = keys::active(kv, environment).await?;
    let kid = identity::method(&identity::did(&transaction.world, environment)?, &key.kid);
    let header = Header::new(TYPE).with_kid(kid);
    Ok(jose::sign(&header, payload.as_bytes(), &key.key))
}
