//! Worlds to import from a list of Minecraft networks: a JSON array of
//! `{"id": ..., "name": ..., "addresses": [...]}`.
//!
//! Such lists are written by hand and uneven, so each entry is judged alone: it
//! becomes a draft that only needs to be signed, or a refusal that says why.

use crate::names;
use crate::record::{self, ENDPOINTS_MAX, Endpoint, Record, TITLE_LENGTH_MAX, Texts};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use vwp_core::name::WorldName;

/// The port of a Minecraft server unless told otherwise.
pub const MINECRAFT_PORT: u16 = 25565;
/// The longest list, in bytes.
pub const LIST_LENGTH_MAX: usize = 64 * 1024 * 1024;
/// The language of titles in such lists, which is not said (RFC 5646, section 4.1).
const UNDETERMINED: &str = "und";

/// A world that only needs times, a sequence number and a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The world's name.
    pub name: WorldName,
    /// What people call the world.
    pub title: String,
    /// Where it can be entered.
    pub endpoints: Vec<Endpoint>,
    /// Words to find it by.
    pub tags: Vec<String>,
}

impl Draft {
    /// The record for an operator to sign.
    pub fn into_record(self, operator: &str, aud: String, seq: u64, iat: u64, exp: u64) -> Record {
        Record {
            name: self.name.as_str().to_owned(),
            // The importer remembers nothing, so the UUID follows from what it knows.
            uuid: record::uuid_of(operator, &self.name),
            title: Texts::one(UNDETERMINED, &self.title),
            endpoints: self.endpoints,
            tags: self.tags,
            seq,
            iat,
            exp,
            aud,
            ..Record::default()
        }
    }
}

/// An entry that is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .id.as_deref().unwrap_or("an entry without an id"))]
pub struct Refusal {
    /// The entry's id, if it has one.
    pub id: Option<String>,
    /// Why it is not imported.
    pub reason: Reason,
}

/// Why an entry is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The entry has another form.
    #[error("not an entry of this format: {0}")]
    Malformed(String),
    /// The id does not make a world's name.
    #[error("the id does not make a world's name: {0}")]
    BadName(String),
    /// An entry before makes the same name.
    #[error("an entry before it makes the same name, {0}")]
    Duplicate(WorldName),
    /// The name is empty or too long.
    #[error("the name does not make a title of 1 to {TITLE_LENGTH_MAX} characters")]
    BadTitle,
    /// There is no address.
    #[error("there is no address")]
    NoAddress,
    /// There are more addresses than a world can have endpoints.
    #[error("there are more than {ENDPOINTS_MAX} addresses")]
    TooManyAddresses,
    /// An address is not a host name, or one with a port.
    #[error("the address {0:?} is not a host name")]
    BadAddress(String),
}

/// The text is not a list of entries at all.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON array of networks: {0}")]
pub struct NotAList(String);

#[derive(Deserialize)]
struct Entry {
    id: String,
    name: String,
    addresses: Vec<String>,
}

/// Reads a list. One element per entry, in order.
pub fn parse(json: &[u8]) -> Result<Vec<Result<Draft, Refusal>>, NotAList> {
    if json.len() > LIST_LENGTH_MAX {
        return Err(NotAList(format!("longer than {LIST_LENGTH_MAX} bytes")));
    }
    let entries: Vec<Value> = serde_json::from_slice(json).map_err(|error| NotAList(error.to_string()))?;
    let mut names = HashSet::new();
    let draft = |entry: Value| {
        let id = entry.get("id").and_then(Value::as_str).map(str::to_owned);
        let draft = draft(entry).and_then(|draft| {
            // A refused entry does not take its name.
            let is_new = names.insert(draft.name.clone());
            if is_new { Ok(draft) } else { Err(Reason::Duplicate(draft.name)) }
        });
        draft.map_err(|reason| Refusal { id, reason })
    };
    Ok(entries.into_iter().map(draft).collect())
}

fn draft(entry: Value) -> Result<Draft, Reason> {
    let entry: Entry = serde_json::from_value(entry).map_err(|error| Reason::Malformed(error.to_string()))?;
    // A dot separates labels, and a world's name is one label.
    let name = names::registrable(&entry.id.trim().replace('.', "-"))
        .map_err(|error| Reason::BadName(error.to_string()))?;
    let title = entry.name.trim();
    let length = title.chars().count();
    if length == 0 || length > TITLE_LENGTH_MAX || title.chars().any(char::is_control) {
        return Err(Reason::BadTitle);
    }
    let mut endpoints = Vec::new();
    for address in &entry.addresses {
        let endpoint = endpoint(address).ok_or_else(|| Reason::BadAddress(address.clone()))?;
        // Lists repeat addresses in other spellings; that harms nobody.
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    match endpoints.len() {
        0 => Err(Reason::NoAddress),
        1..=ENDPOINTS_MAX => {
            Ok(Draft { name, title: title.to_owned(), endpoints, tags: vec!["minecraft".to_owned()] })
        }
        _ => Err(Reason::TooManyAddresses),
    }
}

fn endpoint(address: &str) -> Option<Endpoint> {
    let address = address.trim();
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        None => (address, MINECRAFT_PORT),
    };
    let host = names::host(host)?;
    Some(Endpoint::new("minecraft", &host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reason(entry: &Value) -> Reason {
        let text = json!([entry]).to_string();
        parse(text.as_bytes()).unwrap().remove(0).unwrap_err().reason
    }

    fn network(id: &str, addresses: &[&str]) -> Value {
        json!({"id": id, "name": "A network", "addresses": addresses})
    }

    #[test]
    fn the_projects_own_list_gives_four_worlds_and_two_refusals() {
        let list = include_bytes!("../../../tests/fixtures/minecraft-networks.json");
        let (drafts, refusals): (Vec<_>, Vec<_>) = parse(list).unwrap().into_iter().partition(Result::is_ok);
        let drafts: Vec<Draft> = drafts.into_iter().flatten().collect();
        let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
        assert_eq!(names, ["emberfall", "tidewatch", "north-keep", "skygarten"]);
        assert_eq!(drafts[0].endpoints.len(), 2);
        assert_eq!(drafts[1].endpoints[0].port, 25570);
        assert_eq!(drafts[2].endpoints[0].port, MINECRAFT_PORT);
        assert_eq!(drafts[3].endpoints[0].host, "xn--skygrten-3za.example");
        let refusals: Vec<String> =
            refusals.into_iter().filter_map(Result::err).map(|refusal| refusal.to_string()).collect();
        assert_eq!(
            refusals,
            [
                "north-keep: an entry before it makes the same name, north-keep",
                "lanternworks: the address \"192.0.2.25\" is not a host name",
            ]
        );
    }

    #[test]
    fn an_entry_that_cannot_be_a_world_is_refused_with_the_reason() {
        assert!(matches!(reason(&network("", &["a.example"])), Reason::BadName(_)));
        assert!(matches!(reason(&network("a b", &["a.example"])), Reason::BadName(_)));
        assert!(matches!(reason(&network("www", &["a.example"])), Reason::BadName(_)));
        assert_eq!(reason(&network("a", &[])), Reason::NoAddress);
        for address in ["", "1.2.3.4", "a..b", "a.example:0", "a.example:x", "[::1]:25565"] {
            assert_eq!(reason(&network("a", &[address])), Reason::BadAddress(address.to_owned()));
        }
        let many: Vec<String> = (0..17).map(|number| format!("a{number}.example")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(reason(&network("a", &many)), Reason::TooManyAddresses);
        let untitled = json!({"id": "a", "name": " ", "addresses": ["a.example"]});
        assert_eq!(reason(&untitled), Reason::BadTitle);
        assert!(matches!(reason(&json!({"id": "a"})), Reason::Malformed(_)));
        assert!(matches!(reason(&json!(1)), Reason::Malformed(_)));
    }

    #[test]
    fn a_refused_entry_does_not_take_its_name() {
        let list = json!([network("a", &[]), network("a", &["a.example"])]).to_string();
        let parsed = parse(list.as_bytes()).unwrap();
        assert!(parsed[0].is_err() && parsed[1].is_ok());
    }

    #[test]
    fn the_same_address_twice_is_one_endpoint() {
        let list = json!([network("a", &["a.example", "A.example"])]).to_string();
        let draft = parse(list.as_bytes()).unwrap().remove(0).unwrap();
        assert_eq!(draft.endpoints.len(), 1);
    }

    #[test]
    fn what_is_not_a_list_is_an_error_of_its_own() {
        for text in ["", "{}", "[1", "null"] {
            assert!(parse(text.as_bytes()).is_err());
        }
    }
}
