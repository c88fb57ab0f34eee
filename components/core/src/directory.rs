//! The shared space `directory/`: what components believe about each other. Each
//! record has one writer; everybody may read. Nothing secret is in it.

use crate::jose::Jwk;
use crate::name::WorldName;
use serde::{Deserialize, Serialize};

/// An operator's public keys. Written by discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The keys that may sign for the operator, newest last.
    pub keys: Vec<Jwk>,
}

/// Who runs a world. Written by discovery, in the commit that registers the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The operator's id.
    pub operator: String,
    /// The operator whose assets are named after the world, if that is another one: who takes a name
    /// that was given up does not get what others hold and trust under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets_of: Option<String>,
}

/// One of the port's keys that sign passports and sessions. Written by auth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// The public key.
    pub jwk: Jwk,
}

/// The key of an operator's record. `id` comes from outside, so it is bounded here.
pub fn operator_key(id: &str) -> Vec<u8> {
    key("operator", id)
}

/// The key of a world's record.
pub fn world_key(name: &WorldName) -> Vec<u8> {
    key("world", name.as_str())
}

/// The key that exists for every traveller who has signed up. Its value is empty: that
/// there is such a traveller is all that others need to know.
pub fn traveller_key(id: &str) -> Vec<u8> {
    key("traveller", id)
}

/// The key of an issuer key's record.
pub fn issuer_key(kid: &str) -> Vec<u8> {
    key("issuer", kid)
}

/// The key that exists while a session that was ended could still be shown.
pub fn revoked_session_key(session: &str) -> Vec<u8> {
    key("revoked-session", session)
}

/// The key that exists while a token of a traveller who was erased could still be shown. Written
/// by auth.
pub fn erased_traveller_key(id: &str) -> Vec<u8> {
    key("erased-traveller", id)
}

fn key(kind: &str, id: &str) -> Vec<u8> {
    // Ids are thumbprints, worlds' names and random ids, none of which is longer than this. A
    // longer one from outside names nothing, and is cut so that the store takes the key.
    let id: String = id.chars().take(128).collect();
    format!("directory/{kind}/{id}").into_bytes()
}
