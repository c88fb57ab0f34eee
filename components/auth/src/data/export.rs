//! Everything that the port keeps of a traveller, as JSON.

use super::places::RECORDS;
use crate::audit::read::{self, PAGE_MAX};
use crate::audit::{self, Chain, Event, Kind};
use crate::error::AuthError;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How often a traveller may export, in milliseconds: once a minute, because much is read for it.
pub const INTERVAL_MS: u64 = 60_000;

/// What the port keeps of a traveller.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Export {
    /// The port.
    pub issuer: String,
    /// The traveller's id.
    pub traveller: String,
    /// When it was put together, in milliseconds since the Unix epoch.
    pub exported_at: Timestamp,
    /// The records, by their kinds' names (see [`RECORDS`]).
    pub records: Map<String, Value>,
    /// What happened, newest first.
    pub audit: Vec<read::Shown>,
    /// What is kept elsewhere under the traveller's id, and where it can be read.
    pub elsewhere: Vec<&'static str>,
}

/// Puts everything together.
pub async fn export(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<Export, AuthError> {
    let key = format!("auth/exported/{traveller}").into_bytes();
    let put = Write::Put {
        key: key.clone(),
        value: Vec::new(),
        expires_at: Some(environment.now.saturating_add(INTERVAL_MS)),
    };
    let event = Event::traveller(Kind::DataExported, traveller);
    match audit::commit(kv, &event, &[Check::absent(key)], &[put], environment).await? {
        Outcome::Committed(_) => {}
        _ => return Err(too_often()),
    }
    let mut records = Map::new();
    for kind in RECORDS {
        let found = kind.find(kv, traveller).await?;
        records.insert(kind.name.to_owned(), found.iter().map(|item| kind.shown(item)).collect());
    }
    Ok(Export {
        issuer: environment.settings.issuer.clone(),
        traveller: traveller.to_owned(),
        exported_at: environment.now,
        records,
        audit: log(kv, traveller, environment).await?,
        elsewhere: vec!["/v1/ledger/accounts/traveller:{id}/{asset}", "/v1/ledger/entries"],
    })
}

async fn log(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<Vec<read::Shown>, AuthError> {
    let chain = Chain::Traveller(traveller.to_owned());
    let (mut entries, mut before) = (Vec::new(), None);
    loop {
        let page = read::of_chain(kv, &chain, PAGE_MAX, before, environment).await?;
        entries.extend(page.entries);
        before = page.cursor.and_then(|cursor| cursor.parse().ok());
        if before.is_none() {
            return Ok(entries);
        }
    }
}

fn too_often() -> AuthError {
    let mut problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "exported-recently",
        "Everything was exported a moment ago",
        "once a minute is often enough",
    );
    problem.retry_after_s = Some(u32::try_from(INTERVAL_MS / 1000).unwrap_or(u32::MAX));
    problem.into()
}
