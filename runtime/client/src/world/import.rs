//! `vwp world import`: registering the worlds of a list.
//!
//! Records that were exported are sent as they were signed. Lists of others are signed
//! here, with one operator key each.
//! An import can be stopped and repeated at any time: a world's key is kept in a file
//! before its record is sent, and a record that is there already is replaced by a
//! newer one.

use super::records;
use crate::connection::PortArguments;
use crate::input::{self, next_number, now_s};
use crate::key::Key;
use crate::output;
use crate::patience::{ATTEMPTS_MAX, patiently};
use crate::port::{Body, Port, PortError, Refusal};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use ureq::http::{Method, StatusCode};
use vwp_discovery::minecraft_networks::{self, Draft};
use vwp_discovery::record;

/// How many worlds of one kind of refusal the summary names.
const NAMES_SHOWN_MAX: usize = 8;

/// What `vwp world import` is given.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// What kind of list it is
    #[arg(long)]
    format: Format,
    #[command(flatten)]
    port: PortArguments,
    /// Where the operators' keys are kept, one file per world
    #[arg(long, value_name = "DIR", default_value = "./operators")]
    keys_dir: PathBuf,
    /// How long the records hold
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = input::duration)]
    valid: Duration,
    /// How many worlds of others are registered at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    concurrency: u8,
    /// The list, or - for the standard input
    file: PathBuf,
}

/// The kinds of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A JSON array of Minecraft networks: id, name and addresses
    MinecraftNetworks,
    /// What `vwp world export` wrote: records that their operators signed for this port
    Records,
}

/// The port refused some of the worlds; the others were registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the port refused {0} of the worlds")]
pub struct SomeRefused(pub usize);

/// What became of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Registered,
    Updated,
    Refused(Refusal),
}

/// What became of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Worlds that were not registered before.
    pub registered: usize,
    /// Worlds whose record was replaced.
    pub updated: usize,
    /// Worlds that the port refused, by the kind of problem.
    pub refused: BTreeMap<String, Vec<String>>,
    /// Entries of the list that do not make a world, and why.
    pub left_out: Vec<String>,
}

impl Summary {
    /// How many worlds the port refused.
    pub fn refused_count(&self) -> usize {
        self.refused.values().map(Vec::len).sum()
    }

    pub(super) fn count(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Registered => self.registered += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Refused(refusal) => {
                let kind = format!("{} ({})", refusal.title, refusal.slug);
                self.refused.entry(kind).or_default().push(name.to_owned());
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.refused_count();
        write!(
            formatter,
            "registered {}, updated {}, refused {refused}, left out {}",
            self.registered,
            self.updated,
            self.left_out.len()
        )?;
        for (kind, names) in &self.refused {
            let shown: Vec<&str> = names.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
            let more = if names.len() > shown.len() { ", ..." } else { "" };
            write!(formatter, "\n  refused {} x {kind}: {}{more}", names.len(), shown.join(", "))?;
        }
        for why in &self.left_out {
            write!(formatter, "\n  left out {why}")?;
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &ImportArguments) -> anyhow::Result<()> {
    let context = || format!("{} cannot be imported", arguments.file.display());
    let summary = match arguments.format {
        Format::MinecraftNetworks => {
            let list = input::read(&arguments.file, minecraft_networks::LIST_LENGTH_MAX)?;
            let entries = minecraft_networks::parse(&list).with_context(context)?;
            let importer = Importer::new(&arguments.port.url, &arguments.keys_dir, arguments.valid)?;
            let bar = progress_bar(entries.len())?;
            importer.import(entries, arguments.concurrency, &bar)
        }
        Format::Records => {
            let export = input::read(&arguments.file, records::EXPORT_LENGTH_MAX)?;
            let records = records::parse(&export).with_context(context)?;
            let bar = progress_bar(records.len())?;
            records::send(&arguments.port.port(), &records, &bar)
        }
    }?;
    output::line(&summary.to_string())?;
    match summary.refused_count() {
        0 => Ok(()),
        count => Err(SomeRefused(count).into()),
    }
}

/// A bar that goes away when it is dropped.
fn progress_bar(length: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
    let bar = ProgressBar::new(length as u64).with_finish(ProgressFinish::AndClear);
    bar.set_style(style.context("the progress bar's template")?);
    Ok(bar)
}

/// Registers drafts at one port.
pub struct Importer {
    port: Port,
    audience: String,
    keys_dir: PathBuf,
    valid: Duration,
}

impl Importer {
    /// An importer for the port at a URL. Asks the port for whom its records must be.
    pub fn new(url: &str, keys_dir: &Path, valid: Duration) -> anyhow::Result<Self> {
        let port = Port::new(url);
        let audience = port.index()?.issuer;
        std::fs::create_dir_all(keys_dir).with_context(|| keys_dir.display().to_string())?;
        Ok(Self { port, audience, keys_dir: keys_dir.to_owned(), valid })
    }

    /// Registers every draft, some at the same time. Stops early if the port cannot be
    /// reached or a key file cannot be used.
    pub fn import(
        &self,
        entries: Vec<Result<Draft, minecraft_networks::Refusal>>,
        concurrency: u8,
        bar: &ProgressBar,
    ) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        let mut drafts = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Ok(draft) => drafts.push(draft),
                Err(refusal) => {
                    summary.left_out.push(refusal.to_string());
                    bar.inc(1);
                }
            }
        }
        let waiting = Mutex::new(drafts.into_iter());
        let done = Mutex::new((summary, None));
        std::thread::scope(|scope| {
            for _ in 0..concurrency {
                scope.spawn(|| self.work(&waiting, &done, bar));
            }
        });
        match done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            (summary, None) => Ok(summary),
            (summary, Some(error)) => Err(error).context(format!("stopped early: {summary}")),
        }
    }

    fn work(
        &self,
        waiting: &Mutex<impl Iterator<Item = Draft>>,
        done: &Mutex<(Summary, Option<anyhow::Error>)>,
        bar: &ProgressBar,
    ) {
        loop {
            // A lock is held for one step that cannot panic, so it is never poisoned.
            let Some(draft) = lock(waiting).next() else { return };
            let name = draft.name.clone();
            let outcome = self.register(&draft);
            bar.set_message(name.to_string());
            bar.inc(1);
            let mut done = lock(done);
            match outcome {
                Ok(outcome) if done.1.is_none() => done.0.count(name.as_str(), outcome),
                Err(error) if done.1.is_none() => done.1 = Some(error.context(name.to_string())),
                _ => {}
            }
            if done.1.is_some() {
                return;
            }
        }
    }

    fn register(&self, draft: &Draft) -> anyhow::Result<Outcome> {
        let key = Key::load_or_create(&self.keys_dir.join(format!("{}.jwk", draft.name)))?;
        let mut seq = self.next_seq(draft)?;
        let mut attempt = 1;
        loop {
            let iat = now_s();
            let exp = iat.saturating_add(self.valid.as_secs());
            let record = draft.clone().into_record(&key.id(), self.audience.clone(), seq, iat, exp);
            let signed = record::sign(&record, key.as_ref());
            // Sending the same number again is harmless, whether the first one arrived or not.
            match patiently(|| self.port.send(&Method::POST, "/v1/worlds", Some(Body::jose(&signed)))) {
                Ok(answer) if answer.status == StatusCode::CREATED => return Ok(Outcome::Registered),
                Ok(_) => return Ok(Outcome::Updated),
                // A record that has ended is not shown any more, but its number still
                // counts. The clock is ahead of every number that was counted.
                Err(PortError::Refused(refusal))
                    if refusal.slug == "record-replayed" && attempt < ATTEMPTS_MAX =>
                {
                    attempt += 1;
                    seq = next_number().max(self.next_seq(draft)?);
                }
                Err(PortError::Refused(refusal)) => return Ok(Outcome::Refused(refusal)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One more than the sequence number that is registered, or 1.
    fn next_seq(&self, draft: &Draft) -> anyhow::Result<u64> {
        let path = format!("/v1/worlds/{}", draft.name);
        match self.port.get::<Value>(&path) {
            Ok(world) => Ok(world.get("seq").and_then(Value::as_u64).unwrap_or(0).saturating_add(1)),
            Err(PortError::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(1),
            Err(error) => Err(error.into()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(slug: &str, title: &str) -> Refusal {
        Refusal {
            status: StatusCode::CONFLICT,
            slug: slug.into(),
            title: title.into(),
            detail: String::new(),
            retry_after_s: None,
        }
    }

    #[test]
    fn a_summary_says_what_was_refused_and_why() {
        let mut summary = Summary::default();
        summary.count("a", Outcome::Registered);
        summary.count("b", Outcome::Updated);
        summary.count("c", Outcome::Refused(refusal("name-taken", "The name is taken")));
        summary.count("d", Outcome::Refused(refusal("name-taken", "The name is taken")));
        summary.left_out.push("e: there is no address".into());
        let expected = "registered 1, updated 1, refused 2, left out 1\n  \
                        refused 2 x The name is taken (name-taken): c, d\n  \
                        left out e: there is no address";
        assert_eq!(summary.to_string(), expected);
    }

    #[test]
    fn a_long_list_of_refusals_is_cut_short() {
        let mut summary = Summary::default();
        for index in 0..20 {
            summary.count(&format!("w{index}"), Outcome::Refused(refusal("busy", "Busy")));
        }
        assert!(summary.to_string().ends_with("w6, w7, ..."), "{summary}");
        assert_eq!(summary.refused_count(), 20);
    }

    #[test]
    fn an_import_of_which_some_was_refused_fails() {
        assert_eq!(crate::exit::code(&SomeRefused(1).into()), crate::exit::FAILED);
    }
}
