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
    /// Passports for any world (OpenID4VCI 1.0, section 5.1.2).
    Passport,
}

impl Scope {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Openid, Self::Profile, Self::OfflineAccess, Self::Passport];

    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Openid => "openid",
            Self::Profile => "profile",
            Self::OfflineAccess => "offline_access",
            Self::Passport => "passport",
        }
    }

    /// What the person is told.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Openid => "A name for you that nobody else knows, to recognise you when you come again",
            Self::Profile => "Your handle",
            Self::OfflineAccess => "All of that also while you are away, until you end it",
            Self::Passport => {
                "Passports of yours, which tell any world everything that is in your profile, and your id"
            }
        }
    }
}

/// Reads a list with spaces between (RFC 6749, section 3.3), in a fixed order and each once.
pub(crate) fn parse(text: &str) -> Result<Vec<Scope>, OauthError> {
    let names = || text.split(' ').filter(|name| !name.is_empty());
    // OpenID4VCI 1.0, section 5.1.2: who asks for credentials may name scopes that are not known here.
    let is_lenient = names().any(|name| name == Scope::Passport.name());
    let mut scopes = Vec::new();
    for name in names() {
        match Scope::ALL.into_iter().find(|scope| scope.name() == name) {
            Some(scope) => scopes.push(scope),
            None if is_lenient => {}
            None => return Err(OauthError::Scope),
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() { Err(OauthError::Scope) } else { Ok(scopes) }
}

/// Writes the list.
pub(crate) fn shown(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}
