//! What a world may learn and do.

use super::error::OauthError;
use serde::{Deserialize, Serialize};

/// One thing that a world asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// To recognise the traveller: OpenID Connect Core, section 3.1.2.1.
    Openid,
    /// The handle (section 5.4).
    Profile,
    /// Access while the traveller is away (section 11).
    OfflineAccess,
}

impl Scope {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Openid, Self::Profile, Self::OfflineAccess];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Openid => "openid",
            Self::Profile => "profile",
            Self::OfflineAccess => "offline_access",
        }
    }

    /// What the person is told.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Openid => "A name for you that only this world knows, to recognise you when you come again",
            Self::Profile => "Your handle",
            Self::OfflineAccess => "Both of that also while you are away, until you end it",
        }
    }
}

/// Reads a list with spaces between (RFC 6749, section 3.3), in a fixed order and each once.
pub(crate) fn parse(text: &str) -> Result<Vec<Scope>, OauthError> {
    let mut scopes = Vec::new();
    for name in text.split(' ').filter(|name| !name.is_empty()) {
        scopes.push(Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or(OauthError::Scope)?);
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() { Err(OauthError::Scope) } else { Ok(scopes) }
}

/// Writes the list.
pub(crate) fn shown(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}
