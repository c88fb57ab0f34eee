//! What the commands about backups print.

use serde_json::{Value, json};
use vwp_store::backup::Summary;

/// What is in a backup.
pub(super) fn json_of(summary: &Summary) -> Value {
    let machines: serde_json::Map<String, Value> =
        summary.machines.iter().map(|(name, last)| (name.clone(), (*last).into())).collect();
    json!({
        "taken_at": summary.taken_at,
        "version": summary.version,
        "entries": summary.entries,
        "machines": machines,
        "secrets": summary.files,
        "bytes": summary.bytes,
    })
}

/// The same for people.
pub(super) fn text_of(summary: &Summary) -> String {
    let machines = summary.machines.iter().map(|(name, last)| format!("; {name} up to command {last}"));
    let machines: String = machines.collect();
    let secrets = match summary.files.as_slice() {
        [] => "without secrets".to_owned(),
        names => format!("with the secrets {}", names.join(", ")),
    };
    format!(
        "{} bytes of {}: {} entries up to version {}{machines}; {secrets}",
        summary.bytes,
        time(summary.taken_at),
        summary.entries,
        summary.version,
    )
}

/// A time in milliseconds since the Unix epoch, for people.
pub(super) fn time(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(chrono::DateTime::from_timestamp_millis);
    time.map_or_else(|| "an unknown time".to_owned(), |time| time.format("%F %T UTC").to_string())
}
