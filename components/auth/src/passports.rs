//! Passports: SD-JWT credentials (SD-JWT VC) that say who a traveller is and are bound
//! to a key that only the traveller has.
//!
//! A passport shows nothing of the traveller by itself: the id and the handle are
//! disclosed one by one, by the traveller. To get one, the traveller proves to have the key
//! (OpenID for Verifiable Credential Issuance 1.0, appendix F.1). A proof serves one
//! traveller, so that somebody who overhears it cannot have the key bound to another name.

use crate::accounts;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::keys;
use crate::sd_jwt;
use crate::strict_json;
use crate::verify::{self, Expected, Passport};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp, is_current};
use vwp_core::jose::{self, JoseError, Jwk, Unverified};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// What kind of credential a passport is (SD-JWT VC, section 2.2.2.1).
pub const PASSPORT_TYPE: &str = "urn:vwp:passport:1";
/// The media type of what the issuer signs (SD-JWT VC, section 2.2.1).
pub const PASSPORT_TOKEN_TYPE: &str = "dc+sd-jwt";
/// The type of a proof of possession.
pub const PROOF_TYPE: &str = "openid4vci-proof+jwt";
/// How long a passport is valid, in seconds.
pub const LIFETIME_S: u64 = 24 * 3600;
/// The longest proof that is looked at, in bytes.
pub const PROOF_LENGTH_MAX: usize = 4096;

/// Why a proof of possession was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Longer than the bound.
    #[error("the proof is too long")]
    TooLong,
    /// Not a JWS of a proof's kind.
    #[error("the proof: {0}")]
    Header(JoseError),
    /// The key is not in the header, or not the only one that is named there.
    #[error("the header must carry the key as jwk, and must not name one with kid")]
    Key,
    /// Not signed with the key that it carries.
    #[error("the proof was not signed with the key that it carries")]
    Signature,
    /// A claim is missing or has another form.
    #[error("the proof needs aud and iat, each once")]
    Claims,
    /// Meant for somebody else.
    #[error("the proof is for another issuer")]
    Audience,
    /// Made too long ago, or in the future.
    #[error("the proof was not made within five minutes of now")]
    Time,
    /// Shown by another traveller before.
    #[error("the proof was shown by another traveller; make a new one")]
    Used,
}

impl ProofError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::TooLong => "proof-too-long",
            Self::Header(_) => "proof-header",
            Self::Key => "proof-key",
            Self::Signature => "proof-signature",
            Self::Claims => "proof-claims",
            Self::Audience => "proof-audience",
            Self::Time => "proof-not-current",
            Self::Used => "proof-used",
        }
    }
}

/// A passport that was just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The SD-JWT with all disclosures and without a key binding.
    pub passport: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: Timestamp,
}

/// The claims of a proof; others may be there.
#[derive(Deserialize)]
struct ProofClaims {
    aud: String,
    iat: u64,
}

/// Issues a passport to a traveller who is signed in.
pub async fn issue(
    kv: &impl Kv,
    traveller: &str,
    proof: &str,
    environment: &Environment<'_>,
) -> Result<Issued, AuthError> {
    let holder = verify_proof(proof, environment)?;
    let traveller = accounts::traveller(kv, traveller).await?;
    claim(kv, proof, &traveller.id, environment).await?;
    let key = keys::active(kv, environment).await?;
    let iat = environment.now_seconds();
    let exp = iat.saturating_add(LIFETIME_S);
    let disclosures = [
        sd_jwt::disclosure("traveller", &traveller.id.into(), environment),
        sd_jwt::disclosure("handle", &traveller.handle.into(), environment),
    ];
    let mut claims: Map<String, Value> = Map::new();
    claims.insert("iss".into(), environment.settings.issuer.clone().into());
    claims.insert("vct".into(), PASSPORT_TYPE.into());
    claims.insert("iat".into(), iat.into());
    claims.insert("exp".into(), exp.into());
    claims.insert("cnf".into(), json!({ "jwk": holder }));
    sd_jwt::conceal(&mut claims, &disclosures);
    let header = jose::Header::new(PASSPORT_TOKEN_TYPE).with_kid(key.kid);
    let signed = jose::sign(&header, Value::Object(claims).to_string().as_bytes(), &key.key);
    let passport = format!("{signed}~{}~", disclosures.join("~"));
    Ok(Issued { passport, expires_at: exp.saturating_mul(1000) })
}

/// Verifies a presentation of one of this port's passports with the published keys.
pub async fn verify(
    kv: &impl Kv,
    presentation: &str,
    audience: &str,
    nonce: &str,
    environment: &Environment<'_>,
) -> Result<Passport, AuthError> {
    let keys = keys::published(kv, environment).await?;
    let issuer = &environment.settings.issuer;
    let expected = Expected { issuer, audience, nonce, now: environment.now };
    Ok(verify::verify(presentation, &keys, &expected)?)
}

/// Checks a proof and gives out the key that it proves.
fn verify_proof(proof: &str, environment: &Environment<'_>) -> Result<Jwk, ProofError> {
    if proof.len() > PROOF_LENGTH_MAX {
        return Err(ProofError::TooLong);
    }
    let token = Unverified::parse(proof, PROOF_TYPE).map_err(ProofError::Header)?;
    if token.header.kid.is_some() {
        return Err(ProofError::Key);
    }
    let jwk = token.header.jwk.clone().ok_or(ProofError::Key)?;
    let key = jwk.to_key().map_err(|_| ProofError::Key)?;
    let payload = token.verify(&key).map_err(|_| ProofError::Signature)?;
    let claims = strict_json::parse_object(&payload).map_err(|_| ProofError::Claims)?;
    let claims: ProofClaims =
        serde_json::from_value(Value::Object(claims)).map_err(|_| ProofError::Claims)?;
    if claims.aud != environment.settings.issuer {
        return Err(ProofError::Audience);
    }
    if !is_current(claims.iat, environment.now) {
        return Err(ProofError::Time);
    }
    // From the point itself, so that nothing else that came in is signed.
    Ok(Jwk::from_key(&key))
}

/// Ties a proof to the traveller who shows it first. The same traveller may show it
/// again, so that a request whose answer was lost can be repeated.
async fn claim(
    kv: &impl Kv,
    proof: &str,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    // Without the signature, of which anybody can make a second valid form.
    let signed = proof.rsplit_once('.').map_or(proof, |(signed, _)| signed);
    let key = format!("auth/proof/{}", jose::encode(Sha256::digest(signed.as_bytes()))).into_bytes();
    let put = Write::Put {
        key: key.clone(),
        value: traveller.into(),
        // Twice the skew from its earliest to its latest acceptable moment, and a clock's skew.
        expires_at: Some(environment.now.saturating_add(3 * CLOCK_SKEW_MAX_MS)),
    };
    let event = Event::traveller(Kind::PassportIssued, traveller);
    match audit::commit(kv, &event, &[Check::absent(key.clone())], &[put], environment).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Conflict(_) => match kv.get(&key).await? {
            Some(entry) if entry.value == traveller.as_bytes() => {
                audit::record(kv, &event, environment).await
            }
            _ => Err(ProofError::Used.into()),
        },
        _ => Err(Problem::internal().into()),
    }
}
