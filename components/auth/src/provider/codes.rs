//! Authorization codes: good once, for a minute, for the client that they were made for (RFC 6749,
//! section 4.1.2). A code that was used is remembered, so that a second use, which means that
//! somebody else has it too, ends what the first one got.

use super::authorize::AuthorizationRequest;
use super::browser::Session;
use super::clients::Client;
use super::error::OauthError;
use super::grants::{self, Access, Granted};
use super::hashed;
use super::params::Params;
use super::scope::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How long a code is good, in milliseconds.
pub(crate) const LIFETIME_MS: u64 = 60 * 1000;
/// How long a used code is remembered, in milliseconds.
const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1000;
/// The longest code that is looked up, in bytes.
const LENGTH_MAX: usize = 64;

#[derive(Serialize, Deserialize)]
struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    jkt: Option<String>,
    access: Access,
    expires_at: Timestamp,
    /// The grant that the first use opened.
    used_for: Option<String>,
}

/// Makes a code and the write that keeps it.
pub(crate) fn make(
    request: &AuthorizationRequest,
    session: &Session,
    environment: &Environment<'_>,
) -> Result<(String, Write), Problem> {
    let code = jose::encode(environment.random_bytes::<32>());
    let expires_at = environment.now.saturating_add(LIFETIME_MS);
    let record = Code {
        client_id: request.client.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        nonce: request.nonce.clone(),
        jkt: request.jkt.clone(),
        access: access(&request.scopes, session),
        expires_at,
        used_for: None,
    };
    Ok((code.clone(), put(&key(&code), &record, expires_at)?))
}

/// What a person who is signed in grants.
pub(crate) fn access(scopes: &[Scope], session: &Session) -> Access {
    Access {
        traveller: session.traveller.clone(),
        scopes: scopes.to_vec(),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
    }
}

/// Redeems a code (RFC 6749, section 4.1.3). Of two who redeem it at once one is first, and then
/// the other one ends what the first one got.
pub(crate) async fn redeem(
    kv: &impl Kv,
    client: &Client,
    params: &Params,
    jkt: Option<String>,
    environment: &Environment<'_>,
) -> Result<Granted, OauthError> {
    let refused = OauthError::Grant("the code is not good for this request, was used, or has ended");
    let code = params.need("code", "code is missing")?;
    let verifier = params.need("code_verifier", "code_verifier is missing (PKCE)")?;
    let redirect_uri = params.need("redirect_uri", "redirect_uri is missing")?;
    if code.len() > LENGTH_MAX {
        return Err(refused);
    }
    let key = key(code);
    let entry = kv.get(&key).await?.ok_or(refused.clone())?;
    let mut record: Code = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if record.client_id != client.client_id {
        return Err(refused);
    }
    if let Some(grant) = &record.used_for {
        grants::end_reused(kv, grant, environment).await?;
        return Err(refused);
    }
    if record.expires_at <= environment.now || record.redirect_uri != redirect_uri {
        return Err(refused);
    }
    if !is_verifier(verifier, &record.challenge) {
        return Err(OauthError::Grant("code_verifier is not the one of code_challenge"));
    }
    // RFC 9449, section 10: a code that is bound to a key is redeemed with it.
    if record.jkt.is_some() && record.jkt != jkt {
        return Err(OauthError::DpopProof("the code is bound to another key"));
    }
    let nonce = record.nonce.take();
    let access = record.access.clone();
    let mut granted = grants::open(kv, client, access, nonce, jkt, environment).await?;
    record.used_for = Some(granted.grant.clone());
    let mut writes = std::mem::take(&mut granted.writes);
    writes.push(put(&key, &record, environment.now.saturating_add(REMEMBERED_MS))?);
    let check = Check::unchanged(key.clone(), Some(&entry));
    if let Outcome::Committed(_) = kv.commit(&[check], &writes).await? {
        return Ok(granted);
    }
    // Somebody else was first just now, with the same code.
    if let Some(entry) = kv.get(&key).await? {
        let record: Code = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
        if let Some(grant) = &record.used_for {
            grants::end_reused(kv, grant, environment).await?;
        }
    }
    Err(refused)
}

/// RFC 7636, section 4.6, with the verifier's own form (section 4.1).
fn is_verifier(verifier: &str, challenge: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved);
    let computed = jose::encode(Sha256::digest(verifier.as_bytes()));
    is_formed && bool::from(computed.as_bytes().ct_eq(challenge.as_bytes()))
}

fn put(key: &[u8], record: &Code, expires_at: Timestamp) -> Result<Write, Problem> {
    let value = serde_json::to_vec(record).map_err(|_| Problem::internal())?;
    Ok(Write::Put { key: key.to_vec(), value, expires_at: Some(expires_at) })
}

fn key(code: &str) -> Vec<u8> {
    format!("auth/oauth/code/{}", hashed(code)).into_bytes()
}
