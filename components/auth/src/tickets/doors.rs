//! Doors: what a world says of who gets in now. It is the operator's own verdict, signed
//! (`vwp-door+jws`), and ends by itself: a world that says nothing is open to whoever has a
//! ticket.

use super::TicketError;
use super::is_token;
use super::statement::{self, StatementError};
use crate::error::AuthError;
use serde::{Deserialize, Serialize};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// The type of the statement.
pub const DOOR_TYPE: &str = "vwp-door+jws";
/// The longest time for which a door is stated, in seconds: a week.
pub const DOOR_LIFETIME_MAX_S: u64 = 7 * 24 * 3600;
/// The most protocols, and the most entry points.
pub const DOOR_ITEMS_MAX: usize = 32;

/// Whether travellers get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoorStatus {
    /// They do.
    Open,
    /// Nobody does.
    Closed,
    /// Nobody does, for want of room.
    Full,
}

/// A door, as it is stated and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Larger in every later statement of the same world.
    pub seq: u64,
    /// Whether travellers get in.
    pub status: DoorStatus,
    /// The protocols that a traveller's program must speak one of; none: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<String>,
    /// Where one can arrive; none: the world decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// When the statement ends, in seconds.
    pub until: u64,
}

impl Door {
    fn check(&self, environment: &Environment<'_>) -> Result<(), StatementError> {
        let lifetime = self.until.checked_sub(environment.now_seconds()).filter(|lifetime| *lifetime > 0);
        if lifetime.is_none_or(|lifetime| lifetime > DOOR_LIFETIME_MAX_S) {
            return Err(StatementError::Rule("until must be a time within the next week"));
        }
        let are_tokens =
            |list: &[String]| list.len() <= DOOR_ITEMS_MAX && list.iter().all(|text| is_token(text));
        if are_tokens(&self.protocols) && are_tokens(&self.entry_points) {
            Ok(())
        } else {
            Err(StatementError::Rule("protocols and entry_points are at most 32 short names without spaces"))
        }
    }

    /// Requires that somebody gets in.
    pub fn admit(&self, protocol: Option<&str>, entry_point: Option<&str>) -> Result<(), AuthError> {
        let has = |list: &[String], wanted: Option<&str>| {
            wanted.is_none_or(|wanted| list.is_empty() || list.iter().any(|item| item == wanted))
        };
        match self.status {
            DoorStatus::Closed => return Err(TicketError::WorldClosed.into()),
            DoorStatus::Full => return Err(TicketError::WorldFull.into()),
            DoorStatus::Open => {}
        }
        if !has(&self.protocols, protocol) {
            return Err(TicketError::ProtocolMismatch.into());
        }
        if !has(&self.entry_points, entry_point) {
            return Err(StatementError::Rule("the world has no entry point of this name").into());
        }
        Ok(())
    }
}

/// States a world's door.
pub async fn state(kv: &impl Kv, compact: &str, environment: &Environment<'_>) -> Result<Door, AuthError> {
    let statement = statement::verify::<Door>(kv, compact, DOOR_TYPE, environment).await?;
    let door = statement.matter;
    door.check(environment)?;
    let key = key(&statement.world);
    let seen = kv.get(&key).await?;
    if parse(seen.as_ref())?.is_some_and(|known| known.seq >= door.seq) {
        return Err(StatementError::Replayed.into());
    }
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&door).map_err(|_| Problem::internal())?,
        // Kept a little longer than it counts, so that its seq is still known while an older
        // statement could be sent again.
        expires_at: Some(
            door.until.saturating_mul(1000).saturating_add(3 * vwp_core::environment::CLOCK_SKEW_MAX_MS),
        ),
    };
    match kv.commit(&[Check::unchanged(key, seen.as_ref())], &[put]).await? {
        Outcome::Committed(_) => Ok(door),
        // Another statement about the same world was faster; which one is newer is not known.
        Outcome::Conflict(_) => Err(StatementError::Replayed.into()),
        _ => Err(Problem::internal().into()),
    }
}

/// The door of a world as a store's entry has it, if it is stated.
pub(crate) fn read(entry: Option<&Entry>, environment: &Environment<'_>) -> Result<Option<Door>, Problem> {
    Ok(parse(entry)?.filter(|door| door.until > environment.now_seconds()))
}

fn parse(entry: Option<&Entry>) -> Result<Option<Door>, Problem> {
    let door = entry.map(|entry| serde_json::from_slice(&entry.value));
    door.transpose().map_err(|_| Problem::internal())
}

/// Where a world's door is kept.
pub(crate) fn key(world: &WorldName) -> Vec<u8> {
    format!("auth/door/{world}").into_bytes()
}
