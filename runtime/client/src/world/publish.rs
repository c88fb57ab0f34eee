//! `vwp world register` and `vwp world update`: signing a record and sending it.

use crate::connection::PortArguments;
use crate::input::{self, next_number};
use crate::key::Key;
use crate::output::OutputArguments;
use crate::port::{Body, Port, PortError};
use crate::sign::{self, Statement};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Method, StatusCode};
use vwp_core::jose::Unverified;
use vwp_discovery::names;
use vwp_discovery::record::{self, RECORD_TYPE, SCHEMA_VERSION};

/// Who signs, and for how long.
#[derive(Debug, Args)]
pub struct SignerArguments {
    /// The operator's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The operator's id, if the key is not the one that the operator began with
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    operator: Option<String>,
    /// How long the record holds
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = input::duration)]
    valid: Duration,
}

/// What `vwp world register` is given.
#[derive(Debug, Args)]
pub struct RegisterArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    signer: SignerArguments,
    /// Set a field of the record: name=text, or name:=JSON
    #[arg(long, value_name = "FIELD", value_parser = sign::claim)]
    set: Vec<(String, Value)>,
    /// The record, as a JSON object in a file, or - for the standard input
    record: PathBuf,
}

/// What `vwp world update` is given.
#[derive(Debug, Args)]
pub struct UpdateArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    signer: SignerArguments,
    /// Start from this record instead of the registered one: a JSON object in a file, or -
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Set a field of the record: name=text, or name:=JSON
    #[arg(long, value_name = "FIELD", value_parser = sign::claim)]
    set: Vec<(String, Value)>,
    /// Leave a field of the record out
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// The world's name
    name: String,
}

type Claims = Map<String, Value>;

pub(crate) fn run_register(arguments: &RegisterArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.signer.key)?;
    let mut claims = read_claims(&arguments.record)?;
    claims.extend(arguments.set.iter().cloned());
    claims.entry("v").or_insert_with(|| SCHEMA_VERSION.into());
    let Some(name) = claims.get("name").and_then(Value::as_str).map(str::to_owned) else {
        bail!("the record has no name");
    };
    if !claims.contains_key("uuid") {
        claims.insert("uuid".into(), uuid_of(&key, &name)?.into());
    }
    let port = arguments.port.port();
    if registered(&port, &name)?.is_some() {
        bail!("{name} is registered already: vwp world update changes it");
    }
    let registration = publish(&port, &arguments.signer, &key, claims, 1)?;
    arguments.output.thing(&registration, super::MACHINE_MEMBERS)
}

pub(crate) fn run_update(arguments: &UpdateArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.signer.key)?;
    let port = arguments.port.port();
    let world: Value = port.get(&super::path(&arguments.name))?;
    let seq = world.get("seq").and_then(Value::as_u64).unwrap_or(0);
    let mut claims = match &arguments.from {
        Some(file) => read_claims(file)?,
        None => signed_claims(&world, &key)?,
    };
    claims.remove("seq");
    claims.extend(arguments.set.iter().cloned());
    for name in &arguments.unset {
        claims.remove(name);
    }
    claims.entry("name").or_insert_with(|| arguments.name.clone().into());
    // What a world keeps for as long as it exists need not be said again.
    for name in ["v", "uuid"] {
        if let Some(value) = world.get(name) {
            claims.entry(name).or_insert_with(|| value.clone());
        }
    }
    let registration = publish(&port, &arguments.signer, &key, claims, seq.saturating_add(1))?;
    arguments.output.thing(&registration, super::MACHINE_MEMBERS)
}

/// What identifies the world for as long as it exists. The same each time, so that a world that was
/// withdrawn can be registered again without anybody having kept it.
fn uuid_of(key: &Key, name: &str) -> anyhow::Result<String> {
    let domain = || names::host(name).and_then(|host| host.parse().ok());
    let world = names::world(name).or_else(|refusal| domain().ok_or(refusal))?;
    Ok(record::uuid_of(&key.id(), &world).to_string())
}

fn read_claims(file: &Path) -> anyhow::Result<Claims> {
    let bytes = input::read(file, input::TEXT_LENGTH_MAX)?;
    let claims: Claims = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not a record: a JSON object", file.display()))?;
    Ok(untimed(claims))
}

/// The fields of the registered record. It must be of this very key: otherwise a port could
/// have an operator sign what the operator never said.
fn signed_claims(world: &Value, key: &Key) -> anyhow::Result<Claims> {
    let signed = world.get("record").and_then(Value::as_str).unwrap_or_default();
    let verified =
        Unverified::parse(signed, RECORD_TYPE).and_then(|token| token.verify(key.as_ref().verifying_key()));
    let payload = verified
        .context("the registered record is not one of this key: give the whole record with --from")?;
    let claims = serde_json::from_slice(&payload).context("the registered record is not a JSON object")?;
    Ok(untimed(claims))
}

/// The claims without those that a new signature brings along.
fn untimed(mut claims: Claims) -> Claims {
    for name in ["iat", "exp", "aud"] {
        claims.remove(name);
    }
    claims
}

/// The world of a name, if it is registered.
fn registered(port: &Port, name: &str) -> Result<Option<Value>, PortError> {
    match port.get(&super::path(name)) {
        Ok(world) => Ok(Some(world)),
        Err(PortError::Refused(refusal))
            if matches!(refusal.status, StatusCode::NOT_FOUND | StatusCode::GONE) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Signs a record and sends it.
fn publish(
    port: &Port,
    signer: &SignerArguments,
    key: &Key,
    mut claims: Claims,
    seq: u64,
) -> anyhow::Result<Value> {
    let issuer = port.index()?.issuer;
    let is_given = claims.contains_key("seq");
    claims.entry("seq").or_insert_with(|| seq.into());
    let mut statement = Statement {
        introduce: signer.operator.is_none(),
        valid: Some(signer.valid),
        kid: signer.operator.clone(),
        ..Statement::new(RECORD_TYPE, &issuer, Value::Object(claims))
    };
    match send(port, &statement, key) {
        // A record that has ended is not shown any more, but its number still counts. The
        // clock is ahead of every number that was counted.
        Err(PortError::Refused(refusal)) if refusal.slug == "record-replayed" && !is_given => {
            statement.claims.insert("seq".into(), next_number().into());
            Ok(send(port, &statement, key)?)
        }
        sent => Ok(sent?),
    }
}

fn send(port: &Port, statement: &Statement, key: &Key) -> Result<Value, PortError> {
    let signed = statement.sign(key);
    port.json(&Method::POST, "/v1/worlds", Some(Body::jose(&signed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn world(key: &Key) -> Value {
        let claims = json!({"name": "arena", "seq": 4, "iat": 1, "exp": 2, "aud": "a", "tags": ["pvp"]});
        json!({ "record": Statement::new(RECORD_TYPE, "http://a", claims).sign(key) })
    }

    #[test]
    fn an_update_starts_from_what_the_operator_signed() {
        let key = Key::generate().unwrap();
        let claims = signed_claims(&world(&key), &key).unwrap();
        assert_eq!(Value::Object(claims), json!({"name": "arena", "seq": 4, "tags": ["pvp"]}));
    }

    #[test]
    fn an_update_never_signs_what_another_key_said() {
        let (key, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let error = signed_claims(&world(&other), &key).unwrap_err();
        assert!(error.to_string().contains("--from"), "{error:#}");
        assert!(signed_claims(&json!({}), &key).is_err());
    }
}
