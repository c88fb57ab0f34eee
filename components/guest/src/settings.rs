//! The application's settings, from its variables.

use spin_sdk::variables;
use vwp_core::environment::Settings;
use vwp_core::{Problem, jose};

/// Reads the variables. They are read per request, because a host may change them;
/// each read is one call that does not leave the host.
pub(crate) async fn read() -> Result<Settings, Problem> {
    let master_key = jose::decode(&variable("master_key").await?)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .ok_or_else(|| misconfigured("master_key", "is not 32 bytes in base64url"))?;
    Ok(Settings {
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
