//! The application's settings, from its variables.

use spin_sdk::variables;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use vwp_core::environment::{Settings, Timestamp};
use vwp_core::{Problem, jose};

/// How long settings are kept, in milliseconds. A host may change variables while an
/// instance lives, and a change is seen this much later at the latest.
const KEPT_MS: u64 = 1000;

thread_local! {
    static SETTINGS: RefCell<Option<(Timestamp, Rc<Settings>)>> = const { RefCell::new(None) };
}

/// The settings, at most a second old: reading them for every request would be four
/// calls of the host each time.
pub(crate) async fn current(now: Timestamp, options: &[&'static str]) -> Result<Rc<Settings>, Problem> {
    let kept = SETTINGS.with_borrow(Clone::clone);
    if let Some((_, settings)) = kept.filter(|(read_at, _)| read_at.abs_diff(now) < KEPT_MS) {
        return Ok(settings);
    }
    let settings = Rc::new(read(options).await?);
    SETTINGS.set(Some((now, settings.clone())));
    Ok(settings)
}

async fn read(options: &[&'static str]) -> Result<Settings, Problem> {
    let master_key = jose::decode(&variable("master_key").await?)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| misconfigured("master_key", "is not 32 bytes in base64url"))?;
    let mut values = BTreeMap::new();
    for &name in options {
        // A manifest that does not mention an option leaves it at its default.
        if let Ok(value) = variables::get(name).await {
            values.insert(name, value);
        }
    }
    Ok(Settings {
        options: values,
        zone: variable("zone").await?,
        issuer: variable("issuer").await?,
        master_key,
        admin_token: variable("admin_token").await?,
    })
}

async fn variable(name: &str) -> Result<String, Problem> {
    variables::get(name).await.map_err(|_| misconfigured(name, "is not set"))
}

fn misconfigured(name: &str, fault: &str) -> Problem {
    // The name helps the operator, in the log; the caller learns nothing of it.
    eprintln!("variable {name} {fault}");
    Problem::internal()
}
