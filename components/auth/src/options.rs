//! The component's own variables. Each has a default, so a manifest need not mention it.

use crate::limits::guard::HASHES_PER_SECOND;
use crate::limits::network::TRUSTED_PROXIES;
use crate::passkeys::RELATED_ORIGINS;
use crate::upstream::providers::{PROVIDERS, SECRETS};
use vwp_core::resolver;

/// The names of the options.
pub const OPTIONS: &[&str] =
    &[TRUSTED_PROXIES, HASHES_PER_SECOND, RELATED_ORIGINS, PROVIDERS, SECRETS, resolver::URL];
