//! Proof of possession (RFC 9449): each request carries a JWT, signed with the key that tokens
//! are bound to. The key stands in the JWT's own header, which proves nothing but that the sender
//! has it; what makes it worth something is that a token names the same key.

use super::client_auth::JTI_LENGTH_MAX;
use super::error::OauthError;
use super::{hashed, replay, secret};
use http::{HeaderMap, HeaderValue, Response};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use vwp_core::Environment;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp, is_current};
use vwp_core::jose::{self, Unverified};
use vwp_storage::Kv;

/// The header with a proof.
const PROOF: &str = "dpop";
/// The header with a nonce for the next proof (section 8.2).
const NONCE: &str = "dpop-nonce";
/// The type of a proof (section 4.2).
const PROOF_TYPE: &str = "dpop+jwt";
/// The longest proof, in bytes.
const PROOF_LENGTH_MAX: usize = 4096;
/// How long a nonce is given out, in milliseconds. It is taken as long again.
const NONCE_MS: u64 = 5 * 60 * 1000;

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    nonce: Option<String>,
    ath: Option<String>,
}

/// What a proof is made for.
pub(crate) struct Request<'a> {
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its method.
    pub(crate) method: &'a str,
    /// Its URL, without query and fragment, as metadata names it.
    pub(crate) url: &'a str,
    /// The access token that goes with it.
    pub(crate) access_token: Option<&'a str>,
}

/// A proof that is right and was not spent yet.
pub(crate) struct Proof {
    jkt: String,
    jti: String,
    expires_at: Timestamp,
}

impl Proof {
    /// Notes the proof as used, when it is known that its sender may be here at all; gives out
    /// the thumbprint of its key. Of two who show it at once, one is first.
    pub(crate) async fn spend(self, kv: &impl Kv) -> Result<String, OauthError> {
        if replay::is_new(kv, "dpop", &self.jkt, &self.jti, self.expires_at).await? {
            return Ok(self.jkt);
        }
        Err(OauthError::DpopProof("the DPoP proof was used before"))
    }
}

/// The proof that a request carries, if it carries one (section 4.3).
pub(crate) async fn verify(
    kv: &impl Kv,
    request: &Request<'_>,
    environment: &Environment<'_>,
) -> Result<Option<Proof>, OauthError> {
    let mut proofs = request.headers.get_all(PROOF).iter();
    let Some(proof) = proofs.next() else { return Ok(None) };
    let refused = OauthError::DpopProof;
    if proofs.next().is_some() {
        return Err(refused("a request carries one DPoP proof"));
    }
    let proof = proof.to_str().ok().filter(|proof| proof.len() <= PROOF_LENGTH_MAX);
    let proof = proof.ok_or(refused("the DPoP proof is not a JWT"))?;
    let token = Unverified::parse(proof, PROOF_TYPE)
        .map_err(|_| refused("the DPoP proof is not an ES256 JWT of type dpop+jwt"))?;
    let jwk = token.header.jwk.clone().ok_or(refused("the DPoP proof carries no jwk"))?;
    let key = jwk.to_key().map_err(|_| refused("the DPoP proof's jwk is not a P-256 public key"))?;
    let payload = token
        .verify(&key)
        .map_err(|_| refused("the DPoP proof is not signed with the key that it carries"))?;
    let claims: Claims =
        serde_json::from_slice(&payload).map_err(|_| refused("a DPoP proof has jti, htm, htu and iat"))?;
    check(&claims, request)?;
    if !is_nonce(kv, claims.nonce.as_deref().unwrap_or_default(), environment).await? {
        return Err(OauthError::DpopNonce);
    }
    if !is_current(claims.iat, environment.now) {
        return Err(refused("the DPoP proof was not made within five minutes of now"));
    }
    let expires_at = claims.iat.saturating_mul(1000).saturating_add(2 * CLOCK_SKEW_MAX_MS);
    Ok(Some(Proof { jkt: jwk.thumbprint(), jti: claims.jti, expires_at }))
}

fn check(claims: &Claims, request: &Request<'_>) -> Result<(), OauthError> {
    if claims.htm != request.method {
        return Err(OauthError::DpopProof("htm is not the request's method"));
    }
    // Section 4.2: without query and fragment, so one that has them is another URL.
    if claims.htu != request.url {
        return Err(OauthError::DpopProof("htu is not this URL without query and fragment"));
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_LENGTH_MAX {
        return Err(OauthError::DpopProof("jti has 1 to 256 bytes"));
    }
    // Section 4.3, item 12: a proof that goes with an access token names it.
    if request.access_token.is_some_and(|token| claims.ath.as_deref() != Some(&hashed(token))) {
        return Err(OauthError::DpopProof("ath is not the hash of the access token"));
    }
    Ok(())
}

/// Gives an answer the nonce for the next proof.
pub(crate) async fn with_nonce(
    kv: &impl Kv,
    response: Response<Vec<u8>>,
    environment: &Environment<'_>,
) -> Response<Vec<u8>> {
    with(next_nonce(kv, environment).await, response)
}

/// Gives an answer a nonce. Without one it is still an answer: the client is told to ask again.
pub(crate) fn with(nonce: Option<HeaderValue>, mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    if let Some(nonce) = nonce {
        response.headers_mut().insert(NONCE, nonce);
    }
    response
}

/// The nonce for the next proof.
pub(crate) async fn next_nonce(kv: &impl Kv, environment: &Environment<'_>) -> Option<HeaderValue> {
    // Twice: a proof that comes with the request is checked with it as well.
    kv.ahead(&[secret::PATH.into(), secret::PATH.into()]).await.ok()?;
    let nonce = nonce(kv, environment.now / NONCE_MS, environment).await.ok()?;
    HeaderValue::from_str(&nonce).ok()
}

async fn is_nonce(kv: &impl Kv, given: &str, environment: &Environment<'_>) -> Result<bool, OauthError> {
    let now = environment.now / NONCE_MS;
    for window in [now, now.saturating_sub(1)] {
        let nonce = nonce(kv, window, environment).await?;
        if bool::from(nonce.as_bytes().ct_eq(given.as_bytes())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The nonce of a window of time: nobody can know it before, and nothing has to be kept.
async fn nonce(kv: &impl Kv, window: u64, environment: &Environment<'_>) -> Result<String, OauthError> {
    let mac = secret::mac(kv, "dpop-nonce", &[&window.to_be_bytes()], environment).await?;
    Ok(jose::encode(&mac[..16]))
}
