//! The port's own signing keys, for who runs it: listing and rotating them.

use crate::connection::AdministratorArguments;
use crate::input::now_s;
use crate::output::{self, span};
use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use ureq::http::Method;

/// Looking after the port's keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a keyring's keys, newest first
    List(KeyringArguments),
    /// Make a new key, which signs from now on; those before it still verify
    Rotate(KeyringArguments),
}

/// Which keyring, and where.
#[derive(Debug, Args)]
pub struct KeyringArguments {
    /// The keyring
    keyring: Keyring,
    #[command(flatten)]
    administrator: AdministratorArguments,
}

/// The keyrings of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keyring {
    /// The keys that sign passports and sessions
    Issuer,
    /// The keys that sign registrations
    Zone,
    /// The keys that sign checkpoints of the ledger's log
    Log,
}

impl Keyring {
    fn path(self) -> &'static str {
        match self {
            Self::Issuer => "/v1/keys/issuer",
            Self::Zone => "/v1/keys/zone",
            Self::Log => "/v1/keys/log",
        }
    }
}

/// A key as the port shows it to its administrator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyInfo {
    /// The key's id.
    pub kid: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether new signatures use it.
    pub active: bool,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<KeyInfo>,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let keys = match command {
        Command::List(arguments) => {
            let keys: Keys = arguments.ask(&Method::GET, "")?;
            keys.keys
        }
        Command::Rotate(arguments) => vec![arguments.ask(&Method::POST, "/rotate")?],
    };
    if keys.is_empty() {
        eprintln!("The keyring is empty: its first key is made when it is needed.");
    }
    for key in keys {
        output::line(&line(&key, now_s()))?;
    }
    Ok(())
}

impl KeyringArguments {
    fn ask<T: serde::de::DeserializeOwned>(&self, method: &Method, below: &str) -> anyhow::Result<T> {
        let path = format!("{}{below}", self.keyring.path());
        Ok(self.administrator.port()?.json(method, &path, None)?)
    }
}

fn line(key: &KeyInfo, now_s: u64) -> String {
    let age_s = now_s.saturating_sub(key.created_at / 1000);
    let role = if key.active { "signs" } else { "verifies" };
    format!("{}  {role:<8}  made {} ago", key.kid, span(age_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_with_its_role_and_age() {
        let key = KeyInfo { kid: "abc".into(), created_at: 1_000_000, active: true };
        assert_eq!(line(&key, 1_030), "abc  signs     made 30 s ago");
        let retired = KeyInfo { active: false, ..key };
        assert_eq!(line(&retired, 1_000 + 3 * 86400), "abc  verifies  made 3 d ago");
        assert_eq!(line(&retired, 0), "abc  verifies  made 0 s ago");
    }
}
