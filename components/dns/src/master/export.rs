//! A zone at one serial number, in pages.

use crate::DnsError;
use crate::name::OrderedName;
use crate::publish::Head;
use crate::transfer::difference::head_of;
use crate::transfer::packer::{Record, records, start_of_authority};
use crate::transfer::snapshot::Snapshot;
use crate::zone::Zone;
use base64ct::{Base64UrlUnpadded, Encoding};
use vwp_storage::Kv;

/// How many names a page has.
const PAGE_NAMES: u32 = 500;
/// The longest cursor that is looked at: a serial number and a name with every byte escaped.
const CURSOR_LENGTH_MAX: usize = 1024;

/// A part of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The serial number that all pages of an export have.
    pub serial: u32,
    /// The records. The first page begins with the start of authority.
    pub records: Vec<Record>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// The first page of a zone as it is published.
pub async fn first<S: Kv>(store: &S, zone: &Zone, head: &Head) -> Result<Page, DnsError> {
    let mut page = page(store, zone, head, OrderedName::apex()).await?;
    let (soa, signatures) = start_of_authority(head, zone.apex());
    page.records.splice(0..0, soa.into_iter().chain(signatures));
    Ok(page)
}

/// The page that another one's `next` names.
pub async fn next<S: Kv>(store: &S, zone: &Zone, cursor: &str) -> Result<Page, DnsError> {
    let malformed = || DnsError::Refused("this is not the cursor of an export".to_owned());
    if cursor.len() > CURSOR_LENGTH_MAX {
        return Err(malformed());
    }
    let bytes = Base64UrlUnpadded::decode_vec(cursor).map_err(|_| malformed())?;
    let (serial, name) = bytes.split_first_chunk().ok_or_else(malformed)?;
    let from = OrderedName::from_bytes(name);
    // A name that was made up would be a key that no node has.
    if from.to_name(zone.apex()).is_none_or(|name| OrderedName::of(&name, zone.apex()) != Some(from.clone()))
    {
        return Err(malformed());
    }
    let head = head_of(store, zone, u32::from_be_bytes(*serial)).await?;
    page(store, zone, &head.ok_or(DnsError::Forgotten)?, from).await
}

async fn page<S: Kv>(store: &S, zone: &Zone, head: &Head, from: OrderedName) -> Result<Page, DnsError> {
    let mut snapshot = Snapshot::new(head.version, from);
    let mut page = Page { serial: head.serial, records: Vec::new(), next: None };
    for (name, node) in snapshot.page(store, zone, PAGE_NAMES).await? {
        page.records.extend(records(&name, &node, zone.apex()));
    }
    page.next = snapshot.from().map(|next| {
        Base64UrlUnpadded::encode_string(&[&head.serial.to_be_bytes()[..], next.as_bytes()].concat())
    });
    Ok(page)
}
