//! `vwp zone keys`, `roll` and `ds-seen`: the keys that sign the zone.

use super::{ZoneArguments, items};
use crate::input::now_s;
use crate::output::{self, Column, OutputArguments, at, span};
use crate::port::Body;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Method;

const KEYS: &str = "/v1/zone/keys";

const COLUMNS: &[Column<'_>] = &[
    ("TAG", |key| at(key, "/tag")),
    ("ROLE", |key| at(key, "/role")),
    ("STATE", |key| at(key, "/state")),
    ("PUBLISHED", |key| age(key, "/published_at")),
    ("SIGNS SINCE", |key| age(key, "/active_at")),
    ("RETIRED", |key| age(key, "/retired_at")),
];

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
    let answer: Value = arguments.port()?.get(&arguments.target(KEYS, &[]))?;
    show(arguments.output, answer)
}

pub(super) fn run_roll(arguments: &RollArguments) -> anyhow::Result<()> {
    let role = match arguments.role {
        Role::Ksk => "ksk",
        Role::Zsk => "zsk",
        Role::Csk => "csk",
    };
    let body = json!({ "role": role }).to_string();
    let zone = &arguments.zone;
    let target = zone.target(&format!("{KEYS}/roll"), &[]);
    let key: Value = zone.port()?.json(&Method::POST, &target, Some(Body::json(&body)))?;
    zone.output.thing(&key, &[])
}

pub(super) fn run_ds_seen(arguments: &DsSeenArguments) -> anyhow::Result<()> {
    let zone = &arguments.zone;
    let target = zone.target(&format!("{KEYS}/{}/ds-seen", arguments.tag), &[]);
    let answer: Value = zone.port()?.json(&Method::POST, &target, None)?;
    show(zone.output, answer)
}

fn show(output: OutputArguments, answer: Value) -> anyhow::Result<()> {
    let zone = at(&answer, "/zone");
    let keys = items(answer, "keys");
    output.rows(&keys, COLUMNS)?;
    let ds: Vec<&str> = keys.iter().filter_map(|key| key.get("ds").and_then(Value::as_str)).collect();
    if output.json || ds.is_empty() {
        return Ok(());
    }
    output::line("\nFor the parent zone:")?;
    ds.into_iter().try_for_each(|ds| output::line(&output::plain(&format!("{zone}. IN DS {ds}"))))
}

/// How long ago something was.
fn age(key: &Value, path: &str) -> String {
    let since = key.pointer(path).and_then(Value::as_u64);
    since.map_or_else(|| at(key, path), |since| format!("{} ago", span(now_s().saturating_sub(since))))
}
