//! The zone's list for browsing: what a DNS-SD client (RFC 6763) finds that asks for all
//! worlds of the zone.
//!
//! A zone may have a million worlds, and a list is one record set, so the list holds a few
//! of those that wish to be in it (`browse` in the record). Which ones changes every day, at
//! random, so that each has its turn and none has to be early. A registration only notes the
//! wish; the list itself is made anew by the timer, at most once a minute.
//!
//! - `_vw._tcp.<zone>`: PTR to each `<world>._vw._tcp.<zone>`, which has SRV and TXT;
//! - `_<tag>._sub._vw._tcp.<zone>`: PTR to those that have a tag (section 7.1);
//! - `b._dns-sd._udp.<zone>` and `lb._dns-sd._udp.<zone>`: PTR to the zone, which is thereby a
//!   domain to browse in (section 11), and `_services._dns-sd._udp.<zone>`: PTR to the service
//!   (section 9).

use crate::names;
use crate::projection::{self, Contents, SERVICE, TCP};
use crate::record::Record;
use crate::registry::{World, read_world};
use domain::base::iana::Rtype as Type;
use domain::base::name::Label;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vwp_core::{Environment, Problem};
use vwp_dns::DnsError;
use vwp_dns::edit::{self, Content, Edit, Plan};
use vwp_dns::keys;
use vwp_dns::name::OrderedName;
use vwp_dns::zone::{Policy, Zone};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, Item, Key, KeyRange, Write};

/// How many worlds are in the list: about what fits into one datagram.
pub const LISTED_MAX: usize = 32;
/// How many tags have a list of their own: those that most of the listed worlds have.
pub const TAGS_LISTED_MAX: usize = 16;
/// How long a list stays as it is, in milliseconds.
const EVERY_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// How many names are changed in one commit.
const PORTION: usize = 32;
/// How often a portion is tried when others change the zone beside it; what was left out then
/// is in the next list.
const ATTEMPTS_MAX: usize = 4;

/// What the list was made of last.
const STATE: &str = "discovery/browsing";
/// The worlds that wish to be listed, in an order that has nothing to do with their names.
const WISH: &str = "discovery/browse/";
/// How many bytes of a name's hash come before it in the key of its wish.
const HASH_LENGTH: usize = 8;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    /// When the list was made, in milliseconds.
    made_at: u64,
    /// The names that may have records of the list.
    names: Vec<Vec<u8>>,
}

/// What a commit has to write so that a world's wish is known; none if there is nothing to say.
pub fn wish(before: Option<&Record>, after: Option<&Record>) -> Option<Write> {
    let wishes = |record: &&Record| record.browse;
    match (before.filter(wishes), after.filter(wishes)) {
        (_, Some(record)) => {
            let expires_at = Some(record.exp.saturating_mul(1000));
            Some(Write::Put { key: wish_key(&record.name), value: Vec::new(), expires_at })
        }
        (Some(record), None) => Some(Write::delete(wish_key(&record.name))),
        (None, None) => None,
    }
}

/// Makes the list anew if that is due. Returns after how many milliseconds it is due again.
/// Hosts may do this side by side: one of them makes the list.
pub async fn refresh<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    zone: &Zone,
    policy: &Policy,
) -> Result<u64, Problem> {
    let entry = store.get(STATE.as_bytes()).await?;
    let state = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => State::default(),
    };
    let due = state.made_at.saturating_add(EVERY_MS);
    if entry.is_some() && environment.now < due {
        return Ok(due.saturating_sub(environment.now));
    }
    let worlds = chosen(store, environment).await?;
    let contents = list(&worlds, zone).ok_or_else(Problem::internal)?;
    let names: Vec<Vec<u8>> = contents.keys().map(|name| name.as_bytes().to_vec()).collect();
    let mut edit: Edit = state.names.iter().map(|name| (OrderedName::from_bytes(name), None)).collect();
    edit.extend(contents.into_iter().map(|(name, content)| (name, Some(content))));

    // Until all of it is written, the state names whatever may be there, so that a list that
    // was broken off leaves nothing behind.
    let started =
        State { made_at: environment.now, names: edit.keys().map(|name| name.as_bytes().to_vec()).collect() };
    match note(entry.as_ref(), &started)?.commit(store).await {
        // Another host makes the list.
        Err(DnsError::Conflict) => return Ok(EVERY_MS),
        outcome => outcome?,
    };
    write(store, environment, zone, policy, edit).await?;
    if started.names != names {
        let entry = store.get(STATE.as_bytes()).await?;
        note(entry.as_ref(), &State { names, ..started })?.commit(store).await?;
    }
    Ok(EVERY_MS)
}

async fn write<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    zone: &Zone,
    policy: &Policy,
    edit: Edit,
) -> Result<(), Problem> {
    let signer =
        if policy.is_signed { Some(keys::signer(store, zone, policy, environment).await?) } else { None };
    let mut left = edit.into_iter().peekable();
    while left.peek().is_some() {
        let portion: Edit = left.by_ref().take(PORTION).collect();
        for _ in 0..ATTEMPTS_MAX {
            let plan =
                edit::plan(store, zone, policy, signer.as_ref(), &portion, environment.now_seconds()).await?;
            match plan.commit(store).await {
                // Somebody registered a name next to the list.
                Err(DnsError::Conflict) => {}
                outcome => {
                    outcome?;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn note(seen: Option<&Entry>, state: &State) -> Result<Plan, Problem> {
    let value = serde_json::to_vec(state).map_err(|_| Problem::internal())?;
    Ok(Plan { checks: vec![Check::unchanged(STATE, seen)], writes: vec![Write::put(STATE, value)] })
}

/// The worlds of the day: those that come next after a place that changes every day, in the
/// order of hashes, which is a circle.
async fn chosen<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Vec<World>, Problem> {
    let day = environment.now / DAY_MS;
    let all = KeyRange::prefix(WISH);
    let middle = [WISH.as_bytes(), &hash(&day.to_be_bytes())].concat();
    let later = KeyRange { start: middle.clone(), end: all.end };
    let earlier = KeyRange { start: all.start, end: middle };
    let limit = u32::try_from(LISTED_MAX).unwrap_or(u32::MAX);
    let mut items = store.scan(&later, limit, Direction::Forward).await?.items;
    if items.len() < LISTED_MAX {
        items.extend(store.scan(&earlier, limit, Direction::Forward).await?.items);
    }
    let wanted: Vec<Key> = items.iter().take(LISTED_MAX).filter_map(world_of_wish).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut worlds = Vec::new();
    for entry in store.get_many(&wanted).await?.into_iter().flatten() {
        worlds.extend(read_world(&entry, environment)?);
    }
    Ok(worlds)
}

fn wish_key(name: &str) -> Key {
    [WISH.as_bytes(), &hash(name.as_bytes()), name.as_bytes()].concat()
}

fn world_of_wish(item: &Item) -> Option<Key> {
    let name = item.key.get(WISH.len() + HASH_LENGTH..)?;
    Some(crate::keys::world_text(std::str::from_utf8(name).ok()?))
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).iter().take(HASH_LENGTH).copied().collect()
}

/// The records of the list; none if a record is not one that [`Record::parse`] gave out.
pub fn list(worlds: &[World], zone: &Zone) -> Option<Contents> {
    let service = OrderedName::apex().child(TCP).child(SERVICE);
    let discovery = OrderedName::apex().child(b"_udp").child(b"_dns-sd");
    let mut contents = Contents::new();
    let mut pointers: BTreeMap<OrderedName, Vec<Vec<u8>>> = BTreeMap::new();
    let tags = common_tags(worlds);
    for world in worlds {
        let record = &world.fields;
        let instance = service.child(instance(record).as_bytes());
        let endpoints: Vec<_> = record.endpoints.iter().collect();
        let txt = projection::set(Type::TXT, vec![projection::txt(record, &world.operator)?]);
        let sets = vec![projection::srv_set(&endpoints)?, txt];
        contents.insert(instance.clone(), Content { sets, glue: Vec::new() });
        let target = instance.to_name(zone.apex())?.as_slice().to_vec();
        pointers.entry(service.clone()).or_default().push(target.clone());
        for tag in tags.iter().filter(|tag| record.tags.iter().any(|own| own == *tag)) {
            let subtype = service.child(b"_sub").child(format!("_{tag}").as_bytes());
            pointers.entry(subtype).or_default().push(target.clone());
        }
    }
    if !worlds.is_empty() {
        let apex = zone.apex().as_slice().to_vec();
        for name in [&b"b"[..], b"lb"] {
            pointers.insert(discovery.child(name), vec![apex.clone()]);
        }
        let target = service.to_name(zone.apex())?.as_slice().to_vec();
        pointers.insert(discovery.child(b"_services"), vec![target]);
    }
    let content = |data| Content { sets: vec![projection::set(Type::PTR, data)], glue: Vec::new() };
    contents.extend(pointers.into_iter().map(|(name, data)| (name, content(data))));
    Some(contents)
}

/// RFC 6763, section 4.1.1: an instance's name is what people read, in UTF-8. The world's own
/// name is unique, which a title is not.
fn instance(record: &Record) -> String {
    let text = record.name.parse().map(|name| names::to_unicode(&name)).unwrap_or_default();
    let is_label = (1..=Label::MAX_LEN).contains(&text.len());
    if is_label { text } else { record.name.chars().take(Label::MAX_LEN).collect() }
}

/// The tags that most of the worlds have, of those that a DNS label can hold as they are.
fn common_tags(worlds: &[World]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in worlds.iter().flat_map(|world| &world.fields.tags) {
        let is_label =
            tag.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_label {
            *counts.entry(tag).or_default() += 1;
        }
    }
    let mut tags: Vec<(&str, usize)> = counts.into_iter().collect();
    tags.sort_by_key(|&(tag, count)| (std::cmp::Reverse(count), tag));
    tags.into_iter().take(TAGS_LISTED_MAX).map(|(tag, _)| tag.to_owned()).collect()
}
