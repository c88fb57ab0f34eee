//! The provider's own secret: made on first use, sealed at rest, and never changed, because
//! the names that travellers have in worlds are derived from it.

use super::error::OauthError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// Where it is kept, and what it is sealed for.
pub(crate) const PATH: &str = "auth/oauth/secret";
/// How often reading is tried when others make the secret at the same time.
const TRIES_MAX: usize = 4;

/// HMAC-SHA-256 of some parts under the secret, for one purpose. Each part goes in with its
/// length, so that no two lists of parts are the same bytes.
pub(crate) async fn mac(
    kv: &impl Kv,
    purpose: &str,
    parts: &[&[u8]],
    environment: &Environment<'_>,
) -> Result<[u8; 32], OauthError> {
    let secret = load(kv, environment).await?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).map_err(|_| Problem::internal())?;
    for part in [purpose.as_bytes()].iter().chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}

async fn load(kv: &impl Kv, environment: &Environment<'_>) -> Result<Vec<u8>, OauthError> {
    for _ in 0..TRIES_MAX {
        if let Some(entry) = kv.get(PATH.as_bytes()).await? {
            let sealed: Sealed = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
            return Ok(seal::unseal(PATH, &sealed, environment)?);
        }
        let sealed = seal::seal(PATH, &environment.random_bytes::<32>(), environment)?;
        let value = serde_json::to_vec(&sealed).map_err(|_| Problem::internal())?;
        // Whoever was first made the secret; the others read it in the next round.
        kv.commit(&[Check::absent(PATH)], &[Write::put(PATH, value)]).await?;
    }
    Err(Problem::unavailable("the provider's secret cannot be made now").into())
}
