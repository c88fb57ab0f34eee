//! How often something may happen in a while: a counter that ends with its window.

use super::error::OauthError;
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Item, KeyRange, Outcome, Write};

/// What is bounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    /// What is counted: a part of a key.
    pub(crate) name: &'static str,
    /// How often it may happen in a window.
    pub(crate) count_max: i64,
    /// How long a window is, in milliseconds.
    pub(crate) window_ms: u64,
}

impl Quota {
    /// Takes one for somebody; whether there was one left. `who` is an id of bounded length.
    pub(crate) async fn take(
        &self,
        kv: &impl Kv,
        who: &str,
        environment: &Environment<'_>,
    ) -> Result<bool, OauthError> {
        let window = environment.now / self.window_ms;
        let key = format!("auth/oauth/quota/{}/{who}/{window:x}", self.name).into_bytes();
        if kv.get(&key).await?.is_none() {
            let zero = Write::Put {
                key: key.clone(),
                value: 0_i64.to_le_bytes().to_vec(),
                expires_at: Some((window + 2).saturating_mul(self.window_ms)),
            };
            // Whoever was first made the counter.
            kv.commit(&[Check::absent(key.clone())], &[zero]).await?;
        }
        let one = Write::Add { key, delta: 1, minimum: 0, maximum: self.count_max };
        Ok(matches!(kv.commit(&[], &[one]).await?, Outcome::Committed(_)))
    }
}

/// The oldest items of a list, if it is so long that it must lose some before it gets one more.
/// The keys of the list begin with the time.
pub(crate) async fn surplus(kv: &impl Kv, prefix: &str, length_max: u32) -> Result<Vec<Item>, OauthError> {
    let page = kv.scan(&KeyRange::prefix(prefix), length_max + 8, Direction::Forward).await?;
    let count = page.items.len().saturating_sub(length_max as usize - 1);
    Ok(page.items.into_iter().take(count).collect())
}
