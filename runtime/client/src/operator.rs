//! `vwp operator`: an operator's keys at a port.

use crate::action::{Action, ActorArguments};
use crate::connection::PortArguments;
use crate::exit;
use crate::input;
use crate::output::OutputArguments;
use crate::port::segment;
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use vwp_core::jose::Jwk;

/// The longest file with a public key, in bytes.
const KEY_LENGTH_MAX: usize = 16 * 1024;

/// What an operator does with its keys.
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP)]
pub enum Command {
    /// Show an operator: its keys, and a recovery that is under way
    Show(ShowArguments),
    /// Add a key
    AddKey(KeyFileArguments),
    /// Take a key away
    RevokeKey(ThumbprintArguments),
    /// Name the recovery key, whose file is then best kept elsewhere
    SetRecovery(RecoveryArguments),
    /// Ask, with the recovery key, for a new key in place of all others, after a delay
    Recover(KeyFileArguments),
    /// Stop a recovery that somebody else asked for
    Object(ObjectArguments),
}

/// What `vwp operator show` is given.
#[derive(Debug, Args)]
pub struct ShowArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The operator's id
    id: String,
}

/// What `vwp operator add-key` and `vwp operator recover` are given.
#[derive(Debug, Args)]
pub struct KeyFileArguments {
    #[command(flatten)]
    actor: ActorArguments,
    /// The file of the new key; only its public half is sent
    new_key: PathBuf,
}

/// What `vwp operator revoke-key` is given.
#[derive(Debug, Args)]
pub struct ThumbprintArguments {
    #[command(flatten)]
    actor: ActorArguments,
    /// The key's id: its thumbprint
    thumbprint: String,
}

/// What `vwp operator set-recovery` is given.
#[derive(Debug, Args)]
pub struct RecoveryArguments {
    #[command(flatten)]
    actor: ActorArguments,
    /// The recovery key's id: its thumbprint; without it there is no recovery key any more
    thumbprint: Option<String>,
}

/// What `vwp operator object` is given.
#[derive(Debug, Args)]
pub struct ObjectArguments {
    #[command(flatten)]
    actor: ActorArguments,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Show(arguments) => {
            let path = format!("/v1/operators/{}", segment(&arguments.id));
            let operator: Value = arguments.port.port().get(&path)?;
            arguments.output.thing(&operator, &[])
        }
        Command::AddKey(KeyFileArguments { actor, new_key }) => {
            actor.act(&Action::AddKey { key: public_key(new_key)? })
        }
        Command::RevokeKey(ThumbprintArguments { actor, thumbprint }) => {
            actor.act(&Action::RevokeKey { thumbprint })
        }
        Command::SetRecovery(RecoveryArguments { actor, thumbprint }) => {
            actor.act(&Action::SetRecovery { thumbprint: thumbprint.as_deref() })
        }
        Command::Recover(KeyFileArguments { actor, new_key }) => {
            // The signer is not the operator's own key, from which the id would follow.
            actor.require_operator()?;
            actor.act(&Action::Recover { key: public_key(new_key)? })
        }
        Command::Object(ObjectArguments { actor }) => actor.act(&Action::Object),
    }
}

/// The public half of the key in a file, which may hold no more than that.
fn public_key(file: &Path) -> anyhow::Result<Jwk> {
    let bytes = input::read(file, KEY_LENGTH_MAX)?;
    let context = || format!("{} is not a P-256 key as a JSON Web Key", file.display());
    let mut members: Map<String, Value> = serde_json::from_slice(&bytes).ok().with_context(context)?;
    // Only what makes the public half (RFC 7518, section 6.2.1) goes on from here.
    members.retain(|name, _| matches!(name.as_str(), "kty" | "crv" | "x" | "y"));
    let jwk: Jwk = serde_json::from_value(Value::Object(members)).ok().with_context(context)?;
    jwk.to_key().ok().with_context(context)?;
    Ok(jwk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    #[test]
    fn only_the_public_half_of_a_new_key_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new.jwk");
        let key = Key::create(&file).unwrap();
        let sent = serde_json::to_string(&public_key(&file).unwrap()).unwrap();
        assert_eq!(sent, serde_json::to_string(&key.jwk()).unwrap());
        assert!(!sent.contains("\"d\""));
    }
}
