//! Travel: from one world to another with a ticket.
//!
//! World A may ask (a statement of its operator's), the traveller consents (a session, and a
//! list of the claims that may be told), and the port signs a ticket for world B, which
//! verifies it offline with keys that it has, or has the port redeem it if it keeps no memory of
//! its own. A ticket lives two minutes and lets one traveller in once.
//!
//! - [`ask`](mod@ask): a ticket for a traveller who consents.
//! - [`redeem`](mod@redeem): the single use of a ticket, at the port.
//! - [`doors`]: what worlds say of who gets in now.
//! - [`entitlements`]: what worlds have granted.
//! - [`statement`]: what operators sign.
//! - [`http`]: the same as HTTP resources.

pub mod ask;
pub mod doors;
pub mod entitlements;
pub mod http;
pub mod redeem;
pub mod statement;

pub use ask::{Granted, Wish, ask};
pub use redeem::{Arrival, redeem};
pub use vwp_verifier::ticket::{BanNotice, TicketError, Unproven};

use crate::error::AuthError;
use ::http::StatusCode;
use vwp_core::Problem;
use vwp_core::directory::{self, World};
use vwp_core::name::WorldName;
use vwp_storage::Kv;

/// The longest name of an entry point, or of a protocol, in bytes.
pub const TOKEN_LENGTH_MAX: usize = 48;

/// Who runs a world that is registered here.
pub(crate) async fn operator_of(kv: &impl Kv, world: &WorldName) -> Result<String, AuthError> {
    let entry = kv.get(&directory::world_key(world)).await?.ok_or(TicketError::WorldNotFound)?;
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(world.operator)
}

/// Requires that an operator runs a world.
pub(crate) async fn require_operator(
    kv: &impl Kv,
    operator: &str,
    world: &WorldName,
) -> Result<(), AuthError> {
    if operator_of(kv, world).await? == operator {
        Ok(())
    } else {
        Err(Problem::forbidden("the world is another operator's").into())
    }
}

/// A short name without white space, as records have for entry points and protocols.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=TOKEN_LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A refusal at the door as the problem that it becomes.
pub(crate) fn problem(error: &TicketError) -> Problem {
    let (status, title) = match error {
        TicketError::WorldNotFound => (StatusCode::NOT_FOUND, "There is no such world"),
        TicketError::WorldClosed => (StatusCode::CONFLICT, "The world is closed"),
        TicketError::WorldFull => (StatusCode::CONFLICT, "The world is full"),
        TicketError::Unauthorised(_) => (StatusCode::UNPROCESSABLE_ENTITY, "The ticket is not acceptable"),
        TicketError::Banned(_) => (StatusCode::FORBIDDEN, "The world has banned this traveller"),
        TicketError::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too many tickets"),
        TicketError::TicketSpent => (StatusCode::CONFLICT, "The ticket was used"),
        TicketError::ProtocolMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "The protocols differ"),
    };
    let mut problem = Problem::new(status, error.slug(), title, error.to_string());
    match error {
        TicketError::Throttled { retry_after_s } => problem.retry_after_s = Some(*retry_after_s),
        TicketError::Banned(notice) => {
            if let Ok(notice) = serde_json::to_value(notice) {
                problem = problem.with("ban", notice);
            }
        }
        _ => {}
    }
    problem
}
