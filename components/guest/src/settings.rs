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
    let master_key = master_key("master_key", &variable("master_key").await?)?;
    // Only while the master key is being replaced is there another one.
    let master_key_previous = match variables::get("master_key_previous").await {
        Ok(text) if !text.is_empty() => Some(self::master_key("master_key_previous", &text)?),
        _ => None,
    };
    Ok(Settings {
        options: values(options).await,
        zone: variable("zone").await?,
        issuer: variable("issuer").await?,
        master_key,
        master_key_previous,
        admin_token: variable("admin_token").await?,
    })
}

/// The values of variables.
pub(crate) async fn values(names: &[&'static str]) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::new();
    for &name in names {
        // A manifest that does not mention an option leaves it at its default.
        if let Ok(value) = variables::get(name).await {
            values.insert(name, value);
        }
    }
    values
}

fn master_key(name: &str, text: &str) -> Result<[u8; 32], Problem> {
    let bytes = jose::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| misconfigured(name, "is not 32 bytes in base64url"))
}

async fn variable(name: &str) -> Result<String, Problem> {
    variables::get(name).await.map_err(|_| misconfigured(name, "is not set"))
}

fn misconfigured(name: &str, fault: &str) -> Problem {
    // The name helps the operator, in the log; the caller learns nothing of it.
    eprintln!("variable {name} {fault}");
    Problem::internal()
}
