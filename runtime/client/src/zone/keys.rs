//! `vwp zone keys`, `roll` and `ds-seen`: the keys that sign the zone.

use super::{ZoneArguments, items};
use crate::output::{self, Column, at};
use crate::port::Body;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Method;

const KEYS: &str = "/v1/zone/keys";

const COLUMNS: &[Column<'_>] =
    &[("TAG", |key| at(key, "/tag")), ("ROLE", |key| at(key, "/role")), ("STATE", |key| at(key, "/state"))];

/// What `vwp zone roll` is given.
#[derive(Debug, Args)]
pub struct RollArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// Which key is replaced
    role: Role,
}

/// What `vwp zone ds-seen` is given.
#[derive(Debug, Args)]
pub struct DsSeenArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The tag of the key whose DS record is in the parent zone
    tag: u16,
}

/// What a key signs (RFC 6781, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// The keys
    Ksk,
    /// Everything else
    Zsk,
    /// Both
    Csk,
}

pub(super) fn run_list(arguments: &ZoneArguments) -> anyhow::Result<()> {
    let answer: Value = arguments.administrator.port()?.get(KEYS)?;
    let keys = items(answer, "keys");
    arguments.output.rows(&keys, COLUMNS)?;
    if arguments.output.json {
        return Ok(());
    }
    let ds: Vec<&str> = keys.iter().filter_map(|key| key.get("ds").and_then(Value::as_str)).collect();
    if !ds.is_empty() {
        output::line("\nFor the parent zone:")?;
    }
    ds.into_iter().try_for_each(|ds| output::line(&output::plain(ds)))
}

pub(super) fn run_roll(arguments: &RollArguments) -> anyhow::Result<()> {
    let role = match arguments.role {
        Role::Ksk => "ksk",
        Role::Zsk => "zsk",
        Role::Csk => "csk",
    };
    let body = json!({ "role": role }).to_string();
    let port = arguments.zone.administrator.port()?;
    let key: Value = port.json(&Method::POST, &format!("{KEYS}/roll"), Some(Body::json(&body)))?;
    arguments.zone.output.thing(&key, &[])
}

pub(super) fn run_ds_seen(arguments: &DsSeenArguments) -> anyhow::Result<()> {
    let path = format!("{KEYS}/{}/ds-seen", arguments.tag);
    let port = arguments.zone.administrator.port()?;
    let key: Value = port.json(&Method::POST, &path, Some(Body::json("{}")))?;
    arguments.zone.output.thing(&key, &[])
}
