//! `vwp zone export` and `vwp zone import`: a whole zone in a file.

use super::ZoneArguments;
use crate::input;
use crate::output::{self, at};
use crate::patience::patiently;
use crate::port::Body;
use crate::world::export::whole_file;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use ureq::http::Method;

/// The longest file that is sent, in bytes: more than a port takes at once, so that it is the
/// port that says how much it takes.
const ZONE_LENGTH_MAX: usize = 16 * 1024 * 1024;

/// What `vwp zone export` is given.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The file's format
    #[arg(long, default_value = "master")]
    format: Format,
    /// Where the zone goes; the file appears when all of it is there
    file: PathBuf,
}

/// What `vwp zone import` is given.
#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The file's format
    #[arg(long, default_value = "master")]
    format: Format,
    /// The file, or - for the standard input
    file: PathBuf,
}

/// How a zone is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A master file (RFC 1035, section 5)
    Master,
    /// JSON
    Json,
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Json => "json",
        }
    }
}

/// A part of a zone as JSON.
#[derive(Deserialize)]
struct Part {
    zone: String,
    serial: u32,
    records: Vec<Value>,
}

pub(super) fn run_export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let zone = &arguments.zone;
    let port = zone.port()?;
    whole_file(&arguments.file, |file| {
        let mut target = Some(zone.target("/v1/zone/export", &[("format", arguments.format.word())]));
        let mut is_first = true;
        while let Some(current) = target {
            let answer = patiently(|| port.send(&Method::GET, &current, None))?;
            match arguments.format {
                Format::Master => file.write_all(&answer.body)?,
                Format::Json => write_part(file, &answer.body, is_first)?,
            }
            is_first = false;
            target = answer.next();
        }
        if arguments.format == Format::Json {
            file.write_all(b"\n]}\n")?;
        }
        Ok(())
    })
}

/// Writes a part of a zone so that all parts are one JSON document.
fn write_part(file: &mut dyn Write, body: &[u8], is_first: bool) -> anyhow::Result<()> {
    let part: Part = serde_json::from_slice(body).context("the port's answer is not a part of a zone")?;
    if is_first {
        write!(file, "{{\"zone\":{},\"serial\":{},\"records\":[", Value::from(part.zone), part.serial)?;
    }
    for (index, record) in part.records.iter().enumerate() {
        let comma = if is_first && index == 0 { "" } else { "," };
        write!(file, "{comma}\n{record}")?;
    }
    Ok(())
}

pub(super) fn run_import(arguments: &ImportArguments) -> anyhow::Result<()> {
    let bytes = input::read(&arguments.file, ZONE_LENGTH_MAX)?;
    // RFC 4027 registers the media type of master files.
    let media_type = match arguments.format {
        Format::Master => "text/dns",
        Format::Json => "application/json",
    };
    let zone = &arguments.zone;
    let body = Body { media_type, bytes: &bytes, coding: None };
    let report: Value = zone.port()?.json(&Method::POST, &zone.target("/v1/zone/import", &[]), Some(body))?;
    if zone.output.json {
        output::line(&report.to_string())?;
    } else {
        zone.output.thing(&report, &["names"])?;
        let is_refused = |name: &&Value| at(name, "/outcome") == "refused";
        for name in report.get("names").and_then(Value::as_array).into_iter().flatten().filter(is_refused) {
            output::line(&output::plain(&format!("refused {}: {}", at(name, "/name"), at(name, "/detail"))))?;
        }
    }
    match report.get("refused").and_then(Value::as_u64).unwrap_or(0) {
        0 => Ok(()),
        count => bail!("the port refused {count} of the names"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_zone_are_one_document() {
        let mut file = Vec::new();
        for (index, records) in
            ["[{\"name\":\"a.\"},{\"name\":\"b.\"}]", "[]", "[{\"name\":\"c.\"}]"].iter().enumerate()
        {
            let part = format!("{{\"zone\":\"vwp.test\",\"serial\":7,\"records\":{records},\"next\":null}}");
            write_part(&mut file, part.as_bytes(), index == 0).unwrap();
        }
        file.extend(b"\n]}\n");
        let whole: Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(whole["serial"], 7);
        assert_eq!(whole["records"].as_array().unwrap().len(), 3);
    }
}
