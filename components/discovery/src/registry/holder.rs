//! Who holds a name. A holder's record outlives the world's: a name is not free when its
//! world ends, because others know what is named after it (`gold@arena`).

use crate::control::Proof;
use serde::{Deserialize, Serialize};

/// How long a withdrawn name is kept from others, in seconds: long enough for whoever knew
/// the world to learn that it is gone, and for its operator to come back.
pub const TOMBSTONE_S: u64 = 30 * 24 * 60 * 60;
/// How long an offer of a name stands, in seconds.
pub const OFFER_S: u64 = 7 * 24 * 60 * 60;

/// Who holds a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The operator's id.
    pub operator: String,
    /// The sequence number of the last record or action about the name.
    pub seq: u64,
    /// What identifies the world; empty for one that was registered before worlds had it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uuid: String,
    /// How the operator proved that it controls the name, if that is a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// When the name was withdrawn, in seconds, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<u64>,
    /// To whom the name is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// The operator whose assets are named after the world, if that is another one
    /// ([`vwp_core::directory::World::assets_of`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets_of: Option<String>,
}

/// An offer of a name to another operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The other operator's id.
    pub to: String,
    /// When the offer ends, in seconds.
    pub until: u64,
}

/// What somebody was the first to have: a look that a name has, or an id of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Whose it is.
    pub(crate) operator: String,
    /// The name that it is held with; it is free when that is.
    pub(crate) name: String,
}

impl Holder {
    /// Whether the name is kept from an operator.
    pub fn excludes(&self, operator: &str, now_s: u64) -> bool {
        self.operator != operator && !self.is_free(now_s)
    }

    /// Whether anybody may take the name.
    pub fn is_free(&self, now_s: u64) -> bool {
        self.withdrawn_at.is_some_and(|at| at.saturating_add(TOMBSTONE_S) <= now_s)
    }

    /// Whether the name is offered to an operator.
    pub fn is_offered_to(&self, operator: &str, now_s: u64) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.to == operator && offer.until > now_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_name_is_kept_from_others_for_a_time_and_never_from_its_operator() {
        let mut holder = Holder {
            operator: "a".into(),
            seq: 1,
            uuid: String::new(),
            proof: None,
            withdrawn_at: None,
            offer: None,
            assets_of: None,
        };
        assert!(holder.excludes("b", u64::MAX) && !holder.excludes("a", 0));
        holder.withdrawn_at = Some(100);
        assert!(holder.excludes("b", 100) && holder.excludes("b", 99 + TOMBSTONE_S));
        assert!(!holder.excludes("b", 100 + TOMBSTONE_S) && !holder.excludes("a", 100));
    }
}
