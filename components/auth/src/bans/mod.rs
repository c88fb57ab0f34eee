//! Bans: whom an operator does not let into its world.
//!
//! A ban names a traveller as the world does (the pairwise subject), so it says nothing to
//! other worlds, and only the world's operator can see it. Who is banned is told why, until
//! when, and whom to ask for another decision, when they ask for a ticket; nobody else is.

use crate::error::AuthError;
use crate::passports::subject::is_subject;
use crate::tickets::statement::{self, StatementError};
use crate::tickets::{BanNotice, TicketError};
use serde::{Deserialize, Serialize};
use url::Url;
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// The type of the statement that bans.
pub const BAN_TYPE: &str = "vwp-ban+jws";
/// The longest reason, in characters.
pub const REASON_LENGTH_MAX: usize = 500;
/// The longest contact, in bytes.
pub const APPEAL_LENGTH_MAX: usize = 256;
/// The most bans in one answer.
pub const PAGE_MAX: u32 = 200;

/// What an operator states.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Stated {
    subject: String,
    reason: String,
    until: Option<u64>,
    appeal: String,
}

/// A ban as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The statement's.
    seq: u64,
    /// None once it was lifted: only that older statements do not count is left.
    notice: Option<BanNotice>,
}

/// A ban as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Whom it concerns.
    pub subject: String,
    /// What they are told.
    #[serde(flatten)]
    pub notice: BanNotice,
}

/// A part of a world's bans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The bans, by subject.
    pub bans: Vec<Ban>,
    /// The subject after which the next part begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Bans a traveller from a world, or replaces the ban.
pub async fn ban(kv: &impl Kv, compact: &str, environment: &Environment<'_>) -> Result<Ban, AuthError> {
    let statement = statement::verify::<Stated>(kv, compact, BAN_TYPE, environment).await?;
    let Stated { subject, reason, until, appeal } = statement.matter;
    check(&subject, &reason, until, &appeal, environment)?;
    let notice = BanNotice { reason, until, appeal };
    let key = key(&statement.world, &subject);
    let seen = kv.get(&key).await?;
    if parse(seen.as_ref())?.is_some_and(|known| known.seq >= statement.seq) {
        return Err(StatementError::Replayed.into());
    }
    let kept = Kept { seq: statement.seq, notice: Some(notice.clone()) };
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&kept).map_err(|_| Problem::internal())?,
        expires_at: until.map(|until| until.saturating_mul(1000).saturating_add(3 * CLOCK_SKEW_MAX_MS)),
    };
    match kv.commit(&[Check::unchanged(key, seen.as_ref())], &[put]).await? {
        Outcome::Committed(_) => Ok(Ban { subject, notice }),
        Outcome::Conflict(_) => Err(StatementError::Replayed.into()),
        _ => Err(Problem::internal().into()),
    }
}

fn check(
    subject: &str,
    reason: &str,
    until: Option<u64>,
    appeal: &str,
    environment: &Environment<'_>,
) -> Result<(), StatementError> {
    if !is_subject(subject) {
        return Err(StatementError::Rule("subject must be what this port calls the traveller there"));
    }
    if reason.trim().is_empty() || reason.chars().count() > REASON_LENGTH_MAX {
        return Err(StatementError::Rule("reason must have 1 to 500 characters"));
    }
    if until.is_some_and(|until| until <= environment.now_seconds()) {
        return Err(StatementError::Rule("until must be in the future"));
    }
    let url = Url::parse(appeal).ok().filter(|_| appeal.len() <= APPEAL_LENGTH_MAX);
    if !url.is_some_and(|url| matches!(url.scheme(), "https" | "mailto")) {
        return Err(StatementError::Rule("appeal must be an https or mailto URL of at most 256 bytes"));
    }
    Ok(())
}

/// Lifts a ban. One that does not exist is as good as lifted.
pub async fn lift(
    kv: &impl Kv,
    world: &WorldName,
    subject: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    if !is_subject(subject) {
        return Err(Problem::not_found("no subject is written like this").into());
    }
    let key = key(world, subject);
    let seen = kv.get(&key).await?;
    let Some(kept) = parse(seen.as_ref())? else {
        return Ok(());
    };
    let lifted = Kept { seq: kept.seq, notice: None };
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&lifted).map_err(|_| Problem::internal())?,
        // After that the statement that banned is too old to be sent again.
        expires_at: Some(environment.now.saturating_add(3 * CLOCK_SKEW_MAX_MS)),
    };
    match kv.commit(&[Check::unchanged(key, seen.as_ref())], &[put]).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::unavailable("the ban was changed at the same time; look at it again").into()),
    }
}

/// The bans of a world that have not ended.
pub async fn list(
    kv: &impl Kv,
    world: &WorldName,
    after: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Page, AuthError> {
    let mut range = KeyRange::prefix(prefix(world));
    if let Some(after) = after {
        if !is_subject(after) {
            return Err(Problem::bad_request("after must be a subject").into());
        }
        range.start = [key(world, after), vec![0]].concat();
    }
    let page = kv.scan(&range, PAGE_MAX, Direction::Forward).await?;
    let (mut bans, mut last) = (Vec::new(), None);
    for item in page.items {
        let subject = item.key.get(prefix(world).len()..).map(String::from_utf8_lossy).unwrap_or_default();
        last = Some(subject.to_string());
        if let Some(notice) = read(Some(&item.entry), environment)? {
            bans.push(Ban { subject: subject.into_owned(), notice });
        }
    }
    Ok(Page { bans, next: page.next.and(last) })
}

/// Requires that a store's entry bans nobody.
pub(crate) fn require_none(entry: Option<&Entry>, environment: &Environment<'_>) -> Result<(), AuthError> {
    match read(entry, environment)? {
        Some(notice) => Err(TicketError::Banned(notice).into()),
        None => Ok(()),
    }
}

fn read(entry: Option<&Entry>, environment: &Environment<'_>) -> Result<Option<BanNotice>, Problem> {
    let notice = parse(entry)?.and_then(|kept| kept.notice);
    Ok(notice.filter(|notice| notice.until.is_none_or(|until| until > environment.now_seconds())))
}

fn parse(entry: Option<&Entry>) -> Result<Option<Kept>, Problem> {
    entry.map(|entry| serde_json::from_slice(&entry.value)).transpose().map_err(|_| Problem::internal())
}

fn prefix(world: &WorldName) -> Vec<u8> {
    format!("auth/ban/{world}/").into_bytes()
}

/// Where a world's ban of a subject is kept.
pub(crate) fn key(world: &WorldName, subject: &str) -> Vec<u8> {
    [prefix(world), subject.as_bytes().to_vec()].concat()
}
