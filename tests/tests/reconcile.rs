//! Reconciliation from a shell, as people and scripts use it.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use vwp_tests::host::Host;
use vwp_tests::people::Operator;
use vwp_tests::{project, tools, unique};

/// Both sides agree.
const CLEAN: Option<i32> = Some(0);
/// They do not.
const NOT_CLEAN: Option<i32> = Some(6);

/// An operator with an account in euros at a bank, and a folder for its files.
struct Desk<'a> {
    host: &'a Host,
    operator: Operator,
    asset: String,
    source: String,
    folder: TempDir,
}

impl<'a> Desk<'a> {
    /// With money in the world's account already, for which no statement has a line.
    fn new(host: &'a Host, csv: &Value) -> Self {
        let operator = Operator::registered(host, "bank");
        let folder = TempDir::with_prefix("vwp-reconcile-").expect("a folder");
        let asset = operator.asset("eur");
        assert!(host.http.send(&operator.asset_call(host, "eur")).is_success());
        let desk = Self { host, operator, asset, source: unique("bank"), folder };
        let definition = json!({
            "kind": "bank", "currency": "EUR", "mt940_charset": "windows-1252", "csv": csv,
            "account": {"owner": format!("world:{}", desk.operator.world), "asset": desk.asset},
        });
        let file = desk.write("source.json", definition.to_string());
        desk.run(&["source", "put"], &[&file]);
        desk
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    fn command(&self, command: &[&str], rest: &[&str]) -> Command {
        let arguments = [&["reconcile"][..], command, &[self.source.as_str()], rest].concat();
        self.host.shell(&arguments)
    }

    #[track_caller]
    fn run(&self, command: &[&str], rest: &[&str]) -> String {
        tools::run(&mut self.command(command, rest))
    }

    fn output(&self, command: &[&str], rest: &[&str]) -> Output {
        tools::output(&mut self.command(command, rest))
    }

    /// The lines that a command prints, each as JSON.
    #[track_caller]
    fn lines(&self, command: &[&str], rest: &[&str]) -> Vec<Value> {
        let printed = self.run(command, &[&["--json"][..], rest].concat());
        printed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Money reaches the world's account; the transfer's id.
    fn receive(&self, amount: &str, memo: &str) -> String {
        let order = json!({
            "idempotency_key": unique("receive"), "from": format!("issuance:{}", self.asset),
            "to": format!("world:{}", self.operator.world), "asset": self.asset, "amount": amount,
            "memo": memo,
        });
        self.host.http.send(&self.operator.transfer_call(self.host, order)).expect(201).text("transfer_id")
    }
}

/// Today, as the port has it.
fn today() -> String {
    tools::run(Command::new("date").args(["-u", "+%F"])).trim().to_owned()
}

fn plain_table() -> Value {
    json!({"date": 1, "amount": {"column": 2}, "references": [3], "header_rows": 0})
}

fn fixture(name: &str) -> PathBuf {
    project().join("components/reconciliation/tests/fixtures").join(name)
}

#[test]
fn the_exit_status_tells_whether_bank_and_ledger_agree() {
    let host = Host::shared();
    if host.admin_token.is_none() {
        return;
    }
    let desk = Desk::new(&host, &plain_table());
    let (today, order) = (today(), unique("order"));
    let file = desk.write("today.csv", format!("{today},2.50,{order}\n"));
    let printed = desk.run(&["import"], &[&file]);
    assert!(printed.lines().nth(1).is_some_and(|line| line.contains("today.csv")), "{printed}");
    let before = desk.output(&["report"], &[]);
    assert_eq!(before.status.code(), NOT_CLEAN, "there was no run: {}", tools::shown(&before));
    desk.receive("250", &order);
    let run = desk.output(&["run"], &[]);
    assert_eq!(run.status.code(), CLEAN, "{}", tools::shown(&run));
    let shown = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(shown.starts_with("DATE ") && shown.contains("2.50"), "{shown}");
    let report = &desk.lines(&["report"], &[])[0];
    assert_eq!((&report["clean"], &report["total"]["entries"]["closing"]), (&json!(true), &json!("250")));
    let csv = desk.run(&["report"], &["--csv"]);
    assert!(
        csv.lines().nth(1).is_some_and(|row| row.starts_with(&format!("{today},{},EUR,1,250", desk.source))),
        "{csv}"
    );
    desk.run(&["import"], &[&file]);
    assert_eq!(desk.lines(&["items"], &["lines"]).len(), 1, "importing again adds nothing");
    let missing = tools::output(&mut host.shell(&["reconcile", "report", &unique("nobody")]));
    assert_eq!(missing.status.code(), Some(3), "{}", tools::shown(&missing));
}

#[test]
fn a_break_is_listed_explained_and_resolved_from_a_shell() {
    let host = Host::shared();
    if host.admin_token.is_none() {
        return;
    }
    let desk = Desk::new(&host, &plain_table());
    let file = desk.write("old.csv", "2026-01-05,7.00,an old payment\n");
    desk.run(&["import"], &[&file]);
    let period = ["--from", "2026-01-01", "--to", "2026-01-31"];
    let run = desk.output(&["run"], &period);
    assert_eq!(run.status.code(), NOT_CLEAN, "{}", tools::shown(&run));
    let broken = desk.lines(&["breaks"], &["--status", "open"]).remove(0);
    assert_eq!((&broken["kind"], &broken["amount"]), (&json!("missing-in-ledger"), &json!("700")));
    let table = desk.run(&["breaks"], &[]);
    assert!(table.contains("missing-in-ledger") && table.contains("7.00"), "{table}");
    let id = broken["id"].as_str().expect("an id");
    let transfer = desk.receive("700", "late");
    let early = desk.output(&["resolve"], &[id, "--transfer", &transfer]);
    assert_eq!(early.status.code(), Some(1), "{}", tools::shown(&early));
    assert!(String::from_utf8_lossy(&early.stderr).contains("illegal-step"));
    desk.run(&["assign"], &[id, "ada"]);
    desk.run(&["explain"], &[id, "it was not booked"]);
    desk.run(&["resolve"], &[id, "--transfer", &transfer]);
    assert_eq!(desk.output(&["run"], &period).status.code(), CLEAN);
    let resolved = desk.lines(&["break"], &[id]).remove(0);
    assert_eq!(
        (&resolved["status"], resolved["steps"].as_array().map(Vec::len)),
        (&json!("resolved"), Some(4))
    );
    desk.run(&["undo"], &[resolved["resolved_by"].as_str().expect("a match")]);
    assert_eq!(desk.output(&["report"], &period).status.code(), NOT_CLEAN);
}

#[test]
fn files_of_each_format_are_told_apart_and_large_ones_sent_compressed() {
    let host = Host::shared();
    if host.admin_token.is_none() {
        return;
    }
    // A source each: the two have lines in common, which one would take once.
    for (name, lines) in [("statement.camt053.xml", 6), ("statement-windows1252.sta", 6)] {
        let desk = Desk::new(&host, &plain_table());
        let file = fixture(name).display().to_string();
        let imported = desk.lines(&["import"], &[&file]);
        let count: u64 = imported.iter().filter_map(|found| found["new"].as_u64()).sum();
        assert_eq!(count, lines, "{name}: {imported:?}");
    }
    let desk = Desk::new(&host, &plain_table());
    let row = |index| format!("2026-02-01,0.01,reference-number-{index:08}-of-this-very-table-{index:016}\n");
    let rows = (0..15_000).map(row).collect::<Vec<_>>().concat();
    assert!(rows.len() > 1_048_576, "more than a body may have");
    let file = desk.write("large.csv", rows);
    assert_eq!(desk.lines(&["import"], &[&file])[0]["new"], 15_000);
    let bad = desk.write("bad.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><Document>&b;</Document>");
    let refused = desk.output(&["import"], &[&bad]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("statement-unreadable"));
}
