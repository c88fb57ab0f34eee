//! What a zone does not hold. Each refusal says what is wrong, for whoever asked.

use super::view::View;
use super::{Content, Edit, NAMES_MAX};
use crate::error::DnsError;
use crate::name::OrderedName;
use crate::node::Set;
use crate::zone::{Policy, Zone};
use domain::base::Rtype;
use domain::base::iana::Rtype as Type;
use vwp_storage::Kv;
use vwp_storage::kv::Direction;

/// Refuses what is wrong by itself, whatever the zone holds.
pub(super) fn admit(zone: &Zone, policy: &Policy, edit: &Edit) -> Result<(), DnsError> {
    if edit.len() > NAMES_MAX {
        return refuse(format!("a change has more than {NAMES_MAX} names"));
    }
    for (name, content) in edit {
        if name.to_name(zone.apex()).is_none() {
            return refuse("a name is too long");
        }
        let Some(content) = present(content.as_ref()) else {
            if name.is_apex() && content.is_none() {
                return refuse("the apex cannot be removed");
            }
            continue;
        };
        // Synthesis from wildcards (RFC 4592) would answer for names that nobody holds.
        if name.labels().last().is_some_and(|label| label == b"*") {
            return refuse("a wildcard is not possible in this zone");
        }
        admit_content(zone, policy, name, content)?;
    }
    Ok(())
}

/// Content that has records; none if it is to go.
pub(super) fn present(content: Option<&Content>) -> Option<&Content> {
    content.filter(|content| !content.sets.is_empty())
}

fn admit_content(
    zone: &Zone,
    policy: &Policy,
    name: &OrderedName,
    content: &Content,
) -> Result<(), DnsError> {
    let has = |rtype| content.sets.iter().any(|set| set.rtype == rtype);
    for (at, set) in content.sets.iter().enumerate() {
        admit_type(set.rtype)?;
        if set.data.is_empty() || content.sets.iter().skip(at + 1).any(|other| other.rtype == set.rtype) {
            return refuse(format!("the records of type {} are not one set", set.rtype));
        }
    }
    // RFC 1034, section 3.6.2, and RFC 2181, section 10.1: an alias is alone, and one.
    let is_lone = |set: &Set| content.sets.len() == 1 && set.data.len() == 1;
    if content.sets.iter().any(|set| set.rtype == Type::CNAME && !is_lone(set)) {
        return refuse("an alias (CNAME) stands beside other records");
    }
    if name.is_apex() {
        if has(Type::NS) || has(Type::DS) || has(Type::CNAME) || !content.glue.is_empty() {
            return refuse("the zone itself says which name servers it has");
        }
    } else if has(Type::NS) {
        admit_cut(zone, policy, name, content)?;
    } else if has(Type::DS) || !content.glue.is_empty() {
        return refuse("a DS record or glue stands where nothing is delegated");
    }
    Ok(())
}

/// A delegation has name servers, what their keys are known by, and their addresses.
fn admit_cut(zone: &Zone, policy: &Policy, name: &OrderedName, content: &Content) -> Result<(), DnsError> {
    if !policy.is_signed {
        return refuse("this zone delegates nothing");
    }
    // RFC 4035, section 2.2: what else is at the name belongs to the zone below.
    if content.sets.iter().any(|set| set.rtype != Type::NS && set.rtype != Type::DS) {
        return refuse("other records than NS and DS stand at a delegation");
    }
    for glue in &content.glue {
        let owner = domain::base::Name::from_octets(glue.name.clone()).ok();
        let owner = owner.and_then(|owner| OrderedName::of(&owner, zone.apex()));
        let is_address = glue.set.rtype == Type::A || glue.set.rtype == Type::AAAA;
        if !is_address || !owner.is_some_and(|owner| owner.is_in(name)) {
            return refuse("glue is not an address below the delegation");
        }
    }
    Ok(())
}

fn admit_type(rtype: Rtype) -> Result<(), DnsError> {
    // RFC 6895, section 3.1: types from 128 to 255 and OPT are of messages, not of zones.
    let is_meta = matches!(rtype.to_int(), 0 | 41 | 128..=255);
    let is_signing = matches!(
        rtype,
        Type::RRSIG | Type::NSEC | Type::NSEC3 | Type::NSEC3PARAM | Type::DNSKEY | Type::CDS | Type::CDNSKEY
    );
    // RFC 6672 would have names below it synthesised, which the zone's proofs do not cover.
    if is_meta || is_signing || rtype == Type::SOA || rtype == Type::DNAME {
        return refuse(format!("records of type {rtype} cannot be given"));
    }
    Ok(())
}

/// Refuses names below a delegation, and delegations above names.
pub(super) async fn admit_delegations<S: Kv>(
    store: &S,
    zone: &Zone,
    edit: &Edit,
    view: &View,
) -> Result<(), DnsError> {
    for (name, content) in edit {
        let Some(content) = present(content.as_ref()) else {
            continue;
        };
        if view.ancestors(name).any(|above| is_cut(edit, view, &above)) {
            return refuse("the name is below a delegation");
        }
        let is_new_cut = !name.is_apex() && holds_ns(content) && !view.is_delegation(name);
        if is_new_cut && has_names_below(store, zone, edit, name).await? {
            return refuse("there are names below the delegation");
        }
    }
    Ok(())
}

fn is_cut(edit: &Edit, view: &View, name: &OrderedName) -> bool {
    match edit.get(name) {
        Some(content) => present(content.as_ref()).is_some_and(holds_ns),
        None => view.is_delegation(name),
    }
}

fn holds_ns(content: &Content) -> bool {
    content.sets.iter().any(|set| set.rtype == Type::NS)
}

/// Whether a name in the store stays below `name`. Names that the edit adds there are refused
/// by themselves.
async fn has_names_below<S: Kv>(
    store: &S,
    zone: &Zone,
    edit: &Edit,
    name: &OrderedName,
) -> Result<bool, DnsError> {
    // All that the edit removes, the name itself, and one that stays.
    let limit = u32::try_from(edit.len() + 2).unwrap_or(u32::MAX);
    let page = store.scan(&zone.subtree(name), limit, Direction::Forward).await?;
    Ok(page.items.iter().filter_map(|item| zone.name_of_node(&item.key)).any(|below| {
        let stays = edit.get(&below).is_none_or(|content| present(content.as_ref()).is_some());
        below != *name && stays
    }))
}

fn refuse<T>(why: impl Into<String>) -> Result<T, DnsError> {
    Err(DnsError::Refused(why.into()))
}
