//! Registering what `vwp world export` wrote: signed records, sent as they were signed.

use super::import::{Outcome, Summary};
use crate::patience::patiently;
use crate::port::{Body, Port, PortError};
use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::Value;
use ureq::http::{Method, StatusCode};

/// The largest export that is read, in bytes.
pub(super) const EXPORT_LENGTH_MAX: usize = 2 * 1024 * 1024 * 1024;

/// A signed record, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    name: String,
    record: String,
}

/// Reads an export, one JSON object per line.
pub(super) fn parse(export: &[u8]) -> anyhow::Result<Vec<Signed>> {
    let lines = export.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    lines
        .map(|(index, line)| {
            let number = index + 1;
            let world: Value =
                serde_json::from_slice(line).with_context(|| format!("line {number} is not JSON"))?;
            let text = |name: &str| world.get(name).and_then(Value::as_str).map(str::to_owned);
            match (text("name"), text("record")) {
                (Some(name), Some(record)) => Ok(Signed { name, record }),
                _ => bail!("line {number} is not a world with its name and its signed record"),
            }
        })
        .collect()
}

/// Sends every record. A port that has a record already, or a newer one, keeps that.
pub(super) fn send(port: &Port, records: &[Signed], bar: &ProgressBar) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    for signed in records {
        bar.set_message(signed.name.clone());
        let sent = patiently(|| port.send(&Method::POST, "/v1/worlds", Some(Body::jose(&signed.record))));
        let outcome = match sent {
            Ok(answer) if answer.status == StatusCode::CREATED => Outcome::Registered,
            Ok(_) => Outcome::Updated,
            Err(PortError::Refused(refusal)) => Outcome::Refused(refusal),
            Err(error) => return Err(error).context(format!("stopped early: {summary}")),
        };
        summary.count(&signed.name, outcome);
        bar.inc(1);
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_read_line_by_line_and_a_bad_line_is_named() {
        let export =
            b"{\"name\":\"a\",\"record\":\"x.y.z\",\"seq\":1}\n\n{\"name\":\"b\",\"record\":\"u.v.w\"}\n";
        let names: Vec<String> = parse(export).unwrap().into_iter().map(|signed| signed.name).collect();
        assert_eq!(names, ["a", "b"]);
        for (export, expected) in [("{}\n", "line 1"), ("\n{\"name\":\"a\"}", "line 2"), ("x", "line 1")] {
            let error = parse(export.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error:#}");
        }
    }
}
