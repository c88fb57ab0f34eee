//! The nonces of proofs (OpenID4VCI 1.0, section 7). Anybody may ask for one, so nothing is kept
//! when it is given out: it is random bytes and its end, with a MAC of this port. It is kept when
//! it is used, until it would have ended, so that it is good once.

use crate::error::AuthError;
use crate::passports::ProofError;
use crate::provider::{error::OauthError, hashed, secret};
use subtle::ConstantTimeEq;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// How long a nonce is good, in milliseconds: as long as a proof is current.
pub(crate) const LIFETIME_MS: u64 = 5 * 60 * 1000;
/// The bytes of a nonce: random ones, the end, and the MAC.
const RANDOM_BYTES: usize = 16;
const END_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
const BYTES: usize = RANDOM_BYTES + END_BYTES + MAC_BYTES;

/// A nonce that is good, as far as it was not used before.
pub(crate) struct Nonce {
    key: Vec<u8>,
    expires_at: Timestamp,
}

impl Nonce {
    /// Where its use is noted.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The check and the write that use it up.
    pub(crate) fn spend(&self) -> (Check, Write) {
        let put = Write::Put { key: self.key.clone(), value: Vec::new(), expires_at: Some(self.expires_at) };
        (Check::absent(self.key.clone()), put)
    }
}

/// Makes a nonce.
pub(crate) async fn make(kv: &impl Kv, environment: &Environment<'_>) -> Result<String, OauthError> {
    let end = environment.now.saturating_add(LIFETIME_MS);
    let mut nonce = environment.random_bytes::<RANDOM_BYTES>().to_vec();
    nonce.extend(end.to_be_bytes());
    let mac = secret::mac(kv, "c-nonce", &[&nonce], environment).await?;
    nonce.extend(&mac[..MAC_BYTES]);
    Ok(jose::encode(nonce))
}

/// Checks that this port made a nonce, and that it has not ended.
pub(crate) async fn believe(
    kv: &impl Kv,
    nonce: &str,
    environment: &Environment<'_>,
) -> Result<Nonce, AuthError> {
    let refused = || AuthError::from(ProofError::Nonce);
    // Base64url makes four characters of three bytes; what is longer is not decoded.
    let bytes =
        Some(nonce).filter(|nonce| nonce.len() <= BYTES * 2).and_then(|nonce| jose::decode(nonce).ok());
    let bytes = bytes.filter(|bytes| bytes.len() == BYTES).ok_or_else(refused)?;
    let (signed, given) = bytes.split_at(BYTES - MAC_BYTES);
    let mac = secret::mac(kv, "c-nonce", &[signed], environment).await.map_err(OauthError::shared)?;
    if !bool::from(mac[..MAC_BYTES].ct_eq(given)) {
        return Err(refused());
    }
    let end = signed.last_chunk::<END_BYTES>().ok_or_else(refused)?;
    let expires_at = u64::from_be_bytes(*end);
    if expires_at <= environment.now {
        return Err(refused());
    }
    Ok(Nonce { key: format!("auth/openid4vci/nonce/{}", hashed(bytes)).into_bytes(), expires_at })
}
