//! The claims of an action.

use crate::error::DiscoveryError;
use crate::operators::error::OperatorError;
use crate::place;
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use vwp_core::environment::is_current;
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};

/// The type of a signed action.
pub const ACTION_TYPE: &str = "vwp-action+jws";
/// The longest signed action, in bytes.
pub const ACTION_LENGTH_MAX: usize = 4096;
/// The longest time from `iat` to `exp`, in seconds.
pub const ACTION_LIFETIME_MAX_S: u64 = 300;
/// The length of a thumbprint: 32 bytes in base64url.
const THUMBPRINT_LENGTH: usize = 43;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Takes a world out of the registry; its name stays its operator's for 30 days.
    Withdraw,
    /// Offers a name to another operator.
    Transfer,
    /// Takes a name that was offered.
    Accept,
    /// Adds a key of the operator's.
    AddKey,
    /// Takes a key of the operator's away.
    RevokeKey,
    /// Sets the recovery key, or takes it away.
    SetRecovery,
    /// Signed with the recovery key: asks for a new key in place of all others.
    Recover,
    /// Stops a recovery.
    Object,
}

impl Kind {
    /// The action's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Withdraw => "withdraw",
            Self::Transfer => "transfer",
            Self::Accept => "accept",
            Self::AddKey => "add-key",
            Self::RevokeKey => "revoke-key",
            Self::SetRecovery => "set-recovery",
            Self::Recover => "recover",
            Self::Object => "object",
        }
    }
}

/// The claims of an action, as signed. Each action has the fields that it needs and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// What is to be done.
    pub action: Kind,
    /// The world's name: of `withdraw`, `transfer` and `accept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operator who is to have the name: of `transfer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The new key: of `add-key` and `recover`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Jwk>,
    /// The key's thumbprint (RFC 7638): of `revoke-key`, and of `set-recovery`, where it may
    /// be left out so that there is no recovery key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
    /// Larger than that of the last record or action about the same name or operator.
    pub seq: u64,
    /// When it was signed, in seconds.
    pub iat: u64,
    /// When it ends, in seconds; at most five minutes later.
    pub exp: u64,
    /// The port's URL.
    pub aud: String,
}

/// An action with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// See [`Kind::Withdraw`].
    Withdraw {
        /// The world's name.
        name: WorldName,
    },
    /// See [`Kind::Transfer`].
    Transfer {
        /// The world's name.
        name: WorldName,
        /// The operator who is to have it.
        to: String,
    },
    /// See [`Kind::Accept`].
    Accept {
        /// The world's name.
        name: WorldName,
    },
    /// See [`Kind::AddKey`].
    AddKey {
        /// The new key.
        key: Jwk,
    },
    /// See [`Kind::RevokeKey`].
    RevokeKey {
        /// The key's thumbprint.
        thumbprint: String,
    },
    /// See [`Kind::SetRecovery`].
    SetRecovery {
        /// The recovery key's thumbprint; none: no recovery key.
        thumbprint: Option<String>,
    },
    /// See [`Kind::Recover`].
    Recover {
        /// The new key.
        key: Jwk,
    },
    /// See [`Kind::Object`].
    Object,
}

impl Action {
    /// The world's name, if the action is about one.
    pub fn name(&self) -> Option<&WorldName> {
        match self {
            Self::Withdraw { name } | Self::Transfer { name, .. } | Self::Accept { name } => Some(name),
            _ => None,
        }
    }
}

impl Claims {
    /// Reads a verified payload and checks everything that needs no store.
    pub(crate) fn parse(payload: &[u8], environment: &Environment<'_>) -> Result<(Self, Action), Problem> {
        let claims: Self = serde_json::from_slice(payload)
            .map_err(|error| bad(format!("the payload is not an action: {error}")))?;
        let issuer = &environment.settings.issuer;
        if claims.aud != *issuer {
            return Err(DiscoveryError::WrongAudience(issuer.clone()).into());
        }
        if claims.exp <= environment.now_seconds() {
            return Err(DiscoveryError::RecordExpired.into());
        }
        if !is_current(claims.iat, environment.now) {
            return Err(DiscoveryError::ClockSkew { now: environment.now_seconds() }.into());
        }
        if claims.exp.saturating_sub(claims.iat) > ACTION_LIFETIME_MAX_S {
            return Err(bad("exp is more than 300 seconds after iat"));
        }
        if claims.seq > crate::record::SEQ_MAX {
            return Err(bad("seq is at most 9007199254740991"));
        }
        let action = claims.clone().action(environment)?;
        Ok((claims, action))
    }

    fn action(self, environment: &Environment<'_>) -> Result<Action, Problem> {
        let Self { action, name, to, key, thumbprint, .. } = self;
        let name = name.map(|name| place::world(&name, environment.settings)).transpose()?;
        if ![&to, &thumbprint].into_iter().flatten().all(|id| is_operator_id(id)) {
            return Err(bad("to and thumbprint are SHA-256 thumbprints (RFC 7638) in base64url"));
        }
        match (action, name, to, key, thumbprint) {
            (Kind::Withdraw, Some(name), None, None, None) => Ok(Action::Withdraw { name }),
            (Kind::Transfer, Some(name), Some(to), None, None) => Ok(Action::Transfer { name, to }),
            (Kind::Accept, Some(name), None, None, None) => Ok(Action::Accept { name }),
            (Kind::AddKey, None, None, Some(key), None) => Ok(Action::AddKey { key }),
            (Kind::RevokeKey, None, None, None, Some(thumbprint)) => Ok(Action::RevokeKey { thumbprint }),
            (Kind::SetRecovery, None, None, None, thumbprint) => Ok(Action::SetRecovery { thumbprint }),
            (Kind::Recover, None, None, Some(key), None) => Ok(Action::Recover { key }),
            (Kind::Object, None, None, None, None) => Ok(Action::Object),
            _ => Err(bad("the action lacks a field that it needs, or has one that it does not")),
        }
    }
}

/// Whether a text is the id of an operator, or of a key: a thumbprint in base64url.
pub fn is_operator_id(text: &str) -> bool {
    text.len() == THUMBPRINT_LENGTH && jose::decode(text).is_ok()
}

/// Signs an action for an operator. The header carries the key, so that an operator that is
/// new to the port can act, and so that a recovery key can be told.
pub fn sign(claims: &Claims, operator: &str, key: &SigningKey) -> String {
    let jwk = Jwk::from_key(key.verifying_key());
    let header = Header::new(ACTION_TYPE).with_kid(operator).with_jwk(jwk);
    // Claims are texts and numbers, whose serialisation cannot fail.
    jose::sign(&header, &serde_json::to_vec(claims).unwrap_or_default(), key)
}

fn bad(why: impl Into<String>) -> Problem {
    OperatorError::BadAction(why.into()).into()
}
