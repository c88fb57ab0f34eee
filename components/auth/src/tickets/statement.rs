//! What operators sign for their worlds: who is banned, who gets in now, what was granted, and
//! that a ticket is asked for. Each is a compact JWS of its own type, whose `kid` is the
//! operator's id.
//!
//! A statement counts if it is newer than the last one about the same thing: its `seq` is
//! larger (the time in milliseconds will do). So somebody who kept an old statement cannot
//! bring back what it said.

use super::require_operator;
use crate::error::AuthError;
use crate::strict_json;
use ::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vwp_core::caller::verify_operator_body;
use vwp_core::environment::is_current;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// The longest signed statement, in bytes.
pub const STATEMENT_LENGTH_MAX: usize = 8192;
/// The largest `seq`: the largest integer that every JSON reader keeps exactly (RFC 7493,
/// section 2.2).
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A rule about its matter.
    #[error("{0}")]
    Rule(&'static str),
    /// For another port.
    #[error("aud is not this port")]
    Audience,
    /// Made too long ago, or in the future.
    #[error("iat is more than five minutes away from this port's clock")]
    Time,
    /// Not newer than the last one about the same thing.
    #[error("seq must be larger than in the last statement about the same")]
    Replayed,
}

impl StatementError {
    pub(crate) fn into_problem(self) -> Problem {
        let detail = self.to_string();
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::Rule(_) => {
                Problem::new(unprocessable, "statement-unacceptable", "The statement breaks a rule", detail)
            }
            Self::Audience => {
                Problem::new(unprocessable, "wrong-audience", "The statement is for another port", detail)
            }
            Self::Time => {
                Problem::new(unprocessable, "clock-skew", "The statement was not made just now", detail)
            }
            Self::Replayed => {
                Problem::new(StatusCode::CONFLICT, "statement-replayed", "The statement is not new", detail)
            }
        }
    }
}

/// The claims that every statement has.
#[derive(Debug, Clone, Deserialize)]
struct Frame {
    aud: String,
    iat: u64,
    seq: u64,
    world: String,
}

/// A statement that was believed: which world it is about, its `seq` and its matter.
pub struct Statement<T> {
    /// The world, whose operator signed.
    pub world: WorldName,
    /// Larger in every later statement about the same.
    pub seq: u64,
    /// What it says.
    pub matter: T,
}

/// Believes a statement of a type.
pub async fn verify<T: DeserializeOwned>(
    kv: &impl Kv,
    compact: &str,
    typ: &str,
    environment: &Environment<'_>,
) -> Result<Statement<T>, AuthError> {
    if compact.len() > STATEMENT_LENGTH_MAX {
        return Err(vwp_core::reply::too_large(STATEMENT_LENGTH_MAX).into());
    }
    let (operator, payload) = verify_operator_body(kv, compact, typ).await?;
    let malformed = || Problem::bad_request("the payload is not the expected JSON");
    let claims = strict_json::parse_object(&payload).map_err(|_| malformed())?;
    let claims = Value::Object(claims);
    let frame: Frame = serde_json::from_value(claims.clone()).map_err(|_| malformed())?;
    let matter: T = serde_json::from_value(claims).map_err(|_| malformed())?;
    if frame.aud != environment.settings.issuer {
        return Err(StatementError::Audience.into());
    }
    if !is_current(frame.iat, environment.now) {
        return Err(StatementError::Time.into());
    }
    if frame.seq > SEQ_MAX {
        return Err(StatementError::Rule("seq is at most 9007199254740991").into());
    }
    let refused = |_| StatementError::Rule("world must be a world's name");
    let world: WorldName = frame.world.parse().map_err(refused)?;
    require_operator(kv, &operator, &world).await?;
    Ok(Statement { world, seq: frame.seq, matter })
}
