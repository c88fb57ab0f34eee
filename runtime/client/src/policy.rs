//! Policies: checked, and tried on requests, before anybody gives them to a port. Nothing here asks
//! one: the rules are the same, compiled in.

use crate::input;
use crate::output::{self, OutputArguments};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use vwp_policy::decide::{self, Decision, Request, Sets};
use vwp_policy::file::{self, FILE_LENGTH_MAX};
use vwp_policy::set::{self, BASE_PREFIX, Diagnostic, Severity, Texts};

/// The longest request that is read, in bytes.
const REQUEST_LENGTH_MAX: usize = 65_536;

/// What is done with policies.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check policies, and explain what they decide about a request
    Check(CheckArguments),
    /// Put policies into the form that is signed as vwp-policies+jws
    Pack(PackArguments),
}

/// What `vwp policy check` is given.
#[derive(Debug, Args)]
pub struct CheckArguments {
    #[command(flatten)]
    output: OutputArguments,
    /// A request to decide about, as JSON: principal, action, resource
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The policies of the port, which take part in its decisions
    #[arg(long, value_name = "FILE")]
    port_policies: Option<PathBuf>,
    /// The policies in Cedar, each with an @id("..."), or - for the standard input
    file: PathBuf,
}

/// What `vwp policy pack` is given.
#[derive(Debug, Args)]
pub struct PackArguments {
    /// The id of the operator whose policies they are
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    operator: String,
    /// The version that they replace; 0: there are none yet
    #[arg(long, value_name = "VERSION", default_value_t = 0)]
    replaces: u64,
    /// The policies in Cedar, each with an @id("..."), or - for the standard input
    file: PathBuf,
}

/// Carries a subcommand out.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Check(arguments) => check(arguments),
        Command::Pack(arguments) => {
            let texts = good(&read(&arguments.file)?)?;
            let packed = json!({
                "operator": arguments.operator,
                "replaces": arguments.replaces,
                "policies": texts,
            });
            output::line(&packed.to_string())
        }
    }
}

fn check(arguments: &CheckArguments) -> anyhow::Result<()> {
    let text = read(&arguments.file)?;
    let (texts, said) = checked(&text);
    let errors = said.iter().filter(|said| said.severity == Severity::Error).count();
    if arguments.request.is_none() || errors > 0 {
        let rows = said.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        arguments.output.rows(
            &rows,
            &[
                ("POLICY", |row| row["policy"].as_str().unwrap_or("-").to_owned()),
                ("SEVERITY", |row| row["severity"].as_str().unwrap_or("-").to_owned()),
                ("MESSAGE", |row| row["message"].as_str().unwrap_or("-").to_owned()),
            ],
        )?;
    }
    if errors > 0 {
        bail!("{errors} errors: a port does not take these policies");
    }
    let Some(request) = &arguments.request else {
        return Ok(());
    };
    let port = match &arguments.port_policies {
        Some(file) => good(&read(file)?)?,
        None => Texts::new(),
    };
    let request = input::read(request, REQUEST_LENGTH_MAX)?;
    let request: Request = serde_json::from_slice(&request).context("the request")?;
    let decision = decided(&texts, &port, &request)?;
    if arguments.output.json {
        return output::line(&serde_json::to_string(&decision)?);
    }
    output::line(&explained(&decision, &texts, &port))
}

fn read(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(input::read(path, FILE_LENGTH_MAX)?)
        .with_context(|| format!("{} is not text", path.display()))
}

/// The policies of a file, and what is to be said about them.
pub fn checked(text: &str) -> (Texts, Vec<Diagnostic>) {
    match file::split(text) {
        Ok(texts) => {
            let said = set::admit(&texts).map_or_else(|said| said, |_| set::check(&texts));
            (texts, said)
        }
        Err(said) => (Texts::new(), said),
    }
}

/// The policies of a file that a port would take.
fn good(text: &str) -> anyhow::Result<Texts> {
    let (texts, said) = checked(text);
    match said.iter().find(|said| said.severity == Severity::Error) {
        Some(said) => bail!("{}: {}", said.policy.as_deref().unwrap_or("the file"), said.message),
        None => Ok(texts),
    }
}

/// What an operator's policies decide together with a port's, about a request to the operator's
/// own.
pub fn decided(operator: &Texts, port: &Texts, request: &Request) -> anyhow::Result<Decision> {
    let admit = |texts| set::admit(texts).map_err(|_| anyhow::anyhow!("the policies have errors"));
    let (operator, port) = (admit(operator)?, admit(port)?);
    Ok(decide::decide(Sets { port: Some(&port), operator: Some(&operator) }, request)?)
}

/// A decision for people: what was decided, and the policies that did.
pub fn explained(decision: &Decision, operator: &Texts, port: &Texts) -> String {
    let head = match (decision.allow, decision.policies.is_empty()) {
        (true, _) => "permitted by".to_owned(),
        (false, false) => "denied: forbidden by".to_owned(),
        (false, true) => "denied: no policy permits it".to_owned(),
    };
    let mut lines = vec![head];
    let base = set::base_texts();
    for id in &decision.policies {
        let text = match id.split_once('/') {
            Some(("operator", id)) => operator.get(id),
            Some(("port", id)) => port.get(id),
            _ if id.starts_with(BASE_PREFIX) => base.get(id),
            _ => None,
        };
        lines.push(format!("  {id}"));
        lines.extend(text.into_iter().flat_map(|text| text.lines()).map(|line| format!("    {line}")));
    }
    lines.extend(decision.errors.iter().map(|error| format!("failed, and took no part: {error}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICIES: &str = r#"
        @id("enter")
        permit (principal, action == Action::"enter", resource);
        @id("no-eve")
        forbid (principal == Traveller::"eve", action, resource);
    "#;

    fn explanation(traveller: &str, action: &str, role: Option<&str>) -> String {
        let (texts, said) = checked(POLICIES);
        assert_eq!(said, []);
        let request = json!({
            "principal": { "kind": "traveller", "id": traveller, "role": role },
            "action": action,
            "resource": { "kind": "world", "id": "arena", "operator": "o" },
        });
        let request = serde_json::from_value(request).expect("a request");
        let decision = decided(&texts, &Texts::new(), &request).expect("a decision");
        explained(&decision, &texts, &Texts::new())
    }

    #[test]
    fn an_explanation_names_the_policies_that_decided() {
        let permitted = explanation("ada", "enter", None);
        assert!(permitted.starts_with("permitted by\n  operator/enter\n"), "{permitted}");
        assert!(permitted.contains("Action::\"enter\""), "{permitted}");
        let forbidden = explanation("eve", "enter", None);
        assert!(forbidden.starts_with("denied: forbidden by\n  operator/no-eve\n"), "{forbidden}");
        assert_eq!(explanation("ada", "trade", None), "denied: no policy permits it");
        let role = explanation("ada", "ban", Some("moderator"));
        assert!(role.starts_with("permitted by\n  base.moderator\n    permit"), "{role}");
    }

    #[test]
    fn policies_that_a_port_would_not_take_are_not_packed() {
        assert!(good(POLICIES).is_ok());
        assert!(good("@id(\"a\") permit (principal is Robot, action, resource);").is_err());
        assert!(good("@id(\"base.admin\") permit (principal, action, resource);").is_err());
        assert!(good("permit (principal, action, resource);").is_err());
        assert!(good("nonsense").is_err());
    }
}
