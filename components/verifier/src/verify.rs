//! Believing a presentation of a passport. Pure: the issuer's public keys and the
//! time come in, so a world verifies offline with what it fetched before.
//!
//! Nothing in a presentation chooses how it is verified. The issuer's key is found by
//! its id among the keys that were passed in, never in the token; the holder's key is
//! the one that the issuer signed; algorithm and types are fixed; and a key-binding JWT
//! is always required, so that whoever saw a passport cannot show it as their own.

use crate::keys::{KeySet, KeySetError};
use crate::sd_jwt::{self, Presentation, SdJwtError};
use crate::status::{StatusError, StatusList, StatusReference};
use crate::strict_json;
use p256::ecdsa::VerifyingKey;
use serde::Deserialize;
use serde_json::{Map, Value};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp, is_current};
use vwp_core::jose::{self, JoseError, Jwk, Unverified};

/// What kind of credential a passport is, with the version of its claims (SD-JWT VC, section
/// 2.2.2.1).
pub const PASSPORT_TYPE: &str = "urn:vwp:passport:1";
/// The media type of what the issuer signs (SD-JWT VC, section 2.2.1).
pub const PASSPORT_TOKEN_TYPE: &str = "dc+sd-jwt";
/// The type of the proof of possession with which a traveller asks for a passport (OpenID for
/// Verifiable Credential Issuance 1.0, appendix F.1).
pub const PROOF_TYPE: &str = "openid4vci-proof+jwt";
/// The type of a key-binding JWT (RFC 9901, section 4.3).
pub const KEY_BINDING_TYPE: &str = "kb+jwt";

/// Why a presentation was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresentationError {
    /// Its form, or its disclosures.
    #[error("{0}")]
    Form(#[from] SdJwtError),
    /// The keys to verify with.
    #[error("the issuer's keys: {0}")]
    Keys(#[from] KeySetError),
    /// What the issuer signed is not a JWS of a passport's kind.
    #[error("the passport: {0}")]
    PassportHeader(JoseError),
    /// No key with the id that the passport names.
    #[error("the passport was not signed with one of the issuer's keys")]
    UnknownKey,
    /// The issuer's signature.
    #[error("the issuer's signature does not match")]
    PassportSignature,
    /// A claim of the passport is missing or has another form.
    #[error("the passport's claims are not those of a passport: {0}")]
    PassportClaims(&'static str),
    /// Another issuer.
    #[error("the passport is of another issuer")]
    Issuer,
    /// Another kind of credential.
    #[error("the credential is not a passport")]
    Type,
    /// A copy for one world, shown to another.
    #[error("the passport is a copy for another world")]
    World,
    /// Too late.
    #[error("the passport has expired")]
    Expired,
    /// Too early.
    #[error("the passport is not valid yet")]
    NotYetValid,
    /// No key-binding JWT.
    #[error("the presentation has no key-binding JWT")]
    KeyBindingMissing,
    /// The key-binding JWT is not a JWS of its kind.
    #[error("the key-binding JWT: {0}")]
    KeyBindingHeader(JoseError),
    /// The holder's signature.
    #[error("the key-binding JWT was not signed with the key that the passport is bound to")]
    KeyBindingSignature,
    /// A claim of the key-binding JWT is missing or has another form.
    #[error("the key-binding JWT needs iat, aud, nonce and sd_hash, each once")]
    KeyBindingClaims,
    /// Meant for somebody else.
    #[error("the presentation is for another audience")]
    Audience,
    /// Not the verifier's nonce.
    #[error("the presentation has another nonce")]
    Nonce,
    /// Made too long ago, or in the future.
    #[error("the presentation was not made within five minutes of now")]
    Time,
    /// Made for other disclosures.
    #[error("the key-binding JWT was made for another presentation")]
    Hash,
    /// Revoked, or nobody knows whether it is.
    #[error("{0}")]
    Status(#[from] StatusError),
    /// Of an issuer whose keys are not pinned.
    #[error("the passport is of an issuer that is not trusted here")]
    Untrusted,
}

impl PresentationError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Form(SdJwtError::TooLong) => "presentation-too-long",
            Self::Form(SdJwtError::TooManyDisclosures) => "too-many-disclosures",
            Self::Form(SdJwtError::TooDeep) => "claims-too-deep",
            Self::Form(SdJwtError::Malformed) => "presentation-malformed",
            Self::Form(SdJwtError::Disclosure) => "disclosure-malformed",
            Self::Form(SdJwtError::DuplicateMember) => "member-duplicate",
            Self::Form(SdJwtError::DuplicateDigest) => "digest-duplicate",
            Self::Form(SdJwtError::Unreferenced) => "disclosure-unreferenced",
            Self::Form(SdJwtError::Forbidden) => "claim-not-disclosable",
            Self::Form(SdJwtError::Collision) => "claim-duplicate",
            Self::Form(SdJwtError::Algorithm) => "digest-algorithm-unknown",
            Self::Keys(_) => "key-set-malformed",
            Self::PassportHeader(_) => "passport-header",
            Self::UnknownKey => "issuer-key-unknown",
            Self::PassportSignature => "passport-signature",
            Self::PassportClaims(_) => "passport-claims",
            Self::Issuer => "issuer-mismatch",
            Self::Type => "passport-type",
            Self::World => "passport-audience",
            Self::Expired => "passport-expired",
            Self::NotYetValid => "passport-not-yet-valid",
            Self::KeyBindingMissing => "key-binding-missing",
            Self::KeyBindingHeader(_) => "key-binding-header",
            Self::KeyBindingSignature => "key-binding-signature",
            Self::KeyBindingClaims => "key-binding-claims",
            Self::Audience => "audience-mismatch",
            Self::Nonce => "nonce-mismatch",
            Self::Time => "presentation-not-current",
            Self::Hash => "key-binding-hash",
            Self::Status(error) => error.slug(),
            Self::Untrusted => "issuer-not-trusted",
        }
    }
}

/// What a verifier expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Whose passports are accepted: `iss`.
    pub issuer: &'a str,
    /// Who verifies: `aud` of the key-binding JWT. Where it was asked for over OpenID4VP that is the
    /// whole client identifier with its prefix (OpenID4VP 1.0, section 14, “Always Use the Full Client
    /// Identifier”), which is no world's name.
    pub audience: &'a str,
    /// The world that verifies, by its name: a copy for one world is good there and nowhere else. Who
    /// asks under the world's name, or is no world, has the audience here too.
    pub world: &'a str,
    /// The verifier's nonce.
    pub nonce: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// Who asks for a presentation, whichever issuer it is of: what [`Expected`] has beside the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking<'a> {
    /// Who verifies, as in [`Expected::audience`].
    pub audience: &'a str,
    /// The world that verifies, as in [`Expected::world`].
    pub world: &'a str,
    /// The verifier's nonce.
    pub nonce: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Asking<'a> {
    /// The same of one issuer.
    pub fn of(self, issuer: &'a str) -> Expected<'a> {
        let Self { audience, world, nonce, now } = self;
        Expected { issuer, audience, world, nonce, now }
    }
}

/// A passport that was believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Passport {
    /// The traveller's id, if it was disclosed.
    pub traveller: Option<String>,
    /// The traveller's handle, if it was disclosed.
    pub handle: Option<String>,
    /// The thumbprint of the traveller's key (RFC 7638).
    pub holder: String,
    /// The traveller's pairwise subject, in a copy for one world.
    pub subject: Option<String>,
    /// When the passport ends, in seconds.
    pub expires_at_s: u64,
    /// Where its status is, if it has one.
    pub status: Option<StatusReference>,
    /// What names this presentation, for verifiers that remember what was shown: a digest of
    /// what the holder signed, which a second form of the signature does not change.
    pub presentation: String,
    /// All claims: the signed ones and the disclosed ones.
    pub claims: Map<String, Value>,
}

/// Verifies a presentation with a JWK Set as it was fetched from the issuer.
pub fn verify_offline(
    presentation: &str,
    key_set: &str,
    expected: &Expected<'_>,
) -> Result<Passport, PresentationError> {
    verify(presentation, &KeySet::from_json(key_set)?, expected)
}

/// Verifies a presentation and its passport's status, by a signed list that is at most
/// `age_max_s` seconds old. A passport that names no status is refused.
pub fn verify_with_status(
    presentation: &str,
    keys: &KeySet,
    status_list: &str,
    age_max_s: u64,
    expected: &Expected<'_>,
) -> Result<Passport, PresentationError> {
    let passport = verify(presentation, keys, expected)?;
    let reference = passport.status.as_ref().ok_or(StatusError::Missing)?;
    let list = StatusList::verify(status_list, keys, &reference.uri, expected.now)?;
    list.check(reference, age_max_s, expected.now)?;
    Ok(passport)
}

/// The issuer that a presentation says it is of. Nothing is believed yet: it chooses among
/// issuers whose keys are pinned, and is compared again when the signature was checked.
pub fn claimed_issuer(presentation: &str) -> Result<String, PresentationError> {
    let presentation = Presentation::parse(presentation)?;
    let payload = presentation.issuer_jwt.split('.').nth(1).unwrap_or_default();
    let payload = jose::decode(payload).map_err(PresentationError::PassportHeader)?;
    let claims = strict_json::parse_object(&payload).map_err(SdJwtError::from)?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(PresentationError::Issuer)
}

/// Verifies a presentation (RFC 9901, section 7.3).
pub fn verify(
    presentation: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
) -> Result<Passport, PresentationError> {
    let presentation = Presentation::parse(presentation)?;
    if presentation.key_binding.is_none() {
        return Err(PresentationError::KeyBindingMissing);
    }
    let token = Unverified::parse(presentation.issuer_jwt, PASSPORT_TOKEN_TYPE)
        .map_err(PresentationError::PassportHeader)?;
    let kid = token.header.kid.as_deref().ok_or(PresentationError::UnknownKey)?;
    let key = keys.get(kid).ok_or(PresentationError::UnknownKey)?;
    let key = key.to_key().map_err(|_| PresentationError::UnknownKey)?;
    let claims = believe(token, &key, &presentation)?;
    let expires_at_s = check_claims(&claims, expected)?;
    let holder = holder_key(&claims)?;
    check_key_binding(&presentation, &holder, expected)?;
    let status =
        StatusReference::from_claims(&claims).map_err(|_| PresentationError::PassportClaims("status"))?;
    let key_binding = presentation.key_binding.unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Passport {
        traveller: text("traveller"),
        handle: text("handle"),
        holder: holder.thumbprint(),
        subject: text("sub"),
        expires_at_s,
        status,
        presentation: sd_jwt::digest(signing_input(key_binding)),
        claims,
    })
}

/// Checks the signature over what was issued and puts the disclosed claims in (section 7.1).
pub fn believe(
    token: Unverified<'_>,
    key: &VerifyingKey,
    presentation: &Presentation<'_>,
) -> Result<Map<String, Value>, PresentationError> {
    let payload = token.verify(key).map_err(|_| PresentationError::PassportSignature)?;
    let claims = strict_json::parse_object(&payload).map_err(SdJwtError::from)?;
    Ok(sd_jwt::process(claims, &presentation.disclosures)?)
}

/// What a compact JWS signs: all of it but the signature.
pub fn signing_input(compact: &str) -> &str {
    compact.rsplit_once('.').map_or(compact, |(signed, _)| signed)
}

/// Checks who issued the passport, what it is and when it holds; gives out its end.
fn check_claims(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<u64, PresentationError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(PresentationError::Issuer);
    }
    if text("vct") != Some(PASSPORT_TYPE) {
        return Err(PresentationError::Type);
    }
    if claims.get("aud").is_some_and(|aud| aud.as_str() != Some(expected.world)) {
        return Err(PresentationError::World);
    }
    let time = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(PresentationError::PassportClaims(name)),
    };
    let exp = time("exp")?.ok_or(PresentationError::PassportClaims("exp"))?;
    let iat = time("iat")?.ok_or(PresentationError::PassportClaims("iat"))?;
    if exp.saturating_mul(1000) <= expected.now {
        return Err(PresentationError::Expired);
    }
    let begins_at = iat.max(time("nbf")?.unwrap_or(0)).saturating_mul(1000);
    if begins_at > expected.now.saturating_add(CLOCK_SKEW_MAX_MS) {
        return Err(PresentationError::NotYetValid);
    }
    Ok(exp)
}

/// The key that the passport is bound to (RFC 7800, section 3.2).
fn holder_key(claims: &Map<String, Value>) -> Result<Jwk, PresentationError> {
    let refused = PresentationError::PassportClaims("cnf");
    let jwk = claims.get("cnf").and_then(|cnf| cnf.get("jwk")).ok_or_else(|| refused.clone())?;
    serde_json::from_value(jwk.clone()).map_err(|_| refused)
}

/// The claims of a key-binding JWT; others may be there (RFC 9901, section 4.3).
#[derive(Deserialize)]
struct KeyBindingClaims {
    iat: u64,
    aud: String,
    nonce: String,
    sd_hash: String,
    exp: Option<u64>,
    nbf: Option<u64>,
}

/// Checks that the holder made this presentation, for this verifier, just now
/// (section 7.3, step 5).
pub fn check_key_binding(
    presentation: &Presentation<'_>,
    holder: &Jwk,
    expected: &Expected<'_>,
) -> Result<(), PresentationError> {
    let compact = presentation.key_binding.ok_or(PresentationError::KeyBindingMissing)?;
    let token = Unverified::parse(compact, KEY_BINDING_TYPE).map_err(PresentationError::KeyBindingHeader)?;
    let key = holder.to_key().map_err(|_| PresentationError::PassportClaims("cnf"))?;
    let payload = token.verify(&key).map_err(|_| PresentationError::KeyBindingSignature)?;
    let refused = |_| PresentationError::KeyBindingClaims;
    let claims = strict_json::parse_object(&payload).map_err(|_| PresentationError::KeyBindingClaims)?;
    let claims: KeyBindingClaims = serde_json::from_value(Value::Object(claims)).map_err(refused)?;
    if claims.aud != expected.audience {
        return Err(PresentationError::Audience);
    }
    // An empty nonce would be the same every time, so it protects nobody.
    if claims.nonce != expected.nonce || expected.nonce.is_empty() {
        return Err(PresentationError::Nonce);
    }
    let now_s = expected.now / 1000;
    let has_ended = claims.exp.is_some_and(|exp| exp <= now_s);
    let begins_later = claims.nbf.is_some_and(|nbf| nbf > now_s && !is_current(nbf, expected.now));
    if !is_current(claims.iat, expected.now) || has_ended || begins_later {
        return Err(PresentationError::Time);
    }
    if claims.sd_hash != sd_jwt::digest(presentation.hashed) {
        return Err(PresentationError::Hash);
    }
    Ok(())
}
