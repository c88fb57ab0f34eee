//! What the store holds, to the last byte: each record of each log, each entry of the index, and
//! each checkpoint with the log that it was made from.

use super::super::control;
use super::Finding;
use super::files::mebibytes;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use vwp_store::{Engine, FjallEngine, FjallOptions, StoreError};

/// How long the process that serves may take to say how it is.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER_LENGTH_MAX: u64 = 64 * 1024;

/// What the process says that serves from this state folder, if one does.
pub(super) fn serving(state: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(control::socket(state)).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    // HTTP/1.0: the answer ends with the connection, and has no parts (RFC 1945, section 7.2.2).
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_LENGTH_MAX).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

pub(super) fn look(state: &Path, serving: Option<&Value>, findings: &mut Vec<Finding>) {
    let check = "store";
    if let Some(report) = serving {
        let is_ready = report["ready"] == true;
        findings.push(if is_ready {
            Finding::ok(check, "a process serves from it, and says that it is well")
        } else {
            Finding::wrong(check, format!("a process serves from it, and is not well: {report}"))
        });
        return;
    }
    let folder = state.join("store");
    if !folder.is_dir() {
        return findings.push(Finding::ok(check, "there is none; the first start makes it"));
    }
    match verified(&folder) {
        Ok(found) => findings.extend(found),
        Err(StoreError::Locked { .. }) => {
            findings.push(Finding::skipped(check, "a process has it open that does not say how it is"));
        }
        Err(error @ (StoreError::Corrupt { .. } | StoreError::LostData { .. })) => {
            findings.push(Finding::wrong(check, format!("{error}: restore a backup into a new folder")));
        }
        Err(error) => findings.push(Finding::wrong(check, error.to_string())),
    }
}

/// Opening verifies the log of the key-value store; what a backup reads is everything else.
fn verified(folder: &Path) -> Result<Vec<Finding>, StoreError> {
    let engine = FjallEngine::open(folder, FjallOptions::default())?;
    let backup = engine.backup()?;
    let summary = match backup.write(&mut std::io::sink(), &[], &mut |_| {}) {
        Ok(summary) => summary,
        Err(vwp_store::BackupError::Store(error)) => return Err(error),
        Err(error) => return Ok(vec![Finding::wrong("store", error.to_string())]),
    };
    let machines: Vec<String> =
        summary.machines.iter().map(|(name, last)| format!("{name} with {last} commands")).collect();
    let machines = if machines.is_empty() { "none".to_owned() } else { machines.join(", ") };
    let text = format!(
        "every checksum holds: {} entries, {} to back up; machines: {machines}",
        summary.entries,
        mebibytes(summary.bytes)
    );
    let mut findings = vec![Finding::ok("store", text)];
    for (path, state) in engine.checkpoints()? {
        if let Err(reason) = state {
            let text =
                format!("{}: {reason}; it is passed over, and the log replayed instead", path.display());
            findings.push(Finding::warning("checkpoint", text));
        }
    }
    Ok(findings)
}
