//! What everybody may keep, from the host's cache, beside the same from the component.

use crate::measure::{Side, rounds};
use crate::port::Port;
use crate::report::Row;
use crate::{Bench, tools};
use anyhow::Result;
use std::time::Duration;

/// The description of the API, which is long.
const PATH: &str = "/openapi.json";
/// As browsers and programs ask for it.
const COMPRESSED: &str = "wrk.headers[\"Accept-Encoding\"] = \"gzip\"\n";
/// Whoever is named by a cookie is asked for past the cache.
const PAST: &str = "wrk.headers[\"Cookie\"] = \"past=the-cache\"\n";

/// The two in turns, of one host.
pub(crate) fn rows(bench: &Bench, port: &Port) -> Result<Vec<Row>> {
    let (plain, past) = (bench.scratch.path().join("plain.lua"), bench.scratch.path().join("past.lua"));
    std::fs::write(&plain, COMPRESSED)?;
    std::fs::write(&past, format!("{COMPRESSED}{PAST}"))?;
    let url = format!("http://{}{PATH}", port.http);
    let mut kept = |turn: Duration| Ok(tools::wrk(&url, turn, Some(&plain))?.per_second);
    let mut asked = |turn: Duration| Ok(tools::wrk(&url, turn, Some(&past))?.per_second);
    let sides = [("description, kept", &mut kept as Side<'_>), ("description, asked for", &mut asked)];
    let [kept, asked] = rounds(bench.effort, &bench.progress, sides)?;
    Ok(vec![Row::rate(
        "description of the API, gzip, from the cache",
        "requests",
        &kept,
        ("from the component", &asked),
        None,
    )])
}
