//! Everything that is kept of a traveller, and where.

use crate::error::AuthError;
use serde_json::Value;
use vwp_core::jose;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Item, Key, KeyRange};

/// How records are found by a traveller's id.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// The record with this key and the id behind it.
    At(&'static str),
    /// The records whose keys are this, the id, a slash and more.
    Below(&'static str),
    /// The records whose keys are the second text and the end of a key that is below the first, as
    /// in [`Place::Below`]: an index of what is kept by ids of its own. The index goes too.
    Indexed(&'static str, &'static str),
    /// The records whose keys start with this and that have the id as a member of their value. All
    /// of them are read, so this is for what does not live long.
    Naming(&'static str, &'static str),
}

/// Records of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Records {
    /// What they are, for a person.
    pub name: &'static str,
    /// Where they are.
    pub place: Place,
    /// Members that are not given out: secrets, and what only proves something.
    pub withheld: &'static [&'static str],
}

/// All kinds of records of a traveller, besides the log (see [`crate::audit`]), the claim to the
/// handle, and what only counts attempts.
pub const RECORDS: &[Records] = &[
    Records { name: "account", place: Place::At("auth/traveller/"), withheld: &["password"] },
    Records { name: "sessions", place: Place::Naming("auth/session/", "traveller"), withheld: &[] },
    Records { name: "proofs", place: Place::Naming("auth/proof/", ""), withheld: &[] },
    Records { name: "profile", place: Place::At("auth/profile/"), withheld: &[] },
    Records { name: "passkeys", place: Place::At("auth/passkeys/"), withheld: &[] },
    Records { name: "passkey claims", place: Place::Naming("auth/passkey-owner/", ""), withheld: &[] },
    Records { name: "identifiers", place: Place::At("auth/dids/"), withheld: &[] },
    Records { name: "identifier claims", place: Place::Naming("auth/did/", ""), withheld: &[] },
    Records { name: "provider accounts", place: Place::At("auth/upstream-links/"), withheld: &[] },
    Records {
        name: "provider account claims",
        place: Place::Naming("auth/upstream-owner/", ""),
        withheld: &[],
    },
    Records { name: "recovery codes", place: Place::At("auth/recovery-codes/"), withheld: &["hashes"] },
    Records { name: "recovery", place: Place::At("auth/recovery-pending/"), withheld: &["request"] },
    Records {
        name: "recovery requests",
        place: Place::Naming("auth/recovery-request/", "traveller"),
        withheld: &[],
    },
    Records { name: "devices", place: Place::Below("auth/device/"), withheld: &[] },
    Records { name: "passports", place: Place::Below("auth/passport/"), withheld: &[] },
    Records { name: "passports a day", place: Place::Below("auth/passport-count/"), withheld: &[] },
    Records { name: "tickets a while", place: Place::Below("auth/ticket-count/"), withheld: &[] },
    Records { name: "consents", place: Place::Below("auth/oauth/consent/"), withheld: &[] },
    Records { name: "browsers", place: Place::Indexed("auth/browser-of/", "auth/browser/"), withheld: &[] },
    Records {
        name: "offers",
        place: Place::Naming("auth/openid4vci/offer/", "traveller"),
        withheld: &["tx_code"],
    },
    Records {
        name: "presentations",
        place: Place::Naming("auth/openid4vp/transaction/", "traveller"),
        withheld: &["nonce", "outcome"],
    },
    Records {
        name: "grants",
        place: Place::Indexed("auth/oauth/grant-of/", "auth/oauth/grant/"),
        withheld: &[],
    },
];

/// How many records are read at once.
const PORTION: u32 = 500;

impl Records {
    /// The records of a traveller.
    pub(super) async fn find(&self, kv: &impl Kv, traveller: &str) -> Result<Vec<Item>, AuthError> {
        let mut found = Vec::new();
        let mut range = match self.place {
            Place::At(prefix) => {
                let key: Key = format!("{prefix}{traveller}").into_bytes();
                found.extend(kv.get(&key).await?.map(|entry| Item { key, entry }));
                return Ok(found);
            }
            Place::Below(prefix) | Place::Indexed(prefix, _) => {
                KeyRange::prefix(format!("{prefix}{traveller}/"))
            }
            Place::Naming(prefix, _) => KeyRange::prefix(prefix),
        };
        loop {
            let page = kv.scan(&range, PORTION, Direction::Forward).await?;
            if let Place::Indexed(index, records) = self.place {
                let start = index.len() + traveller.len() + 1;
                let key =
                    |item: &Item| [records.as_bytes(), item.key.get(start..).unwrap_or_default()].concat();
                let keys: Vec<Key> = page.items.iter().map(key).collect();
                let entries = kv.get_many(&keys).await?;
                let named = keys.into_iter().zip(entries);
                found.extend(named.filter_map(|(key, entry)| Some(Item { key, entry: entry? })));
            }
            found.extend(page.items.into_iter().filter(|item| self.is_of(&item.entry.value, traveller)));
            match page.next {
                Some(next) => range = next,
                None => return Ok(found),
            }
        }
    }

    fn is_of(&self, value: &[u8], traveller: &str) -> bool {
        match self.place {
            Place::At(_) | Place::Below(_) | Place::Indexed(..) => true,
            Place::Naming(_, "") => value == traveller.as_bytes(),
            Place::Naming(_, member) => serde_json::from_slice::<Value>(value)
                .is_ok_and(|value| value.get(member).and_then(Value::as_str) == Some(traveller)),
        }
    }

    /// A record as it is given out: with the end of its key, without what is withheld.
    pub(super) fn shown(&self, item: &Item) -> Value {
        let key = String::from_utf8_lossy(&item.key);
        let id = key.rsplit('/').next().unwrap_or_default();
        let record = match serde_json::from_slice::<Value>(&item.entry.value) {
            Ok(Value::Object(mut record)) => {
                record.retain(|member, _| !self.withheld.contains(&member.as_str()));
                Value::Object(record)
            }
            // Lists have nothing that is withheld.
            Ok(list @ Value::Array(_)) => list,
            // What is not JSON is named by its bytes.
            _ => jose::encode(&item.entry.value).into(),
        };
        serde_json::json!({ "id": id, "record": record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use vwp_storage::kv::Write;
    use vwp_storage::memory::Memory;

    #[test]
    fn records_are_found_wherever_they_are_and_those_of_others_are_not() {
        let store = Memory::default();
        let writes = [
            ("at/ada", "{}"),
            ("at/ada2", "{}"),
            ("below/ada/1", "{}"),
            ("below/ada2/1", "{}"),
            ("index/ada/x", ""),
            ("index/ada/gone", ""),
            ("index/ada2/y", ""),
            ("record/x", "{}"),
            ("record/y", "{}"),
            ("naming/1", r#"{"who":"ada"}"#),
            ("naming/2", r#"{"who":"ada2","was":"ada"}"#),
            ("naming/3", "not JSON"),
            ("bare/1", "ada"),
            ("bare/2", "ada2"),
        ];
        let writes: Vec<Write> = writes.iter().map(|(key, value)| Write::put(*key, *value)).collect();
        block_on(store.commit(&[], &writes)).unwrap();
        let found = |place| {
            let records = Records { name: "", place, withheld: &[] };
            let items = block_on(records.find(&store, "ada")).unwrap();
            items.into_iter().map(|item| String::from_utf8(item.key).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(Place::At("at/")), ["at/ada"]);
        assert_eq!(found(Place::Below("below/")), ["below/ada/1"]);
        let indexed = found(Place::Indexed("index/", "record/"));
        assert_eq!(indexed, ["record/x", "index/ada/gone", "index/ada/x"]);
        assert_eq!(found(Place::Naming("naming/", "who")), ["naming/1"]);
        assert_eq!(found(Place::Naming("bare/", "")), ["bare/1"]);
    }
}
