//! The statements that the tests of reconciliation use, as libraries that others wrote read them, and
//! as ISO 20022's own schemas have them.

use serde_json::{Value, json};
use std::process::Command;
use vwp_reconciliation::formats::{File, Wanted, camt053, mt940};
use vwp_reconciliation::text::Charset;
use vwp_tests::{libraries, project};

const WANTED: Wanted<'_> = Wanted { account: None, currency: "EUR", scale: 2 };

fn fixture(name: &str) -> (String, Vec<u8>) {
    let path = project().join("components/reconciliation/tests/fixtures").join(name);
    let bytes = std::fs::read(&path).expect("a fixture");
    (path.display().to_string(), bytes)
}

/// The amounts in minor units, and the days, of all entries that we read. The transactions of a
/// batch are put together again, because the other libraries read entries.
fn entries(file: &File) -> Vec<(i128, String)> {
    let mut entries: Vec<(i128, String)> = Vec::new();
    let mut batch = String::new();
    for line in file.statements.iter().flat_map(|statement| &statement.lines) {
        match entries.last_mut() {
            Some((amount, _)) if !batch.is_empty() && line.batch == batch => *amount += line.amount.0,
            _ => entries.push((line.amount.0, line.booked.to_string())),
        }
        batch.clone_from(&line.batch);
    }
    entries
}

/// The same of what another library read.
fn foreign(read: &Value) -> Vec<(i128, String)> {
    let texts = |name: &str| read[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    let cents = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<2}").parse().expect("an amount with at most two decimal places")
    };
    texts("amounts").map(cents).zip(texts("days").map(str::to_owned)).collect()
}

#[test]
fn other_libraries_read_the_same_amounts_and_days_and_the_schemas_are_kept() {
    let Some((python, folder)) = libraries::statements(&["statements.py"]) else { return };
    let (new, new_bytes) = fixture("statement.camt053.xml");
    let (old, old_bytes) = fixture("statement-latin1.camt053.xml");
    let (swift, swift_bytes) = fixture("statement-windows1252.sta");
    let task = json!({"camt053": {"08": new, "02": old}, "mt940": swift});
    let mut client = Command::new(python);
    let found = libraries::answer(client.arg("statements.py").current_dir(folder), &task);
    for (version, bytes) in [("08", new_bytes), ("02", old_bytes)] {
        let read = &found["camt053"][version];
        assert_eq!(read["faults"], json!([]), "version {version}");
        let ours = camt053::read(&bytes, &WANTED).expect("a camt.053");
        assert_eq!(entries(&ours), foreign(read), "version {version}");
    }
    let ours = mt940::read(&swift_bytes, Charset::Windows1252, &WANTED).expect("an MT940");
    assert_eq!(entries(&ours), foreign(&found["mt940"]));
}
