//! Whether an operator controls a domain: before a world is served under a name that is not
//! in the port's own zone, a token of the port's must stand where only the domain's owner
//! can put it.
//!
//! - a TXT record at `_vwp-challenge.<domain>` with the text `vwp-challenge=<token>`, or
//! - `https://<domain>/.well-known/vwp` (RFC 8615) with that text as one of its lines.
//!
//! The token says which operator and domain it is for. It is computed and not stored, so that
//! asking for one costs the port nothing; a new one begins every week, and the last one is
//! still good.
//!
//! A name from outside decides whom the port asks here. So only `https` on its own port is
//! asked, only after a resolver that the administrator chose has said that all addresses of
//! the name are public ones; no redirect is followed, and 4 KiB and 5 s are all that is
//! looked at. The host looks the name up again. That it gets no other addresses then is what
//! its block of private networks is for (`[outbound_networking]` in its runtime configuration), and its list of allowed hosts bounds everything.

use crate::registry::error::NamingError;
use crate::{actions, place};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;
use vwp_core::name::WorldName;
use vwp_core::outbound::{Limits, Outbound};
use vwp_core::resolver::{NoAnswer, Resolver};
use vwp_core::{Environment, Problem, jose, resolver};

/// The label of the TXT record.
pub const LABEL: &str = "_vwp-challenge";
/// The path of the file.
pub const WELL_KNOWN: &str = "/.well-known/vwp";
/// How long a token is new, in seconds; it is good for as long again.
const PERIOD_S: u64 = 7 * 24 * 60 * 60;
/// What a token is computed for, so that the master key's other uses are apart from it.
const PURPOSE: &[u8] = b"vwp/discovery/control/1";
/// What a file may cost.
const FILE_LIMITS: Limits = Limits { body_bytes_max: 4096, time_max: Duration::from_secs(5) };

/// What an operator has to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// The domain.
    pub name: String,
    /// The operator who is to show it.
    pub operator: String,
    /// The text: that of the TXT record, or a line of the file.
    pub text: String,
    /// Where the TXT record goes.
    pub txt_name: String,
    /// Where the file goes.
    pub url: String,
    /// Until when the text is good, in seconds.
    pub expires_at: u64,
}

/// How control was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// By a TXT record.
    Dns,
    /// By a TXT record that the resolver validated (RFC 4035).
    Dnssec,
    /// By a file.
    Https,
}

/// That an operator proved control of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How.
    pub method: Method,
    /// When, in seconds.
    pub at: u64,
}

/// What an operator has to show to prove that it controls a domain.
fn challenge(environment: &Environment<'_>, name: &WorldName, operator: &str) -> Challenge {
    let period = environment.now_seconds() / PERIOD_S;
    Challenge {
        name: name.to_string(),
        operator: operator.to_owned(),
        text: text(environment, name, operator, period),
        txt_name: format!("{LABEL}.{name}"),
        url: format!("https://{name}{WELL_KNOWN}"),
        expires_at: (period + 2) * PERIOD_S,
    }
}

/// The same for a name and an operator that somebody wrote.
pub fn challenge_of(environment: &Environment<'_>, name: &str, operator: &str) -> Result<Challenge, Problem> {
    let name = place::world(name, environment.settings)?;
    if !name.is_domain() {
        return Err(Problem::bad_request("a name in the port's zone needs no proof of control"));
    }
    if !actions::is_operator_id(operator) {
        return Err(Problem::bad_request("an operator's id is a SHA-256 thumbprint in base64url"));
    }
    Ok(challenge(environment, &name, operator))
}

/// Looks whether an operator controls a domain now.
pub async fn prove<O: Outbound>(
    outbound: &O,
    environment: &Environment<'_>,
    name: &WorldName,
    operator: &str,
) -> Result<Proof, Problem> {
    let url = resolver::url(environment.settings)?.ok_or(NamingError::DomainsNotTaken)?;
    let resolver = Resolver { url: &url, outbound };
    let period = environment.now_seconds() / PERIOD_S;
    let accepted = [period, period.saturating_sub(1)].map(|period| text(environment, name, operator, period));
    let is_accepted = |text: &[u8]| accepted.iter().any(|accepted| accepted.as_bytes() == text.trim_ascii());
    let proof = |method| Ok(Proof { method, at: environment.now_seconds() });
    let found = resolver.texts(&format!("{LABEL}.{name}")).await.map_err(|error| no_answer(&error))?;
    if found.texts.iter().any(|text| is_accepted(text)) {
        return proof(if found.is_authenticated { Method::Dnssec } else { Method::Dns });
    }
    let is_public = resolver.is_public(name.as_str()).await.map_err(|error| no_answer(&error))?;
    if is_public
        && file(outbound, name).await.is_some_and(|file| file.split(|&byte| byte == b'\n').any(is_accepted))
    {
        return proof(Method::Https);
    }
    // Why the file was not there is not told: it would make the port a probe for others.
    Err(NamingError::ControlUnproven {
        txt_name: format!("{LABEL}.{name}"),
        url: format!("https://{name}{WELL_KNOWN}"),
    }
    .into())
}

async fn file<O: Outbound>(outbound: &O, name: &WorldName) -> Option<Vec<u8>> {
    let url =
        Uri::builder().scheme("https").authority(name.as_str()).path_and_query(WELL_KNOWN).build().ok()?;
    let request = Request::get(url).body(Vec::new()).ok()?;
    let answer = outbound.send(request, FILE_LIMITS).await.ok()?;
    (answer.status() == StatusCode::OK).then(|| answer.into_body())
}

fn no_answer(error: &NoAnswer) -> Problem {
    // The cause is for whoever runs the port, in the log.
    eprintln!("{error}");
    Problem::unavailable("the resolver that is asked who controls a domain does not answer")
}

fn text(environment: &Environment<'_>, name: &WorldName, operator: &str, period: u64) -> String {
    // A key of any length is one of HMAC (RFC 2104, section 3), so that this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&environment.settings.master_key) else {
        return String::new();
    };
    // Neither a name nor an operator's id, a thumbprint, has a line break in it.
    for part in [PURPOSE, name.as_str().as_bytes(), operator.as_bytes(), period.to_string().as_bytes()] {
        mac.update(part);
        mac.update(b"\n");
    }
    format!("vwp-challenge={}", jose::encode(mac.finalize().into_bytes()))
}
