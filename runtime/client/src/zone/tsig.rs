//! `vwp zone tsig-keys`: the keys that transfers and updates are signed with (RFC 8945).

use super::{ZoneArguments, below, items};
use crate::output::{self, Column, at};
use crate::port::Body;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Method;

const TSIG_KEYS: &str = "/v1/zone/tsig-keys";

const COLUMNS: &[Column<'_>] = &[
    ("NAME", |key| at(key, "/name")),
    ("ALGORITHM", |key| at(key, "/algorithm")),
    ("TRANSFER", |key| at(key, "/transfer")),
    ("UPDATE", |key| at(key, "/update")),
];

/// What is done with the keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them, without their secrets
    List(ZoneArguments),
    /// Make one, and print it as BIND's tools and servers read it: the secret is shown this
    /// once
    New(NewArguments),
    /// Remove one
    Remove(RemoveArguments),
}

/// What `vwp zone tsig-keys new` is given.
#[derive(Debug, Args)]
pub struct NewArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The key's name, which is a domain name
    name: String,
    /// It may copy the zones
    #[arg(long)]
    transfer: bool,
    /// It may update this name and all names under it, or * for all; may be repeated
    #[arg(long, value_name = "NAME", required_unless_present = "transfer")]
    update: Vec<String>,
    /// How it signs
    #[arg(long, default_value = "hmac-sha256")]
    algorithm: Algorithm,
}

/// What `vwp zone tsig-keys remove` is given.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The key's name
    name: String,
}

/// How a key signs (RFC 8945, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    /// HMAC-SHA-256
    HmacSha256,
    /// HMAC-SHA-384
    HmacSha384,
    /// HMAC-SHA-512
    HmacSha512,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => {
            let answer: Value = arguments.port()?.get(TSIG_KEYS)?;
            arguments.output.rows(&items(answer, "keys"), COLUMNS)
        }
        Command::New(arguments) => make(arguments),
        Command::Remove(arguments) => {
            let port = arguments.zone.port()?;
            port.send(&Method::DELETE, &below(TSIG_KEYS, &arguments.name), None)?;
            Ok(())
        }
    }
}

fn make(arguments: &NewArguments) -> anyhow::Result<()> {
    let NewArguments { name, transfer, update, .. } = arguments;
    let algorithm = word(arguments.algorithm);
    let body = json!({ "name": name, "algorithm": algorithm, "transfer": transfer, "update": update });
    let body = body.to_string();
    let port = arguments.zone.port()?;
    let key: Value = port.json(&Method::POST, TSIG_KEYS, Some(Body::json(&body)))?;
    if arguments.zone.output.json {
        return output::line(&key.to_string());
    }
    output::line(&clause(&key))
}

/// The key as `named.conf`, `nsupdate -k` and `dig -k` read it.
fn clause(key: &Value) -> String {
    format!(
        "key \"{}\" {{\n    algorithm {};\n    secret \"{}\";\n}};",
        at(key, "/name"),
        at(key, "/algorithm"),
        at(key, "/secret")
    )
}

/// The word for an algorithm, on the command line and in the API.
fn word(algorithm: Algorithm) -> String {
    algorithm.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_printed_as_other_tools_read_it() {
        let key = json!({"name": "ns1.vwp.test", "algorithm": "hmac-sha256", "secret": "c2VjcmV0"});
        let expected = "key \"ns1.vwp.test\" {\n    algorithm hmac-sha256;\n    secret \"c2VjcmV0\";\n};";
        assert_eq!(clause(&key), expected);
    }

    #[test]
    fn algorithms_have_their_registered_names() {
        assert_eq!(word(Algorithm::HmacSha256), "hmac-sha256");
    }
}
