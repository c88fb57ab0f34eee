//! The life of a zone's keys (RFC 7583), as one record of the store.
//!
//! A key has up to two duties. What signs the *zone* is replaced by pre-publication
//! (RFC 6781, section 4.1.1.1): a key is published; once no resolver can hold a set of keys
//! without it, it signs and the one before it retires; once no resolver can hold a signature
//! of that one, it leaves. What signs the *keys* is replaced by a double signature
//! (section 4.1.2): a key is published and signs the set of keys beside the one before it;
//! once no resolver can hold a set without it, the parent is asked to name it; once the parent
//! is seen to do so and no resolver can hold the parent's old answer, the other one leaves.
//! Every step is taken when something is known to have happened, and waits from then.

use super::{Role, State};
use crate::zone::{KeyScheme, Policy};
use serde::{Deserialize, Serialize};
use vwp_core::seal::Sealed;

/// How many keys a zone has at most, in all states.
pub(super) const KEYS_MAX: usize = 8;

/// All keys of a zone, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ring {
    pub(super) keys: Vec<StoredKey>,
}

/// A key. All times are in seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredKey {
    pub(super) tag: u16,
    pub(super) role: Role,
    /// The public key as DNSKEY records have it (RFC 6605, section 4), base64url.
    pub(super) public: String,
    #[serde(flatten)]
    pub(super) sealed: Sealed,
    /// Since when it is among the zone's keys.
    pub(super) published_s: u64,
    /// Since when the parent is asked to name it.
    pub(super) announced_s: Option<u64>,
    /// Since when the parent names another one instead.
    pub(super) superseded_s: Option<u64>,
    /// Since when it signs the zone.
    pub(super) active_s: Option<u64>,
    /// Since when it no longer does.
    pub(super) retired_s: Option<u64>,
    /// Since when no signature of it is left in the zone.
    pub(super) clean_s: Option<u64>,
}

/// What is to be done besides keeping the new ring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Advance {
    /// Keys to make.
    pub(super) wanted: Vec<Role>,
    /// Whether another key signs the zone from now on.
    pub(super) is_handed_over: bool,
}

impl StoredKey {
    /// What it is at, as a person would say.
    pub(super) fn state(&self) -> State {
        let retired = self.is_over(self.retired_s.is_some(), self.superseded_s.is_some());
        let zone_active = self.active_s.is_some() && self.retired_s.is_none();
        let keys_active = self.announced_s.is_some() && self.superseded_s.is_none();
        if retired {
            State::Retired
        } else if zone_active || keys_active {
            State::Active
        } else {
            State::Published
        }
    }

    /// Whether both duties are over, as far as it has them.
    fn is_over(&self, zone: bool, keys: bool) -> bool {
        (zone || !self.role.signs_zone()) && (keys || !self.role.signs_keys())
    }

    fn signs_zone(&self) -> bool {
        self.active_s.is_some() && self.retired_s.is_none()
    }

    fn is_waiting_to_sign(&self) -> bool {
        self.role.signs_zone() && self.active_s.is_none()
    }

    fn is_past(&self) -> bool {
        self.retired_s.is_some() || self.superseded_s.is_some()
    }

    fn is_named(&self) -> bool {
        self.role.signs_keys() && self.superseded_s.is_none()
    }
}

impl Ring {
    /// The key that signs the zone.
    pub(super) fn zone_key(&self) -> Option<&StoredKey> {
        self.keys.iter().rev().find(|key| key.signs_zone())
    }

    /// The keys that sign the set of keys: all that may, until they leave.
    pub(super) fn key_keys(&self) -> impl Iterator<Item = &StoredKey> {
        self.keys.iter().filter(|key| key.role.signs_keys())
    }

    /// The key that the parent is asked to name (RFC 7344, section 4).
    pub(super) fn announced(&self) -> Option<&StoredKey> {
        self.keys.iter().rev().find(|key| key.is_named() && key.announced_s.is_some())
    }

    /// Whether the rollover of a role is under way.
    pub(super) fn is_rolling(&self, role: Role) -> bool {
        let zone = role.signs_zone() && self.keys.iter().any(StoredKey::is_waiting_to_sign);
        let keys = role.signs_keys() && self.keys.iter().filter(|key| key.is_named()).count() > 1;
        zone || keys
    }

    /// The tag of the key that signs the zone.
    pub(crate) fn zone_tag(&self) -> Option<u16> {
        self.zone_key().map(|key| key.tag)
    }

    /// Whether a step is due.
    pub(crate) fn is_due(&self, policy: &Policy, now_s: u64) -> bool {
        let mut after = self.clone();
        let advance = after.advance(policy, now_s);
        after != *self || !advance.wanted.is_empty()
    }

    /// Whether a retired key may still have signatures in the zone.
    pub(crate) fn has_unclean(&self) -> bool {
        self.keys.iter().any(|key| key.retired_s.is_some() && key.clean_s.is_none())
    }

    /// Notes that a pass over the whole zone, begun at `begun_s`, found every signature to be of
    /// keys that sign.
    pub(crate) fn note_clean(&mut self, begun_s: u64, now_s: u64) {
        for key in &mut self.keys {
            if key.clean_s.is_none() && key.retired_s.is_some_and(|retired_s| retired_s <= begun_s) {
                key.clean_s = Some(now_s);
            }
        }
    }

    /// Notes that the parent names a key. False if there is none of that tag.
    pub(super) fn note_ds(&mut self, tag: u16, now_s: u64) -> bool {
        let Some(at) = self.keys.iter().position(|key| key.tag == tag && key.is_named()) else {
            return false;
        };
        self.keys[at].announced_s.get_or_insert(now_s);
        for key in self.keys[..at].iter_mut().filter(|key| key.is_named()) {
            key.superseded_s = Some(now_s);
        }
        true
    }

    /// Takes every step that is due.
    pub(super) fn advance(&mut self, policy: &Policy, now_s: u64) -> Advance {
        let published = policy.key_publish_s.max(u64::from(policy.apex_ttl_s));
        let mut advance = Advance::default();
        for key in &mut self.keys {
            let is_known = key.published_s.saturating_add(published) <= now_s;
            if key.is_named() && key.announced_s.is_none() && is_known {
                key.announced_s = Some(now_s);
            }
        }
        let next = self
            .keys
            .iter()
            .rposition(|key| key.is_waiting_to_sign() && key.published_s.saturating_add(published) <= now_s);
        if let Some(next) = next {
            for key in self.keys[..next].iter_mut().filter(|key| key.signs_zone()) {
                key.retired_s = Some(now_s);
            }
            self.keys[next].active_s = Some(now_s);
            advance.is_handed_over = true;
        }
        let cached = policy.key_publish_s.saturating_add(u64::from(policy.record_ttl_max_s));
        let passed = |since: Option<u64>| since.is_some_and(|since| since.saturating_add(cached) <= now_s);
        self.keys.retain(|key| !key.is_over(passed(key.clean_s), passed(key.superseded_s)));
        advance.wanted = self.wanted(policy, published, now_s);
        advance
    }

    /// The keys to make now: where the scheme has changed, or what signs the zone comes of age.
    /// One rollover of a role at a time: what waits for the parent holds up the next.
    fn wanted(&self, policy: &Policy, published: u64, now_s: u64) -> Vec<Role> {
        let ends = |since: u64| since.saturating_add(policy.key_lifetime_s).saturating_sub(published);
        let since = self.zone_key().and_then(|key| key.active_s);
        let is_old = policy.key_lifetime_s > 0 && since.is_some_and(|since| ends(since) <= now_s);
        let lacks = |role| !self.keys.iter().any(|key| key.role == role && !key.is_past());
        let roles = Role::of_scheme(policy.scheme);
        let room = KEYS_MAX.saturating_sub(self.keys.len());
        let wants = |role: &Role| !self.is_rolling(*role) && (lacks(*role) || is_old && role.signs_zone());
        roles.iter().copied().filter(wants).take(room).collect()
    }
}

impl Role {
    /// The roles that a scheme needs.
    pub(super) fn of_scheme(scheme: KeyScheme) -> &'static [Self] {
        match scheme {
            KeyScheme::Combined => &[Self::Csk],
            KeyScheme::Split => &[Self::Ksk, Self::Zsk],
        }
    }
}
