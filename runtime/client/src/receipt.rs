//! Receipts of transfers, verified offline: what they say is in the log that the port signed.

use crate::input;
use crate::output::OutputArguments;
use crate::port;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use vwp_tlog::note::Verifier;
use vwp_transactions::receipts::verify::{self, RECEIPT_LENGTH_MAX};

/// The longest list of keys that is read, in bytes.
const KEYS_LENGTH_MAX: usize = 65_536;

/// What is done with receipts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify a receipt offline, with the log's published keys
    Verify(VerifyArguments),
}

/// What `vwp receipt verify` is given.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    #[command(flatten)]
    keys: LogKeyArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The receipt in a file, or - for the standard input
    file: PathBuf,
}

/// Which keys a log is believed with.
#[derive(Debug, Clone, Args)]
pub struct LogKeyArguments {
    /// A verifier key of the log, as /v1/ledger/vkeys has it
    #[arg(long = "vkey", value_name = "KEY")]
    keys: Vec<Verifier>,
    /// Verifier keys of the log, one a line: a file, or a URL
    #[arg(long = "vkeys", value_name = "FILE|URL")]
    lists: Vec<String>,
}

impl LogKeyArguments {
    /// All keys that were named; at least one.
    pub fn verifiers(&self) -> anyhow::Result<Vec<Verifier>> {
        let mut verifiers = self.keys.clone();
        for source in &self.lists {
            let bytes = if source.starts_with("http://") || source.starts_with("https://") {
                port::fetch(source, KEYS_LENGTH_MAX)?
            } else {
                input::read(Path::new(source), KEYS_LENGTH_MAX)?
            };
            let text = String::from_utf8(bytes).with_context(|| format!("{source} is not text"))?;
            for line in text.lines().filter(|line| !line.is_empty()) {
                verifiers.push(line.parse().with_context(|| source.clone())?);
            }
        }
        if verifiers.is_empty() {
            bail!("name the log's key with --vkey or --vkeys");
        }
        Ok(verifiers)
    }
}

/// Carries a subcommand out.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Verify(arguments) = command;
    let bytes = input::read(&arguments.file, RECEIPT_LENGTH_MAX)?;
    let text = String::from_utf8(bytes).context("the receipt is not text")?;
    let verified = verify::verify(&text, &arguments.keys.verifiers()?)?;
    let mut shown = serde_json::to_value(&verified.receipt)?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("log".to_owned(), json!(verified.checkpoint.origin));
        members.insert("log_size".to_owned(), json!(verified.checkpoint.head.size));
    }
    arguments.output.thing(&shown, &[])
}
