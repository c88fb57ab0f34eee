//! What everybody may keep, from the host's cache, beside the same from the component.

use crate::measure::{Side, rounds};
use crate::port::Port;
use crate::report::Row;
use crate::{Bench, tools};
use anyhow::Result;
use std::time::Duration;

/// The port's keys, which every verifier asks for.
const PATH: &str = "/.well-known/jwks.json";
/// Whoever is named by a cookie is asked for past the cache.
const PAST: &str = "wrk.headers[\"Cookie\"] = \"past=the-cache\"\n";

/// The two in turns, of one host.
pub(crate) fn rows(bench: &Bench, port: &Port) -> Result<Vec<Row>> {
    let past = bench.scratch.path().join("past.lua");
    std::fs::write(&past, PAST)?;
    let url = format!("http://{}{PATH}", port.http);
    let mut kept = |turn: Duration| Ok(tools::wrk(&url, turn, None)?.per_second);
    let mut asked = |turn: Duration| Ok(tools::wrk(&url, turn, Some(&past))?.per_second);
    let sides = [("keys, kept", &mut kept as Side<'_>), ("keys, asked for", &mut asked)];
    let [kept, asked] = rounds(bench.effort, &bench.progress, sides)?;
    Ok(vec![Row::rate(
        "the port's keys, from the cache",
        "requests",
        &kept,
        ("from the component", &asked),
        None,
    )])
}
