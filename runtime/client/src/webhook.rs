//! `vwp webhook`: where a port tells of what happens, and what has arrived there.

use crate::connection::CallerArguments;
use crate::exit;
use crate::input::now_s;
use crate::output::{Column, OutputArguments, at, short, span};
use crate::port::{Body, Port, segment, with_query};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use ureq::http::Method;

/// Where the resources are.
const ROOT: &str = "/v1/webhooks/endpoints";
/// How many deliveries are read at once.
const PAGE_LENGTH: usize = 100;
/// How many deliveries of a state are listed, at most.
const LISTED_MAX: i64 = 10_000;
/// A body that says nothing more than the path does.
const NOTHING: &str = "{}";

const ENDPOINT_COLUMNS: &[Column<'_>] = &[
    ("ENDPOINT", |endpoint| at(endpoint, "/endpoint_id")),
    ("URL", |endpoint| at(endpoint, "/url")),
    ("STATE", endpoint_state),
    ("TYPES", endpoint_types),
    ("DESCRIPTION", |endpoint| at(endpoint, "/description")),
];

const DELIVERY_COLUMNS: &[Column<'_>] = &[
    ("WEBHOOK-ID", |delivery| at(delivery, "/webhook_id")),
    ("TYPE", |delivery| at(delivery, "/type")),
    ("STATE", |delivery| at(delivery, "/state")),
    ("ATTEMPTS", |delivery| at(delivery, "/attempts")),
    ("LAST", last_attempt),
    ("AGE", |delivery| age(delivery, now_s())),
];

/// What is done with webhooks.
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP)]
pub enum Command {
    /// List the endpoints
    List(ListArguments),
    /// List deliveries to an endpoint, newest first; those that were given up with --state dead
    Deliveries(DeliveriesArguments),
    /// Show a delivery, and what is sent
    Delivery(DeliveryArguments),
    /// Make a delivery again, with the same webhook-id
    Replay(DeliveryArguments),
    /// Make a new secret and show it this once; for 24 hours the one before signs as well
    Rotate(EndpointArguments),
}

/// What `vwp webhook list` is given.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    caller: CallerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Which endpoint of which port, and how to print.
#[derive(Debug, Args)]
pub struct EndpointArguments {
    #[command(flatten)]
    caller: CallerArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The endpoint's id
    endpoint: String,
}

/// What `vwp webhook deliveries` is given.
#[derive(Debug, Args)]
pub struct DeliveriesArguments {
    #[command(flatten)]
    of: EndpointArguments,
    /// Only those in this state
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// The most that are listed of a state
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=LISTED_MAX))]
    limit: u16,
}

/// Which delivery.
#[derive(Debug, Args)]
pub struct DeliveryArguments {
    #[command(flatten)]
    of: EndpointArguments,
    /// The delivery's webhook-id
    webhook_id: String,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// It is tried, or tried again
    Pending,
    /// It was given up
    Dead,
    /// The endpoint has it
    Delivered,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
        }
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(ListArguments { caller, output }) => {
            let mut page: Value = caller.port()?.get(ROOT)?;
            output.rows(&items(&mut page), ENDPOINT_COLUMNS)
        }
        Command::Deliveries(arguments) => {
            arguments.of.output.rows(&arguments.deliveries()?, DELIVERY_COLUMNS)
        }
        Command::Delivery(arguments) => {
            let delivery: Value = arguments.of.caller.port()?.get(&arguments.path())?;
            arguments.of.output.thing(&delivery, &[])
        }
        Command::Replay(arguments) => {
            let delivery = arguments.of.change(&format!("{}/replay", arguments.path()))?;
            arguments.of.output.thing(&delivery, &[])
        }
        Command::Rotate(arguments) => {
            let endpoint = arguments.change(&format!("{}/rotate", arguments.path()))?;
            arguments.output.thing(&endpoint, &[])
        }
    }
}

impl EndpointArguments {
    fn path(&self) -> String {
        format!("{ROOT}/{}", segment(&self.endpoint))
    }

    /// Has something done; what is there then.
    fn change(&self, path: &str) -> anyhow::Result<Value> {
        let port = self.caller.port_for(NOTHING.as_bytes())?;
        Ok(port.json(&Method::POST, path, Some(Body::json(NOTHING)))?)
    }
}

impl DeliveryArguments {
    fn path(&self) -> String {
        format!("{}/deliveries/{}", self.of.path(), segment(&self.webhook_id))
    }
}

impl DeliveriesArguments {
    /// The deliveries of the state that was asked for, or of all.
    fn deliveries(&self) -> anyhow::Result<Vec<Value>> {
        let port = self.of.caller.port()?;
        let path = format!("{}/deliveries", self.of.path());
        let states = self.state.as_ref().map_or(State::value_variants(), std::slice::from_ref);
        let mut deliveries = Vec::new();
        for state in states {
            deliveries.extend(newest(&port, &path, *state, self.limit.into())?);
        }
        Ok(deliveries)
    }
}

/// The newest deliveries of a state, page after page.
fn newest(port: &Port, path: &str, state: State, most: usize) -> anyhow::Result<Vec<Value>> {
    let (mut found, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let limit = most.saturating_sub(found.len()).min(PAGE_LENGTH).to_string();
        let parameters =
            [("state", Some(state.name())), ("limit", Some(&limit)), ("cursor", cursor.as_deref())];
        let mut page: Value = port.get(&with_query(path, &parameters))?;
        let items = items(&mut page);
        let is_end = items.is_empty();
        found.extend(items);
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if is_end || cursor.is_none() || found.len() >= most {
            return Ok(found);
        }
    }
}

fn items(page: &mut Value) -> Vec<Value> {
    match page.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn endpoint_state(endpoint: &Value) -> String {
    if let Some(reason) = endpoint.pointer("/disabled/reason") {
        return format!("disabled: {}", short(reason));
    }
    let is_failing = endpoint.get("failing_since").is_some();
    if is_failing { "failing" } else { "enabled" }.to_owned()
}

fn endpoint_types(endpoint: &Value) -> String {
    match endpoint.get("types").and_then(Value::as_array) {
        Some(types) if types.is_empty() => "all".to_owned(),
        _ => at(endpoint, "/types"),
    }
}

/// How the last attempt ended: what the endpoint answered, or why it did not.
fn last_attempt(delivery: &Value) -> String {
    let attempt = delivery.get("last_attempt");
    attempt
        .and_then(|attempt| attempt.get("status").or_else(|| attempt.get("error")))
        .map_or_else(|| short(&Value::Null), short)
}

fn age(delivery: &Value, now_s: u64) -> String {
    let created_at = delivery.get("created_at").and_then(Value::as_u64);
    created_at.map_or_else(|| short(&Value::Null), |at| span(now_s.saturating_sub(at / 1000)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use clap::Parser;
    use serde_json::json;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use vwp_core::caller::content_digest;

    const ENDPOINT: &str = "3f2a1c9be07d4c5f8a6b1d2e3f405162";
    const MESSAGE: &str = "msg_5a0fc9cdc5960ad4065b2a5e4e449f23";

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }

    /// A request as a port sees it.
    struct Asked {
        line: String,
        token: String,
        body: String,
    }

    /// A port that gives these answers, one after the other, and tells what it was asked.
    fn port(answers: Vec<Value>) -> (String, Receiver<Asked>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                answer_one(stream, &answer.to_string(), &sender);
            }
        });
        (url, asked)
    }

    fn answer_one(mut stream: TcpStream, answer: &str, sender: &Sender<Asked>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<String> =
            reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        let field = |name: &str| {
            let mut pairs = head.iter().filter_map(|line| line.split_once(": "));
            pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length = field("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let token = field("authorization").unwrap_or_default().replace("Bearer ", "");
        let body = String::from_utf8(body).unwrap();
        sender.send(Asked { line: head[0].clone(), token, body }).unwrap();
        let length = answer.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{answer}").unwrap();
    }

    fn command(url: &str, who: [&str; 2], name: &str, rest: &[&str]) -> Command {
        let arguments = [&["vwp", name, "--url", url][..], &who, rest].concat();
        Cli::try_parse_from(arguments).unwrap().command
    }

    fn claims(token: &str) -> Value {
        let payload = vwp_core::jose::decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    fn token_file(folder: &Path) -> String {
        let file = folder.join("token");
        std::fs::write(&file, "secret\n").unwrap();
        file.display().to_string()
    }

    #[test]
    fn what_an_operator_changes_is_asserted_for_the_body_that_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("operator.jwk");
        let key = Key::create(&file).unwrap();
        let index = || json!({"issuer": "https://port.example", "zone": "port.example"});
        for (name, rest, path) in [
            ("replay", &[ENDPOINT, MESSAGE][..], format!("{ROOT}/{ENDPOINT}/deliveries/{MESSAGE}/replay")),
            ("rotate", &[ENDPOINT], format!("{ROOT}/{ENDPOINT}/rotate")),
        ] {
            let (url, asked) = port(vec![index(), json!({"endpoint_id": ENDPOINT})]);
            run(&command(&url, ["--key", &file.display().to_string()], name, rest)).unwrap();
            assert!(asked.recv().unwrap().line.starts_with("GET / "));
            let change = asked.recv().unwrap();
            assert_eq!((change.line, change.body.as_str()), (format!("POST {path} HTTP/1.1"), NOTHING));
            let claims = claims(&change.token);
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(key.id()), &json!("https://port.example")));
            assert_eq!(claims["content_digest"], json!(content_digest(change.body.as_bytes())));
        }
    }

    #[test]
    fn the_administrator_lists_its_own_with_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let (url, asked) = port(vec![json!({"items": []})]);
        run(&command(&url, ["--admin-token-file", &token_file(folder.path())], "list", &[])).unwrap();
        let asked = asked.recv().unwrap();
        assert_eq!((asked.line, asked.token.as_str()), (format!("GET {ROOT} HTTP/1.1"), "secret"));
    }

    #[test]
    fn dead_letters_are_read_page_after_page_until_there_are_as_many_as_were_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let page = |from: usize, count: usize| {
            let items: Vec<Value> =
                (from..from + count).map(|number| json!({"webhook_id": number})).collect();
            json!({ "items": items, "next": format!("after_{}", from + count - 1) })
        };
        let (url, asked) = port(vec![page(0, 100), page(100, 20)]);
        let who = ["--admin-token-file", &token_file(folder.path())];
        let rest = ["--state", "dead", "--limit", "120", ENDPOINT];
        let Command::Deliveries(arguments) = command(&url, who, "deliveries", &rest) else { panic!() };
        let found = arguments.deliveries().unwrap();
        assert!(found.iter().map(|delivery| delivery["webhook_id"].as_u64()).eq((0..120).map(Some)));
        let path = format!("{ROOT}/{ENDPOINT}/deliveries?state=dead");
        assert_eq!(asked.recv().unwrap().line, format!("GET {path}&limit=100 HTTP/1.1"));
        assert_eq!(asked.recv().unwrap().line, format!("GET {path}&limit=20&cursor=after_99 HTTP/1.1"));
    }

    #[test]
    fn without_a_state_deliveries_of_all_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (url, asked) = port(vec![json!({"items": [{"state": "any"}]}); 3]);
        let who = ["--admin-token-file", &token_file(folder.path())];
        let Command::Deliveries(arguments) = command(&url, who, "deliveries", &[ENDPOINT]) else { panic!() };
        assert_eq!(arguments.deliveries().unwrap().len(), 3);
        let lines: Vec<String> = asked.iter().map(|asked| asked.line).collect();
        for (line, state) in lines.iter().zip(["pending", "dead", "delivered"]) {
            assert!(line.contains(&format!("state={state}&limit=100 ")), "{line}");
        }
    }

    #[test]
    fn a_table_says_what_is_wrong() {
        let endpoint =
            |more: &str| serde_json::from_str::<Value>(&format!("{{\"types\": []{more}}}")).unwrap();
        assert_eq!(endpoint_state(&endpoint("")), "enabled");
        assert_eq!(endpoint_state(&endpoint(", \"failing_since\": 1")), "failing");
        assert_eq!(
            endpoint_state(&endpoint(", \"disabled\": {\"reason\": \"gone\", \"time\": 1}")),
            "disabled: gone"
        );
        assert_eq!(endpoint_types(&endpoint("")), "all");
        assert_eq!(
            endpoint_types(&json!({"types": ["payout.paid", "payout.failed"]})),
            "payout.paid, payout.failed"
        );
        assert_eq!(last_attempt(&json!({"last_attempt": {"time": 1, "status": 500}})), "500");
        assert_eq!(last_attempt(&json!({"last_attempt": {"time": 1, "error": "failed"}})), "failed");
        assert_eq!(last_attempt(&json!({})), "-");
        assert_eq!(age(&json!({"created_at": 1_000_000}), 1_000 + 7200), "2 h");
    }
}
