//! `vwp ledger export`: all that moved, as other programs read it.

use super::beancount::Beancount;
use super::hledger::Hledger;
use super::source::Source;
use super::tables::{Csv, Json};
use super::walk::{DAY_MS, Visitor, walk};
use crate::connection::AdministratorArguments;
use crate::world::export::whole_file;
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use vwp_transactions::orders::date_text;

/// What `vwp ledger export` is given.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    administrator: AdministratorArguments,
    /// For which program
    #[arg(long, value_enum)]
    format: Format,
    /// Where it goes instead of the standard output; the file appears when all is in it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A form of an export.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A journal for hledger
    Hledger,
    /// A journal for Beancount
    Beancount,
    /// A row for each transfer
    Csv,
    /// An object for each asset, transfer and balance, one a line
    Json,
}

/// What writes a form.
pub(super) trait Form: Visitor {
    /// Before everything else.
    fn begin(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// After everything else.
    fn end(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let source = Source::new(arguments.administrator.port()?);
    let Some(file) = arguments.output.as_deref().filter(|file| *file != Path::new("-")) else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        written(&source, arguments.format, &mut out)?;
        return out.flush().context("standard output");
    };
    let mut commands = 0;
    whole_file(file, |out| {
        commands = written(&source, arguments.format, out)?;
        Ok(())
    })?;
    eprintln!("what {commands} commands of the log moved is in {}", file.display());
    Ok(())
}

fn written(source: &Source, format: Format, out: &mut dyn Write) -> anyhow::Result<u64> {
    match format {
        Format::Hledger => formed(source, Hledger(out)),
        Format::Beancount => formed(source, Beancount(out)),
        Format::Csv => formed(source, Csv::new(out)),
        Format::Json => formed(source, Json(out)),
    }
}

fn formed(source: &Source, mut form: impl Form) -> anyhow::Result<u64> {
    form.begin()?;
    let commands = walk(source, &mut form)?;
    form.end()?;
    Ok(commands)
}

/// A day since the Unix epoch as a date.
pub(super) fn date(day: u32) -> String {
    date_text(day).unwrap_or_else(|| "1970-01-01".to_owned())
}

/// A time in milliseconds since the Unix epoch, in UTC (RFC 3339, section 5.6).
pub(super) fn timestamp(time: u64) -> String {
    let (day, rest) = (u32::try_from(time / DAY_MS).unwrap_or(u32::MAX), time % DAY_MS);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", date(day), rest % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_millisecond() {
        assert_eq!(timestamp(1_795_372_619_126), "2026-11-22T18:36:59.126Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}
