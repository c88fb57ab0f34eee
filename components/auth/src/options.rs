//! The component's own variables. Each has a default, so a manifest need not mention it.

use crate::limits::guard::HASHES_PER_SECOND;
use crate::limits::network::TRUSTED_PROXIES;
use crate::openid4vp::{CERTIFICATES, KEY};
use crate::passkeys::RELATED_ORIGINS;
use crate::upstream::providers::{PROVIDERS, SECRETS};
use std::fmt::Display;
use vwp_core::environment::Settings;
use vwp_core::{Problem, resolver};

/// The names of the options.
pub const OPTIONS: &[&str] = &[
    TRUSTED_PROXIES,
    HASHES_PER_SECOND,
    RELATED_ORIGINS,
    PROVIDERS,
    SECRETS,
    CERTIFICATES,
    KEY,
    resolver::URL,
];

/// What an option is set to, if to anything.
pub(crate) fn given<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    settings.options.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// The name helps whoever runs the port, in the log; a caller learns nothing of it.
pub(crate) fn misconfigured(name: &str, fault: impl Display) -> Problem {
    eprintln!("variable {name}: {fault}");
    Problem::internal()
}
