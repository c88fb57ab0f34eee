//! The names of a master file.

use crate::DnsError;
use crate::canonical;
use crate::edit::{Content, Edit};
use crate::name::{OrderedName, OwnName, lowercase};
use crate::node::{Glue, Set};
use crate::update::state::is_of_zone;
use crate::zone::Zone;
use domain::base::iana::Class;
use domain::base::name::FlattenInto;
use domain::base::{Name, Rtype};
use domain::zonefile::inplace::{Entry, ScannedRecord, Zonefile};
use std::collections::{BTreeMap, BTreeSet};

/// The longest text that is read, in bytes.
pub const LENGTH_MAX: usize = 1_048_576;
/// The most records of one text.
pub const RECORDS_MAX: usize = 10_000;

/// What a master file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// The names, with all that they shall hold.
    pub edit: Edit,
    /// What is left out, because the zone makes it itself or it lies below a delegation.
    pub left_out: BTreeSet<(OwnName, Rtype)>,
}

type Sets = BTreeMap<Rtype, (u32, Vec<Vec<u8>>)>;

/// Reads a master file. Relative names are relative to the zone.
pub fn read(text: &str, zone: &Zone) -> Result<Imported, DnsError> {
    if text.len() > LENGTH_MAX {
        return Err(DnsError::Refused(format!("a master file has at most {LENGTH_MAX} bytes")));
    }
    // The parser reads past the end of a file that does not end with its last line.
    if ends_inside(text) {
        return Err(DnsError::Refused("the file ends within parentheses or quotation marks".to_owned()));
    }
    let mut file = Zonefile::from(format!("{text}\n").as_str());
    file.set_origin(zone.apex().clone().flatten_into());
    file.set_default_class(Class::IN);
    let mut imported = Imported::default();
    let mut names: BTreeMap<OrderedName, Sets> = BTreeMap::new();
    let mut count = 0;
    while let Some(entry) = file.next_entry().map_err(|error| DnsError::Refused(error.to_string()))? {
        let Entry::Record(record) = entry else {
            // A file on the machine of whoever sends this is not here.
            return Err(DnsError::Refused("a master file that is sent includes no other one".to_owned()));
        };
        count += 1;
        if count > RECORDS_MAX {
            return Err(DnsError::Refused(format!("a master file has at most {RECORDS_MAX} records")));
        }
        add(&record, zone, &mut names, &mut imported)?;
    }
    imported.edit = contents(names, zone, &mut imported.left_out);
    Ok(imported)
}

/// Whether a text ends within parentheses, a quoted string or an escape (RFC 1035, section 5.1).
fn ends_inside(text: &str) -> bool {
    let (mut depth, mut is_quoted, mut is_comment, mut is_escaped) = (0_i32, false, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\n' => is_comment = false,
            _ if is_comment => {}
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b';' => is_comment = true,
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth > 0 || is_quoted || is_escaped
}

fn add(
    record: &ScannedRecord,
    zone: &Zone,
    names: &mut BTreeMap<OrderedName, Sets>,
    imported: &mut Imported,
) -> Result<(), DnsError> {
    let (owner, rtype) = (record.owner(), record.rtype());
    let name = OrderedName::of(owner, zone.apex())
        .ok_or_else(|| DnsError::Refused(format!("{owner} is not in {}", zone.apex())))?;
    if record.class() != Class::IN {
        return Err(DnsError::Refused(format!("{owner} has a record of class {}", record.class())));
    }
    // The zone is signed by its own keys, and its start of authority is its own.
    let is_signing = matches!(rtype, Rtype::NSEC3 | Rtype::NSEC3PARAM | Rtype::SOA | Rtype::DNSKEY);
    if is_of_zone(rtype, &name) || is_signing {
        imported.left_out.insert((lowercase(owner), rtype));
        return Ok(());
    }
    let data = canonical::data(record.data())?;
    let ttl_s = record.ttl().as_secs();
    // RFC 2181, section 5.2: where the times of a set differ, the lowest is the right one.
    let set = names.entry(name).or_default().entry(rtype).or_insert((ttl_s, Vec::new()));
    set.0 = set.0.min(ttl_s);
    set.1.push(data);
    Ok(())
}

/// The contents of names. Addresses below a delegation go with it, as glue.
fn contents(
    mut names: BTreeMap<OrderedName, Sets>,
    zone: &Zone,
    left_out: &mut BTreeSet<(OwnName, Rtype)>,
) -> Edit {
    let is_cut = |(name, sets): &(&OrderedName, &Sets)| !name.is_apex() && sets.contains_key(&Rtype::NS);
    let mut cuts: Vec<OrderedName> = names.iter().filter(is_cut).map(|(name, _)| name.clone()).collect();
    // A delegation below another one is nothing of this zone.
    let all = cuts.clone();
    cuts.retain(|cut| !all.iter().any(|other| other != cut && cut.is_in(other)));
    let mut glue: BTreeMap<OrderedName, Vec<Glue>> = BTreeMap::new();
    let below = |name: &OrderedName| cuts.iter().find(|cut| *cut != name && name.is_in(cut));
    names.retain(|name, sets| {
        let Some(cut) = below(name) else {
            return true;
        };
        let owner = name.to_name(zone.apex()).unwrap_or_else(Name::root_vec);
        for (&rtype, (ttl_s, data)) in sets.iter() {
            if matches!(rtype, Rtype::A | Rtype::AAAA) {
                let set = Set::new(rtype, *ttl_s, data.clone());
                glue.entry(cut.clone()).or_default().push(Glue { name: owner.as_slice().to_vec(), set });
            } else {
                left_out.insert((owner.clone(), rtype));
            }
        }
        false
    });
    let content = |(name, sets): (OrderedName, Sets)| {
        let glue = glue.remove(&name).unwrap_or_default();
        let set = |(rtype, (ttl_s, data))| Set::new(rtype, ttl_s, data);
        (name, Some(Content { sets: sets.into_iter().map(set).collect(), glue }))
    };
    names.into_iter().map(content).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_breaks_off_is_refused_and_one_without_a_last_line_break_is_not() {
        let zone = Zone::new("vwp.test").expect("a zone");
        for text in ["t IN TXT \"a b", "t IN TXT (a", "t IN TXT \"a b\" (c", "t IN TXT a\\"] {
            let refused = read(&format!("$TTL 60\n{text}"), &zone);
            assert!(matches!(refused, Err(DnsError::Refused(_))), "{text} was taken: {refused:?}");
        }
        for text in ["t IN TXT \"a b\"", "t IN TXT (a\n)", "t IN TXT \"(\" ; (", "t IN TXT a\\("] {
            let taken = read(&format!("$TTL 60\n{text}"), &zone).expect(text);
            assert_eq!(taken.edit.len(), 1, "{text}");
        }
    }
}
