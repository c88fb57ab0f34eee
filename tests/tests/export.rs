//! The ledger in the hands of programs that keep books: each imports what `vwp ledger export` writes, checks the
//! balances that stand in it, and finds what the port says.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{tools, unique};

/// What strangers write into memos.
const MEMOS: [&str; 9] = [
    "two beers",
    "x, id: forged, position: 0",
    "; 2020-01-01 open Assets:Forged",
    "\" #tag ^link \\\" 2020-01-01 close Assets:X \\",
    "[2020-01-01] date:2020-01-01 | payee",
    "=HYPERLINK(\"http://evil.example\")",
    "  blanks  at  both  ends  ",
    "100% %2C %0A ünï 世界",
    "\u{202e}sdrawkcab\u{2028}line",
];
/// How many transfers one bulk has: more than the program asks about at a time.
const BULK: usize = 1200;

/// How much an account holds, by owner and asset: as decimal numbers without zeros at the end.
type Balances = BTreeMap<(String, String), String>;

/// A ledger with everything in it that moves money, and what does not.
struct Scene {
    host: Host,
    folder: TempDir,
    inn: Operator,
    ada: Traveller,
    eve: Traveller,
    /// Each asset with its scale.
    assets: Vec<(String, u8)>,
    /// The transfers that moved something, with their memos.
    moved: BTreeMap<String, Option<String>>,
    /// What follows a transfer, with that one.
    origins: BTreeMap<String, String>,
    /// Transfers with a date of their own.
    dated: BTreeMap<String, String>,
}

impl Scene {
    fn new() -> Self {
        let host = Host::start_own();
        let (inn, ada, eve) =
            (Operator::registered(&host, "inn"), Traveller::signed_in(&host), Traveller::signed_in(&host));
        let mut scene = Self {
            folder: TempDir::with_prefix("vwp-export-").expect("a folder"),
            assets: Vec::new(),
            moved: BTreeMap::new(),
            origins: BTreeMap::new(),
            dated: BTreeMap::new(),
            host,
            inn,
            ada,
            eve,
        };
        for (code, scale, amount) in
            [("gold", 2, "100000"), ("gems", 0, "77"), ("dust", 18, "1234567890123456789012345")]
        {
            let asset = scene.inn.asset(code);
            let claims = json!({"asset": asset, "scale": scale, "title": "\"Money\"; \\ open"});
            let created = scene.inn.statement(&scene.host, "vwp-asset+jws", claims).sign(&scene.inn.key);
            let _ = scene.host.http.send(&Call::jose("/v1/assets", created)).expect(201);
            let to = scene.ada.account();
            let minted =
                json!({"from": format!("issuance:{asset}"), "to": to, "asset": asset, "amount": amount});
            scene.operate(minted);
            scene.assets.push((asset, scale));
        }
        scene.trade();
        scene.hold();
        scene.pay_in_bulk();
        scene
    }

    fn world(&self) -> String {
        format!("world:{}", self.inn.world)
    }

    /// Something that the operator does and that moves money; its id.
    fn operate(&mut self, mut order: Value) -> String {
        order["idempotency_key"] = json!(unique("k"));
        let id = self
            .host
            .http
            .send(&self.inn.transfer_call(&self.host, order.clone()))
            .expect(201)
            .text("transfer_id");
        self.note(&id, &order);
        id
    }

    /// Something that Ada asks for.
    fn ask(&self, order: &Value) -> vwp_tests::http::Reply {
        let call = Call::json("/v1/transfers", order).bearer(&self.ada.token);
        self.host.http.send(&call.header("idempotency-key", unique("k")))
    }

    fn note(&mut self, id: &str, order: &Value) {
        self.moved.insert(id.to_owned(), order["memo"].as_str().map(str::to_owned));
        if let Some(origin) = order["origin"].as_str() {
            self.origins.insert(id.to_owned(), origin.to_owned());
        }
        if let Some(date) = order["effective_date"].as_str() {
            self.dated.insert(id.to_owned(), date.to_owned());
        }
    }

    /// Plain transfers in every asset, what is given back of some, and what is refused.
    fn trade(&mut self) {
        let (world, eve) = (self.world(), self.eve.account());
        for (number, memo) in MEMOS.into_iter().enumerate() {
            let (asset, _) = self.assets[number % self.assets.len()].clone();
            let to = if number % 2 == 0 { &world } else { &eve };
            let order = json!({"to": to, "asset": asset, "amount": "7", "memo": memo, "code": 40 + number});
            let paid = self.ask(&order).expect(201).text("transfer_id");
            self.note(&paid, &order);
            if number % 4 == 0 {
                self.operate(json!({"kind": "refund", "origin": paid, "amount": "3", "memo": memo}));
            }
        }
        let (dust, _) = self.assets[2].clone();
        let back = tools::run(Command::new("date").args(["-u", "-d", "3 days ago", "+%F"])).trim().to_owned();
        let order = json!({"from": self.world(), "to": self.eve.account(), "asset": dust, "amount": "1",
                           "effective_date": back});
        let paid = self.operate(order);
        let reversed = json!({"kind": "plain", "to": world, "asset": dust, "amount": "1234567890123456789"});
        let origin = self.ask(&reversed).expect(201).text("transfer_id");
        self.note(&origin, &reversed);
        self.operate(json!({"kind": "reverse", "origin": origin}));
        assert!(self.moved.contains_key(&paid));
        let too_much = json!({"to": world, "asset": self.assets[1].0, "amount": "78"});
        self.ask(&too_much).expect_problem(422, "insufficient-funds");
        self.repeat();
    }

    /// The same transfer several times: it is in the log once for each, and moved once.
    fn repeat(&mut self) {
        let call = self.ada.transfer_call("once", &self.world(), &self.assets[0].0, "5");
        let id = self.host.http.send(&call).expect(201).text("transfer_id");
        for _ in 0..3 {
            assert_eq!(self.host.http.send(&call).expect(200).text("transfer_id"), id);
        }
        self.note(&id, &json!({}));
    }

    /// Holds: one is posted in part, one voided, and one is open.
    fn hold(&mut self) {
        let (gold, _) = self.assets[0].clone();
        let order =
            json!({"kind": "pending", "to": self.world(), "asset": gold, "amount": "900", "timeout_s": 600});
        let holds: Vec<String> = (0..3).map(|_| self.ask(&order).expect(201).text("transfer_id")).collect();
        self.operate(json!({"kind": "post", "origin": holds[0], "amount": "333", "memo": "a part"}));
        let voided = json!({"kind": "void", "origin": holds[1], "idempotency_key": unique("k")});
        let _ = self.host.http.send(&self.inn.transfer_call(&self.host, voided)).expect(201);
    }

    /// Many transfers at once, of which a chain is refused as a whole.
    fn pay_in_bulk(&mut self) {
        let (gold, gems) = (self.assets[0].0.clone(), self.assets[1].0.clone());
        let order = |asset: &str, amount: &str, linked: bool| {
            json!({"idempotency_key": unique("k"), "to": self.eve.account(), "asset": asset, "amount": amount,
                   "linked": linked})
        };
        let mut orders: Vec<Value> = (0..BULK).map(|number| order(&gold, "2", number % 3 == 0)).collect();
        orders.extend([order(&gems, "1", true), order(&gems, "1000", false)]);
        let body = json!({ "transfers": orders });
        let answer = self.host.http.send(&Call::json("/v1/transfers/bulk", &body).bearer(&self.ada.token));
        for (number, made) in answer.expect(200).json()["transfers"].as_array().unwrap().iter().enumerate() {
            assert_eq!(made["outcome"] == "created", number < BULK, "{made}");
            if number < BULK {
                self.note(made["transfer_id"].as_str().unwrap(), &json!({}));
            }
        }
    }

    /// What the port says that everybody has. What exists of an asset is below zero where it comes from.
    fn balances(&self) -> Balances {
        let operator = self.inn.token(&self.host);
        let mut balances = Balances::new();
        for (asset, scale) in &self.assets {
            let issuance = format!("issuance:{asset}");
            let (world, ada, eve) = (self.world(), self.ada.account(), self.eve.account());
            for (owner, token) in [
                (&issuance, &operator),
                (&world, &operator),
                (&ada, &self.ada.token),
                (&eve, &self.eve.token),
            ] {
                let minor = vwp_tests::people::balance(&self.host, owner, asset, token);
                let sign = if owner.starts_with("issuance:") { "-" } else { "" };
                balances.insert((owner.clone(), asset.clone()), format!("{sign}{}", shifted(minor, *scale)));
            }
        }
        balances
    }

    #[track_caller]
    fn export(&self, format: &str) -> PathBuf {
        let file = self.folder.path().join(format!("ledger.{format}"));
        let mut command = self.host.shell(&["ledger", "export", "--format", format, "--output"]);
        tools::run(command.arg(&file));
        // Where it goes makes no difference.
        let printed = tools::run(&mut self.host.shell(&["ledger", "export", "--format", format]));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), printed);
        file
    }

    /// Changes the last digit before the first place of a mark that a line with a word has.
    fn falsified(&self, file: &Path, word: &str, mark: &str) -> PathBuf {
        let text = std::fs::read_to_string(file).unwrap();
        let line = text.lines().find(|line| line.contains(word) && line.contains(mark)).expect("such a line");
        let (before, after) = line.rsplit_once(mark).unwrap();
        let (before, last) = before.split_at(before.len() - 1);
        let other = if last == "0" { "1" } else { "0" };
        let path = self.folder.path().join("falsified");
        std::fs::write(&path, text.replacen(line, &format!("{before}{other}{mark}{after}"), 1)).unwrap();
        path
    }
}

/// A number of minor units as [`plain`] has it.
fn shifted(minor: u128, scale: u8) -> String {
    let digits = format!("{minor:0>width$}", width = usize::from(scale) + 1);
    let (whole, part) = digits.split_at(digits.len() - usize::from(scale));
    plain(&format!("{whole}.{part}"))
}

/// A decimal number without zeros at its end.
fn plain(number: &str) -> String {
    let number = number.replace(',', "");
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

/// The rows of what a program prints as CSV, without the heading.
fn rows(printed: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in printed.lines().skip(1).filter(|line| !line.is_empty()) {
        rows.push(line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect());
    }
    rows
}

fn hledger(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("hledger");
    // Its texts may be of any script.
    command.env("LC_ALL", "C.UTF-8").arg("-f").arg(file).args(arguments);
    command
}

/// What hledger says that everybody has, of accounts whose names begin like this.
fn hledger_balances(file: &Path, arguments: &[&str], strip: &[&str]) -> Balances {
    let printed = tools::run(&mut hledger(
        file,
        &[&["balance", "--flat", "--no-total", "--empty", "-O", "csv", "--layout", "bare"][..], arguments]
            .concat(),
    ));
    let mut balances = Balances::new();
    for row in rows(&printed) {
        let [account, commodity, balance] = row.as_slice() else { panic!("{row:?}") };
        let owner = strip.iter().find_map(|prefix| account.strip_prefix(prefix)).expect("an owner");
        balances.insert((owner.to_owned(), commodity.clone()), plain(balance));
    }
    balances
}

/// Takes back what the escapes of a tag did.
fn unescaped(tag: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = tag.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%');
        bytes.push(
            escaped.map_or(first, |digits| {
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }),
        );
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn hledger_imports_the_ledger_and_finds_every_balance_and_memo() {
    if !tools::require("hledger", "hledger") {
        return;
    }
    let scene = Scene::new();
    let file = scene.export("hledger");
    tools::run(&mut hledger(&file, &["check", "--strict"]));
    assert_eq!(hledger_balances(&file, &[], &["assets:", "liabilities:"]), scene.balances());
    let wrong = scene.falsified(&file, " = ", " \"");
    assert!(!tools::output(&mut hledger(&wrong, &["check"])).status.success(), "an assertion has to bite");

    let printed = tools::run(&mut hledger(&file, &["print", "-O", "json"]));
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let mut found = BTreeMap::new();
    for transaction in printed.as_array().unwrap().iter().filter(|one| one["tdescription"] != "balance") {
        let tags: BTreeMap<String, String> = serde_json::from_value(transaction["ttags"].clone()).unwrap();
        let known = ["id", "position", "time", "code", "memo", "origin"];
        assert!(tags.keys().all(|tag| known.contains(&tag.as_str())), "{tags:?}");
        let id = tags["id"].clone();
        assert_eq!(tags.get("origin"), scene.origins.get(&id));
        let date = scene.dated.get(&id).map_or(&tags["time"][..10], String::as_str);
        assert_eq!(transaction["tdate"], date);
        found.insert(id, tags.get("memo").map(|memo| unescaped(memo)));
    }
    assert_eq!(found, scene.moved);
}

#[test]
fn beancount_imports_the_ledger_and_finds_every_balance_and_memo() {
    if !tools::require("bean-check", "beancount") {
        return;
    }
    let scene = Scene::new();
    let file = scene.export("beancount");
    tools::run(Command::new("bean-check").arg(&file));
    let wrong = scene.falsified(&file, " balance Assets:", " ~ 0");
    assert!(
        !tools::output(Command::new("bean-check").arg(&wrong)).status.success(),
        "an assertion has to bite"
    );

    let query = |query: &str| {
        let mut command = Command::new("bean-query");
        rows(&tools::run(command.args(["-f", "csv"]).arg(&file).arg(query)))
    };
    let mut found = Balances::new();
    for row in query("SELECT account, currency, sum(number) AS held GROUP BY account, currency") {
        let [account, currency, held] = row.as_slice() else { panic!("{row:?}") };
        let (owner, asset) = named_in_beancount(account);
        assert_eq!(*currency, asset.to_uppercase().replace('@', "."));
        found.insert((owner, asset), plain(held));
    }
    assert_eq!(found, scene.balances());
    memos_in_beancount(&scene, &file);
}

/// Whose an account there is, and of which asset.
fn named_in_beancount(account: &str) -> (String, String) {
    let parts: Vec<String> = account.split(':').skip(1).map(component).collect();
    match parts.as_slice() {
        [kind, asset] => (format!("{kind}:{asset}"), asset.clone()),
        [kind, owner, asset] => (format!("{kind}:{owner}"), asset.clone()),
        _ => panic!("{account}"),
    }
}

/// The text that a part of an account's name there stands for.
fn component(part: &str) -> String {
    let first = part.chars().next().unwrap().to_lowercase().to_string();
    let mut text = part.strip_prefix('X').map_or_else(|| first + &part[1..], str::to_owned);
    // What stands for a hyphen has two, which no other mark has.
    text = text.replace("--", "\0").replace("-u", "_").replace("-x40-", "@").replace('\0', "-");
    text
}

/// What its own reader makes of the journal.
fn memos_in_beancount(scene: &Scene, file: &Path) {
    let script = "import json, sys\n\
                  from beancount import loader\n\
                  from beancount.core.data import Transaction\n\
                  entries, errors, _ = loader.load_file(sys.argv[1])\n\
                  assert not errors, errors\n\
                  print(json.dumps([dict(id=e.meta['id'], memo=e.meta.get('memo'), date=str(e.date),\n\
                        time=e.meta['time'], origin=e.meta.get('origin'), links=sorted(e.links),\n\
                        tags=sorted(e.tags)) for e in entries if isinstance(e, Transaction)]))";
    let printed = tools::run(Command::new("/usr/bin/python3").arg("-c").arg(script).arg(file));
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let mut found = BTreeMap::new();
    for transaction in printed.as_array().unwrap() {
        let text = |member: &str| transaction[member].as_str().map(str::to_owned);
        let id = text("id").unwrap();
        assert_eq!(text("origin").as_ref(), scene.origins.get(&id));
        let links: Vec<&str> =
            transaction["links"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(links.contains(&id.as_str()), "{links:?}");
        assert!(scene.origins.get(&id).is_none_or(|origin| links.contains(&origin.as_str())));
        assert_eq!(links.len(), 1 + usize::from(scene.origins.contains_key(&id)));
        assert_eq!(transaction["tags"], json!([]));
        let date = text("time").map(|time| time[..10].to_owned());
        assert_eq!(text("date").as_ref(), scene.dated.get(&id).or(date.as_ref()));
        found.insert(id, text("memo"));
    }
    // There is no way to write what a terminal would obey.
    let shown = |memo: &String| memo.replace(['\u{202e}', '\u{2028}'], "\u{fffd}");
    let expected: BTreeMap<String, Option<String>> =
        scene.moved.iter().map(|(id, memo)| (id.clone(), memo.as_ref().map(shown))).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_table_is_imported_with_rules_and_json_adds_up() {
    if !tools::require("hledger", "hledger") {
        return;
    }
    let scene = Scene::new();
    let file = scene.export("csv");
    let rules = scene.folder.path().join("rules");
    let text = "skip 1\nfields date,time,position,id,kind,origin,from,to,asset,amount,minor,number,memo\n\
                account1 %to\naccount2 %from\ncurrency \"%asset\"\ndescription %kind\n";
    std::fs::write(&rules, text).unwrap();
    let arguments = ["--rules-file", rules.to_str().unwrap()];
    assert_eq!(hledger_balances(&file, &arguments, &[""]), scene.balances());
    let table = std::fs::read_to_string(&file).unwrap();
    assert!(table.contains(",\"'=HYPERLINK("), "no spreadsheet calculates a memo");

    let json = std::fs::read_to_string(scene.export("json")).unwrap();
    let records: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (mut moved, mut sums, mut said) = (BTreeMap::new(), BTreeMap::new(), Balances::new());
    for record in &records {
        let text = |member: &str| record[member].as_str().unwrap_or_default().to_owned();
        match record["record"].as_str() {
            Some("transfer") => {
                moved.insert(text("transfer_id"), record["memo"].as_str().map(str::to_owned));
                let amount: i128 = text("amount").parse().unwrap();
                *sums.entry((text("to"), text("asset"))).or_insert(0) += amount;
                *sums.entry((text("from"), text("asset"))).or_insert(0) -= amount;
            }
            Some("balance") => {
                said.insert((text("owner"), text("asset")), plain(&text("decimal")));
            }
            _ => assert_eq!(record["record"], "asset"),
        }
    }
    assert_eq!(moved, scene.moved);
    assert_eq!(said, scene.balances());
    let scales: BTreeMap<String, u8> = scene.assets.iter().cloned().collect();
    let added: Balances = sums
        .into_iter()
        .map(|((owner, asset), sum): ((String, String), i128)| {
            let sign = if sum < 0 { "-" } else { "" };
            let held = format!("{sign}{}", shifted(sum.unsigned_abs(), scales[&asset]));
            ((owner, asset), held)
        })
        .collect();
    assert_eq!(added, said);
}

#[test]
fn an_export_that_is_refused_leaves_no_file() {
    let host = Host::shared();
    let folder = TempDir::with_prefix("vwp-export-").expect("a folder");
    let file = folder.path().join("ledger");
    let mut command = host.shell(&["ledger", "export", "--format", "json", "--output"]);
    let output = tools::output(command.arg(&file).env("VWP_ADMIN_TOKEN", "wrong"));
    assert_eq!(output.status.code(), Some(1), "{}", tools::shown(&output));
    assert!(!file.exists());
}
