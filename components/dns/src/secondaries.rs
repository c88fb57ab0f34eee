//! Other name servers that serve our zones: who they are, what they were told (NOTIFY,
//! RFC 1996), and which serial number they have.
//!
//! What was told is noted in one commit, so that of several hosts one tells it. Whoever does not
//! come for a serial number is told again after a minute, then after two, and so on; after
//! that it finds out by itself, as often as the zone's start of authority says.

use crate::DnsError;
use crate::authority::Authority;
use crate::name::OwnName;
use crate::publish::Head;
use crate::transfer::packer::start_of_authority;
use crate::tsig::{self, Signer};
use crate::zone::Zone;
use crate::zones;
use domain::base::iana::{Class, Opcode};
use domain::base::rdata::UnknownRecordData;
use domain::base::{MessageBuilder, Name, Rtype, Ttl};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, Key, KeyRange, Outcome, Write};

/// What the keys of secondaries start with; the name follows.
const SECONDARY: &str = "discovery/secondary/";
/// What was told to whom: the secondary and the zone follow.
const TOLD: &str = "discovery/told/";
/// Which serial number was transferred: the key and the zone follow.
const TRANSFERRED: &str = "discovery/transferred/";
/// Where the last round over the hosted zones ended.
const ROUND: &str = "discovery/told-round";
/// The most secondaries.
pub const SECONDARIES_MAX: u32 = 16;
/// How many hosted zones one round looks at.
const ZONES: u32 = 30;
/// The most messages of one round.
const MESSAGES_MAX: usize = 100;
/// After how long a secondary that did not come is told again, in milliseconds, the first time.
const AGAIN_MS: u64 = 60_000;
/// How often a secondary is told of one serial number.
const TIMES_MAX: u32 = 6;

/// A name server that serves our zones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secondary {
    /// Where it is told of changes: an address and a port.
    pub address: SocketAddr,
    /// The name of the key that it is told with, and that it transfers with.
    pub key: String,
}

/// A message for a secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Where it goes.
    pub to: SocketAddr,
    /// A NOTIFY, signed.
    pub message: Vec<u8>,
}

/// What a secondary was told of a zone, or has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The serial number.
    pub serial: u32,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// How often.
    pub times: u32,
}

/// The secondaries, by name.
pub async fn list<S: Kv>(store: &S) -> Result<Vec<(String, Secondary)>, DnsError> {
    let page = store.scan(&KeyRange::prefix(SECONDARY), SECONDARIES_MAX, Direction::Forward).await?;
    let one = |item: &vwp_storage::kv::Item| {
        let name =
            item.key.strip_prefix(SECONDARY.as_bytes()).and_then(|name| std::str::from_utf8(name).ok());
        Ok((name.ok_or_else(corrupt)?.to_owned(), decode(&item.entry)?))
    };
    page.items.iter().map(one).collect()
}

/// Puts a secondary. Says whether it is new.
pub async fn put<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &str,
    secondary: &Secondary,
) -> Result<bool, DnsError> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 63 || !name.bytes().all(is_letter) {
        return Err(refused("the name of a secondary has 1 to 63 characters of a-z, 0-9 and hyphens"));
    }
    let key = key_name(&secondary.key).ok_or_else(|| refused("the key is named by a domain name"))?;
    let found = tsig::keys::find(store, environment, &key).await?;
    if !found.is_some_and(|found| found.info.may_transfer) {
        return Err(refused("there is no key of this name that may transfer zones"));
    }
    let known = list(store).await?;
    let is_new = !known.iter().any(|(known, _)| known == name);
    if is_new && known.len() >= SECONDARIES_MAX as usize {
        return Err(refused("there are as many secondaries as there can be"));
    }
    store.commit(&[], &[Write::put(format!("{SECONDARY}{name}"), encode(secondary)?)]).await?;
    Ok(is_new)
}

/// Deletes a secondary. Says whether there was one.
pub async fn delete<S: Kv>(store: &S, name: &str) -> Result<bool, DnsError> {
    let known = list(store).await?;
    if !known.iter().any(|(known, _)| known == name) {
        return Ok(false);
    }
    store.commit(&[], &[Write::delete(format!("{SECONDARY}{name}"))]).await?;
    Ok(true)
}

/// Which serial number of a zone a secondary has taken; none if it has not come yet.
pub async fn state<S: Kv>(store: &S, secondary: &Secondary, zone: &Zone) -> Result<Option<Note>, DnsError> {
    let Some(key) = key_name(&secondary.key) else {
        return Ok(None);
    };
    store.get(&transferred_key(&key, zone)).await?.map(|entry| decode(&entry)).transpose()
}

/// Notes that a zone was transferred to whoever has a key.
pub async fn transferred<S: Kv>(
    store: &S,
    key: &OwnName,
    zone: &Zone,
    serial: u32,
    environment: &Environment<'_>,
) -> Result<(), DnsError> {
    let place = transferred_key(key, zone);
    let known: Option<Note> = store.get(&place).await?.map(|entry| decode(&entry)).transpose()?;
    if known.is_some_and(|known| known.serial == serial) {
        return Ok(());
    }
    let note = Note { serial, at: environment.now, times: 1 };
    store.commit(&[], &[Write::put(place, encode(&note)?)]).await?;
    Ok(())
}

/// What is to be told now. It is noted as told.
pub async fn notifications<S: Kv>(
    store: &S,
    authority: &Authority,
    environment: &Environment<'_>,
) -> Result<Vec<Notification>, DnsError> {
    let secondaries = list(store).await?;
    if secondaries.is_empty() {
        return Ok(Vec::new());
    }
    let (zones, round) = round(store, authority).await?;
    let heads = store.get_many(&zones.iter().map(Zone::head).collect::<Vec<Key>>()).await?;
    let (mut due, mut checks, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for (zone, head) in zones.iter().zip(heads) {
        let Some(head) = head else {
            continue;
        };
        let head = Head::decode(&head.value).ok_or(DnsError::Corrupt("the head"))?;
        let keys: Vec<Key> =
            secondaries.iter().flat_map(|(name, secondary)| note_keys(name, secondary, zone)).collect();
        let notes = store.get_many(&keys).await?;
        for ((pair, keys), (_, secondary)) in notes.chunks(2).zip(keys.chunks(2)).zip(&secondaries) {
            let ([told, taken], [place, _]) = (pair, keys) else {
                continue;
            };
            let Some(note) = due_note(told.as_ref(), taken.as_ref(), head.serial, environment.now)? else {
                continue;
            };
            if due.len() < MESSAGES_MAX {
                checks.push(Check::unchanged(place.clone(), told.as_ref()));
                writes.push(Write::put(place.clone(), encode(&note)?));
                due.push((zone.clone(), head.clone(), secondary.clone()));
            }
        }
    }
    writes.extend(round);
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    // Of several hosts that look at the same time, the one whose commit holds tells it.
    let Outcome::Committed(_) = store.commit(&checks, &writes).await? else {
        return Ok(Vec::new());
    };
    let mut notifications = Vec::new();
    for (zone, head, secondary) in due {
        notifications.extend(notification(store, environment, &zone, &head, &secondary).await?);
    }
    Ok(notifications)
}

/// The zones that this round looks at: the catalog, the port's own, and some of those that it
/// hosts; and where the next round goes on, to be noted.
async fn round<S: Kv>(store: &S, authority: &Authority) -> Result<(Vec<Zone>, Option<Write>), DnsError> {
    let place = store.get(ROUND.as_bytes()).await?;
    let after = place.as_ref().and_then(|place| Zone::new(std::str::from_utf8(&place.value).ok()?));
    let hosted = zones::list(store, after.as_ref(), ZONES).await?;
    let is_full = hosted.len() >= ZONES as usize;
    let write = match hosted.last().filter(|_| is_full) {
        Some(last) => Some(Write::put(ROUND, last.apex().to_string())),
        None => place.map(|_| Write::delete(ROUND)),
    };
    let mut zones = vec![authority.catalog().clone(), authority.main().clone()];
    zones.extend(hosted);
    Ok((zones, write))
}

fn note_keys(name: &str, secondary: &Secondary, zone: &Zone) -> [Key; 2] {
    let key = key_name(&secondary.key).unwrap_or_else(Name::root_vec);
    [format!("{TOLD}{name}/{}", zone.apex()).into_bytes(), transferred_key(&key, zone)]
}

/// The note of telling a secondary now; none if it is not to be told.
fn due_note(
    told: Option<&Entry>,
    taken: Option<&Entry>,
    serial: u32,
    now: u64,
) -> Result<Option<Note>, DnsError> {
    let taken: Option<Note> = taken.map(decode).transpose()?;
    let told: Option<Note> = told.map(decode).transpose()?;
    let again = match told.filter(|told| told.serial == serial) {
        // Whoever came already is told once all the same: several may have one key.
        None => Some(1),
        Some(_) if taken.is_some_and(|taken| taken.serial == serial) => None,
        Some(told) => {
            let wait = AGAIN_MS << told.times.saturating_sub(1).min(TIMES_MAX);
            let is_due = told.times < TIMES_MAX && now.saturating_sub(told.at) >= wait;
            is_due.then_some(told.times + 1)
        }
    };
    Ok(again.map(|times| Note { serial, at: now, times }))
}

/// A NOTIFY, signed with the secondary's key (RFC 1996, section 3.7); none if the key is no
/// longer there.
async fn notification<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    zone: &Zone,
    head: &Head,
    secondary: &Secondary,
) -> Result<Option<Notification>, DnsError> {
    let Some(name) = key_name(&secondary.key) else {
        return Ok(None);
    };
    let Some(key) = tsig::keys::find(store, environment, &name).await? else {
        return Ok(None);
    };
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(u16::from_be_bytes(environment.random_bytes()));
    header.set_opcode(Opcode::NOTIFY);
    header.set_aa(true);
    let mut question = builder.question();
    let mut fits = question.push((zone.apex(), Rtype::SOA)).is_ok();
    let mut answer = question.answer();
    if let Some(soa) = start_of_authority(head, zone.apex()).0 {
        let data = UnknownRecordData::from_octets(soa.rtype, soa.data).map_err(|_| corrupt())?;
        fits &= answer.push((zone.apex(), Class::IN, Ttl::from_secs(soa.ttl_s), data)).is_ok();
    }
    let mut message = answer.finish();
    Signer::sign_request(&key.key, &mut message, environment.now_seconds());
    Ok(fits.then_some(Notification { to: secondary.address, message }))
}

fn transferred_key(key: &OwnName, zone: &Zone) -> Key {
    format!("{TRANSFERRED}{key}/{}", zone.apex()).into_bytes()
}

fn key_name(text: &str) -> Option<OwnName> {
    let name: OwnName = Name::vec_from_str(text.trim_end_matches('.')).ok()?;
    Some(crate::name::lowercase(&name))
}

fn decode<T: serde::de::DeserializeOwned>(entry: &Entry) -> Result<T, DnsError> {
    serde_json::from_slice(&entry.value).map_err(|_| corrupt())
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, DnsError> {
    serde_json::to_vec(value).map_err(|_| DnsError::Keys(Problem::internal()))
}

fn corrupt() -> DnsError {
    DnsError::Corrupt("a secondary")
}

fn refused(why: &str) -> DnsError {
    DnsError::Refused(why.to_owned())
}
