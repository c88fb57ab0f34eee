//! The name of a traveller in one world: a pairwise identifier (OpenID Connect Core, section
//! 8.1), so that two worlds that compare their lists find nobody twice.

use super::error::OauthError;
use super::secret;
use vwp_core::{Environment, jose};
use vwp_storage::Kv;

/// The `sub` of a traveller in a sector, which is all clients of a world or one wallet: the same at
/// every visit, and derived with the provider's secret, so that it says nothing about the traveller.
pub async fn subject(
    kv: &impl Kv,
    sector: &str,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<String, OauthError> {
    let parts = [sector.as_bytes(), traveller.as_bytes()];
    Ok(jose::encode(secret::mac(kv, "subject", &parts, environment).await?))
}
