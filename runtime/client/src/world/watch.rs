//! `vwp world watch`: what changes, as it changes.

use crate::connection::PortArguments;
use crate::output::{self, OutputArguments, at, plain};
use crate::patience::patiently;
use crate::port::Port;
use clap::Args;
use serde_json::Value;

/// How long the port is asked to wait for a change, in seconds: less than a request may
/// take.
const WAIT_S: &str = "20";
/// How many changes are asked for at once.
const PAGE_LENGTH: &str = "100";

/// What `vwp world watch` is given.
#[derive(Debug, Args)]
pub struct WatchArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// Where an earlier watch ended: every change after that is shown, once
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
    /// End after this many changes
    #[arg(long, value_name = "COUNT")]
    count: Option<usize>,
}

pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<()> {
    let port = arguments.port.port();
    let mut since = arguments.since.clone();
    let mut left = arguments.count.unwrap_or(usize::MAX);
    if since.is_none() {
        // Without a cursor the port says where the list ends now, and waits for nothing.
        let now = patiently(|| changes(&port, None))?.next;
        eprintln!("Watching from --since {} on", plain(&now));
        since = Some(now);
    }
    while left > 0 {
        let page = patiently(|| changes(&port, since.as_deref()))?;
        for change in page.changes.iter().take(left) {
            show(change, arguments.output)?;
        }
        left = left.saturating_sub(page.changes.len());
        since = Some(page.next);
    }
    Ok(())
}

/// Changes, and where the next ones start.
#[derive(Debug, serde::Deserialize)]
struct Page {
    changes: Vec<Value>,
    next: String,
}

/// The changes after a cursor, as soon as there are any.
fn changes(port: &Port, since: Option<&str>) -> Result<Page, crate::port::PortError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("wait", WAIT_S).append_pair("limit", PAGE_LENGTH);
    if let Some(since) = since {
        query.append_pair("since", since);
    }
    port.get(&format!("/v1/worlds/changes?{}", query.finish()))
}

fn show(change: &Value, output: OutputArguments) -> anyhow::Result<()> {
    if output.json {
        return output::line(&change.to_string());
    }
    let columns = [at(change, "/cursor"), at(change, "/kind"), at(change, "/name")];
    let [cursor, kind, name] = columns.map(|text| plain(&text));
    output::line(&format!("{cursor:<12}  {kind:<12}  {name}"))
}
