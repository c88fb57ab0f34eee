//! What operators do besides registering, as signed actions: withdrawing a world, handing a
//! name over, and managing keys.

use crate::connection::PortArguments;
use crate::input::next_number;
use crate::key::Key;
use crate::output::OutputArguments;
use crate::port::Body;
use crate::sign::Statement;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::Method;
use vwp_core::jose::Jwk;

/// The type of a signed action.
const ACTION_TYPE: &str = "vwp-action+jws";
/// How long an action can be sent after it was signed: as long as a port takes it.
const VALID: Duration = Duration::from_mins(5);

/// Who acts, and where.
#[derive(Debug, Args)]
pub struct ActorArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The operator's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The operator's id, if the key is not the one that the operator began with
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    operator: Option<String>,
}

/// What is done.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    /// Takes a world off.
    Withdraw { name: &'a str },
    /// Offers a name to another operator.
    Transfer { name: &'a str, to: &'a str },
    /// Takes a name that was offered.
    Accept { name: &'a str },
    /// Adds a key.
    AddKey { key: Jwk },
    /// Takes a key away.
    RevokeKey { thumbprint: &'a str },
    /// Sets the recovery key, or takes it away.
    SetRecovery { thumbprint: Option<&'a str> },
    /// Asks for a new key in place of all others, with the recovery key.
    Recover { key: Jwk },
    /// Stops a recovery.
    Object,
}

impl Action<'_> {
    /// The claims. The number is the time, which is ahead of every number that was counted.
    fn claims(&self, seq: u64) -> Value {
        match self {
            Self::Withdraw { name } => json!({ "action": "withdraw", "name": name, "seq": seq }),
            Self::Transfer { name, to } => {
                json!({ "action": "transfer", "name": name, "to": to, "seq": seq })
            }
            Self::Accept { name } => json!({ "action": "accept", "name": name, "seq": seq }),
            Self::AddKey { key } => json!({ "action": "add-key", "key": key, "seq": seq }),
            Self::RevokeKey { thumbprint } => {
                json!({ "action": "revoke-key", "thumbprint": thumbprint, "seq": seq })
            }
            Self::SetRecovery { thumbprint: Some(thumbprint) } => {
                json!({ "action": "set-recovery", "thumbprint": thumbprint, "seq": seq })
            }
            Self::SetRecovery { thumbprint: None } => json!({ "action": "set-recovery", "seq": seq }),
            Self::Recover { key } => json!({ "action": "recover", "key": key, "seq": seq }),
            Self::Object => json!({ "action": "object", "seq": seq }),
        }
    }
}

impl ActorArguments {
    /// Refuses to go on without the operator's id.
    pub(crate) fn require_operator(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.operator.is_some(), "whose keys are recovered is said with --operator");
        Ok(())
    }

    /// Signs an action, sends it, and prints what it did.
    pub(crate) fn act(&self, action: &Action<'_>) -> anyhow::Result<()> {
        let key = Key::load(&self.key)?;
        let port = self.port.port();
        let statement = Statement {
            // A recovery key is told by being in the header, and so is the key of an operator
            // that is new to the port.
            introduce: true,
            valid: Some(VALID),
            kid: self.operator.clone(),
            ..Statement::new(ACTION_TYPE, &port.index()?.issuer, action.claims(next_number()))
        };
        let signed = statement.sign(&key);
        let done: Value = port.json(&Method::POST, "/v1/actions", Some(Body::jose(&signed)))?;
        self.output.thing(&done, &[])
    }
}
