//! `vwp audit`: whether a log is what its port signed, and its state what its log says.
//!
//! Everything is computed again from the commands: the tree over the log, whose root has to be the
//! one in the signed checkpoint, and in the checkpoint of the audit before; and the state, by
//! replaying the commands in the machine's own component. Then the port is asked about everything
//! that the commands named, and has to answer what the replayed machine answers.
//!
//! - [`source`]: where the log comes from: a port, or a folder.
//! - [`replay`]: the tree and the machine, built again.
//! - [`compare`]: the port's answers beside the replayed machine's.

mod compare;
mod replay;
mod source;

use crate::machine;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use replay::{Differs, Replay};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use source::{Folder, Online};
use std::path::{Path, PathBuf};
use vwp_client::connection::AdministratorArguments;
use vwp_client::exit::Exit;
use vwp_client::input;
use vwp_client::output::OutputArguments;
use vwp_client::receipt::LogKeyArguments;
use vwp_tlog::checkpoint::Checkpoint;
use vwp_tlog::note::{NOTE_LENGTH_MAX, Verifier};
use vwp_tlog::proof::Head;
use wasmtime::component::Component;

/// What `vwp audit` takes.
#[derive(Debug, clap::Args)]
pub struct Audit {
    #[command(flatten)]
    administrator: AdministratorArguments,
    #[command(flatten)]
    keys: LogKeyArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The machine's component, which replays the log
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/wasm32-wasip2/release/vwp_ledger_component.wasm"
    )]
    component: PathBuf,
    /// The checkpoint of the audit before, which the log has to continue; after an audit without
    /// a difference, the one that was audited
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Audit the log in this folder, as data/store/machines/ledger of a port that is not running,
    /// instead of asking a port
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
}

impl Audit {
    /// Audits, and prints what was found. A difference is an error of a kind of its own.
    pub fn run(&self) -> Result<()> {
        self.audit().map_err(|error| match error.downcast::<Differs>() {
            Ok(Differs(what)) => Exit::differs(what).into(),
            Err(error) => error,
        })
    }

    fn audit(&self) -> Result<()> {
        let engine = machine::engine()?;
        let bytes = std::fs::read(&self.component).with_context(|| self.component.display().to_string())?;
        let factory = machine::factory(&engine, &Component::new(&engine, &bytes)?)?;
        let mut replay = Replay::new(factory()?);
        let known =
            if self.log.is_none() || self.checkpoint.is_some() { self.keys.verifiers()? } else { Vec::new() };
        let before = self.kept(&known)?;
        let mut found = match &self.log {
            Some(folder) => Self::offline(folder, &mut replay, before.as_ref())?,
            None => self.online(&known, &mut replay, before.as_ref())?,
        };
        found["continues"] = before.map(|before| before.head.size).into();
        found["component"] = json!(format!("sha256:{}", hex(&Sha256::digest(&bytes))));
        self.output.thing(&found, &[])
    }

    /// The checkpoint of the audit before, if there was one.
    fn kept(&self, known: &[Verifier]) -> Result<Option<Checkpoint>> {
        let Some(path) = self.checkpoint.as_deref() else { return Ok(None) };
        // Only an audit of a port makes one: elsewhere a wrong name would be no check at all.
        if self.log.is_none() && !path.exists() {
            return Ok(None);
        }
        let note = String::from_utf8(input::read(path, NOTE_LENGTH_MAX)?)?;
        Ok(Some(Checkpoint::open(&note, known).with_context(|| path.display().to_string())?))
    }

    fn online(&self, known: &[Verifier], replay: &mut Replay, before: Option<&Checkpoint>) -> Result<Value> {
        let mut source = Online::new(self.administrator.port()?);
        let (note, signed) = source.checkpoint(known)?;
        if let Some(before) = before {
            require_continued(before, &signed)?;
            replay.expect(before.head, "the checkpoint of the audit before");
        }
        replay.expect(signed.head, "the signed checkpoint");
        let bar = progress(signed.head.size);
        replay.advance(&mut source, signed.head.size, &bar)?;
        bar.finish_and_clear();
        let mut found = summary(replay)?;
        let compared = compare::compare(&mut source, replay, known)?;
        found["origin"] = json!(signed.origin);
        found["compared"] = json!(compared);
        if let Some(path) = &self.checkpoint {
            std::fs::write(path, note).with_context(|| path.display().to_string())?;
        }
        Ok(found)
    }

    fn offline(folder: &Path, replay: &mut Replay, before: Option<&Checkpoint>) -> Result<Value> {
        let mut source = Folder::open(folder)?;
        let size = source.size();
        if let Some(before) = before {
            if before.head.size > size {
                let what = format!("the log has {size} commands, and {} were signed", before.head.size);
                return Err(Differs(what).into());
            }
            replay.expect(before.head, "the checkpoint");
        }
        let bar = progress(size);
        replay.advance(&mut source, size, &bar)?;
        bar.finish_and_clear();
        summary(replay)
    }
}

/// A log only grows, and is one log.
fn require_continued(before: &Checkpoint, now: &Checkpoint) -> Result<()> {
    if before.origin != now.origin {
        anyhow::bail!("the checkpoint before is of {}, and this log is {}", before.origin, now.origin);
    }
    if before.head.size > now.head.size {
        let (before, now) = (before.head.size, now.head.size);
        return Err(Differs(format!("the log has {now} commands, and had {before}")).into());
    }
    Ok(())
}

fn summary(replay: &mut Replay) -> Result<Value> {
    let Head { size, root } = replay.head();
    Ok(json!({ "commands": size, "root": hex(&root), "state": format!("sha256:{}", hex(&replay.state()?)) }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A line that says how far the audit is, on a terminal.
fn progress(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} commands, {eta} left");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
