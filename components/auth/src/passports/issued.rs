//! What was issued, and its revocation: by the traveller whose it is, and by the administrator.
//!
//! Each copy has two records for as long as it is valid: one at its place in the status list,
//! which says whose it is, and one among its traveller's. Neither holds the copy itself.

use super::PassportError;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::status::{self, Place};
use crate::verify::Passport;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use vwp_core::environment::Timestamp;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};
use vwp_verifier::status::StatusError;

/// The most copies that one answer lists, and that one commit revokes.
pub const PAGE_MAX: u32 = 200;

/// Whose a copy is, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    traveller: String,
    session: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    world: Option<String>,
    issued_at: Timestamp,
}

impl Owner {
    pub(super) fn new(
        traveller: &str,
        session: &str,
        world: Option<&WorldName>,
        environment: &Environment<'_>,
    ) -> Self {
        Self {
            traveller: traveller.to_owned(),
            session: session.to_owned(),
            world: world.map(ToString::to_string),
            issued_at: environment.now,
        }
    }

    /// The traveller's id.
    pub fn traveller(&self) -> &str {
        &self.traveller
    }

    /// The records of a copy.
    pub(super) fn writes(&self, place: &Place) -> Result<[Write; 2], Problem> {
        let value = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        let put = |key, value| Write::Put { key, value, expires_at: Some(place.list().kept_until()) };
        Ok([put(place.key(), value.clone()), put(own_key(&self.traveller, place), value)])
    }
}

/// A copy as its traveller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What names it.
    pub id: String,
    /// The world that it is for, if it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// The session in which it was issued.
    pub session: String,
    /// When it was issued, in milliseconds since the Unix epoch.
    pub issued_at: Timestamp,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The copies, by their ids.
    pub passports: Vec<Listed>,
    /// The id after which the next part begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The copies of a traveller that have not ended.
pub async fn list(
    kv: &impl Kv,
    traveller: &str,
    after: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Page, AuthError> {
    let mut range = KeyRange::prefix(own_prefix(traveller));
    if let Some(after) = after {
        let place = Place::from_str(after).map_err(|()| PassportError::Unknown)?;
        range.start = [own_key(traveller, &place), vec![0]].concat();
    }
    let page = kv.scan(&range, PAGE_MAX, Direction::Forward).await?;
    let mut passports = Vec::new();
    for item in page.items {
        let Some((place, owner)) = read_own(traveller, &item.key, &item.entry.value)? else { continue };
        let expires_at = place.list().ends_at();
        if expires_at <= environment.now {
            continue;
        }
        let revoked = status::is_revoked(kv, &place).await?;
        passports.push(Listed {
            id: place.to_string(),
            world: owner.world,
            session: owner.session,
            issued_at: owner.issued_at,
            expires_at,
            revoked,
        });
    }
    let next = page.next.and(passports.last().map(|last| last.id.clone()));
    Ok(Page { passports, next })
}

/// Revokes one copy. `traveller` is who asks; none is the administrator.
pub async fn revoke(
    kv: &impl Kv,
    id: &str,
    traveller: Option<&str>,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let place = Place::from_str(id).map_err(|()| PassportError::Unknown)?;
    let entry = kv.get(&place.key()).await?.ok_or(PassportError::Unknown)?;
    let owner: Owner = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    // Whether somebody else's copy exists is nobody's business.
    if traveller.is_some_and(|traveller| traveller != owner.traveller) {
        return Err(PassportError::Unknown.into());
    }
    // Told first: a revocation that the log does not know of would be worse than the reverse.
    let event = Event::traveller(Kind::PassportRevoked, &owner.traveller).with("passport", id);
    audit::record(kv, &event, environment).await?;
    status::revoke(kv, &[place]).await
}

/// Revokes all copies of a traveller, or those of one session. Says how many there were.
pub async fn revoke_all(
    kv: &impl Kv,
    traveller: &str,
    session: Option<&str>,
    environment: &Environment<'_>,
) -> Result<u32, AuthError> {
    let of = session.map_or("every session", |_| "one session");
    let event = Event::traveller(Kind::PassportRevoked, traveller).with("of", of);
    audit::record(kv, &event, environment).await?;
    let mut range = Some(KeyRange::prefix(own_prefix(traveller)));
    let mut count = 0_u32;
    // Ends, because a traveller is issued a bounded number of copies in a day.
    while let Some(rest) = range {
        let page = kv.scan(&rest, PAGE_MAX, Direction::Forward).await?;
        let mut places = Vec::new();
        for item in page.items {
            let Some((place, owner)) = read_own(traveller, &item.key, &item.entry.value)? else { continue };
            if session.is_none_or(|session| session == owner.session) {
                places.push(place);
            }
        }
        status::revoke(kv, &places).await?;
        count = count.saturating_add(u32::try_from(places.len()).unwrap_or(u32::MAX));
        range = page.next;
    }
    Ok(count)
}

/// Revokes all copies of a traveller who is erased, and forgets whose they were.
pub(crate) async fn forget_all(kv: &impl Kv, traveller: &str) -> Result<(), AuthError> {
    loop {
        let page = kv.scan(&KeyRange::prefix(own_prefix(traveller)), PAGE_MAX, Direction::Forward).await?;
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        for item in page.items {
            if let Some((place, _)) = read_own(traveller, &item.key, &item.entry.value)? {
                writes.push(Write::delete(place.key()));
                places.push(place);
            }
            writes.push(Write::delete(item.key));
        }
        if writes.is_empty() {
            return Ok(());
        }
        status::revoke(kv, &places).await?;
        kv.commit(&[], &writes).await?;
    }
}

/// Requires that a passport of this port was not revoked, by the store itself: what was revoked
/// a moment ago is refused.
pub(super) async fn require_valid(
    kv: &impl Kv,
    passport: &Passport,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let refused = |error: StatusError| AuthError::Presentation(error.into());
    let reference = passport.status.as_ref().ok_or_else(|| refused(StatusError::Missing))?;
    let place = Place::of(reference, environment).ok_or_else(|| refused(StatusError::List))?;
    if status::is_revoked(kv, &place).await? { Err(refused(StatusError::Revoked)) } else { Ok(()) }
}

fn own_prefix(traveller: &str) -> Vec<u8> {
    // Ids come from verified tokens or from the administrator; a longer one names nobody, and
    // is cut so that the store takes the key.
    let traveller: String = traveller.chars().take(64).collect();
    format!("auth/passport/{traveller}/").into_bytes()
}

fn own_key(traveller: &str, place: &Place) -> Vec<u8> {
    [own_prefix(traveller), place.to_string().into_bytes()].concat()
}

fn read_own(traveller: &str, key: &[u8], value: &[u8]) -> Result<Option<(Place, Owner)>, Problem> {
    let owner = serde_json::from_slice(value).map_err(|_| Problem::internal())?;
    let id = key.strip_prefix(own_prefix(traveller).as_slice());
    let place = id.and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| Place::from_str(id).ok());
    Ok(place.map(|place| (place, owner)))
}
