//! What a wallet answers with (OpenID4VP 1.0, section 8.2), and whether it is believed (section 8.6).
//!
//! The first answer counts, whatever it says: a state is good once, so nobody tries twice, and of two
//! answers at once one is taken.

use super::encryption::AnswerError;
use super::said::{self, Said, gone};
use super::transaction::{Found, Outcome};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::keys;
use crate::passports::issued;
use crate::provider::error::OauthError;
use crate::provider::params::Params;
use crate::provider::{hashed, redirect_uri};
use crate::verify::{Asking, Passport};
use ::http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use vwp_core::{Environment, Problem, jose, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{self, Check};
use vwp_verifier::dcql::answer::Answers;
use vwp_verifier::dcql::{DcqlError, Query};
use vwp_verifier::trust::Trust;

/// The longest answer, in bytes: a token of the greatest length, and what encoding it adds.
const FORM_LENGTH_MAX: usize = 196_608;
/// The longest that a world is told, in bytes of JSON: sealed, that is one value of the store.
const TOLD_LENGTH_MAX: usize = 40_960;
/// The longest error code of a wallet, in bytes.
const ERROR_LENGTH_MAX: usize = 64;

/// An answer that was believed.
struct Believed {
    /// Whose passports were shown.
    traveller: String,
    /// The passports are still the traveller's.
    checks: Vec<Check>,
    /// What the world is told.
    credentials: Value,
    /// The names of the claims that it is told.
    names: Vec<String>,
}

/// Why one was not: what the wallet hears, and what the world does.
struct Refusal {
    error: OauthError,
    reason: &'static str,
    credential: Option<String>,
}

impl From<DcqlError> for Refusal {
    fn from(error: DcqlError) -> Self {
        let reason = error.slug();
        let credential = error.credential().map(str::to_owned);
        Self { error: OauthError::Query(error), reason, credential }
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        Self { error: OauthError::Answer(error), reason: error.slug(), credential: None }
    }
}

/// Takes an answer.
pub(super) async fn take(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form_within(request, FORM_LENGTH_MAX)?;
    let (found, said) = said::read(kv, &params, environment).await?;
    match said {
        Ok(Said::Shows(vp_token)) => present(kv, found, &vp_token, environment).await,
        Ok(Said::Declines(error)) => decline(kv, found, &error, environment).await,
        Err(error) => refuse(kv, found, error.into()).await,
    }
}

async fn present(
    kv: &impl Kv,
    found: Found,
    vp_token: &str,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let believed = match believe(kv, &found, vp_token, environment).await? {
        Ok(believed) => believed,
        Err(refusal) => return refuse(kv, found, refusal).await,
    };
    let Believed { traveller, mut checks, credentials, names } = believed;
    let (back, response_code) = way_back(&found, environment)?;
    let outcome = Outcome::Presented { credentials: found.seal(&credentials, environment)?, response_code };
    checks.push(found.unchanged());
    let event = Event::traveller(Kind::PassportPresented, &traveller)
        .with("world", &found.transaction.world)
        .with("client", &found.transaction.client)
        .with("claims", names.join(" "));
    let put = found.concluded(outcome, Some(traveller))?;
    match audit::commit(kv, &event, &checks, &[put], environment).await? {
        kv::Outcome::Committed(_) => Ok(taken(back)),
        _ => Err(gone()),
    }
}

/// Keeps why an answer counts and is not believed.
async fn refuse(kv: &impl Kv, found: Found, refusal: Refusal) -> Result<Response<Vec<u8>>, OauthError> {
    let Refusal { error, reason, credential } = refusal;
    conclude(kv, found, Outcome::Refused { reason: reason.to_owned(), credential }).await?;
    Err(error)
}

/// A wallet that says no (section 8.5).
async fn decline(
    kv: &impl Kv,
    found: Found,
    error: &str,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if error.len() > ERROR_LENGTH_MAX || !error.bytes().all(is_code) {
        return Err(OauthError::Request("error is not an error code"));
    }
    let (back, response_code) = way_back(&found, environment)?;
    conclude(kv, found, Outcome::Declined { error: error.to_owned(), response_code }).await?;
    Ok(taken(back))
}

async fn conclude(kv: &impl Kv, found: Found, outcome: Outcome) -> Result<(), OauthError> {
    let check = found.unchanged();
    match kv.commit(&[check], &[found.concluded(outcome, None)?]).await? {
        kv::Outcome::Committed(_) => Ok(()),
        _ => Err(gone()),
    }
}

/// Where a browser goes on, with a fresh code, and the hash of the code (section 14.3: so nobody gets
/// what somebody else was made to present).
fn way_back(
    found: &Found,
    environment: &Environment<'_>,
) -> Result<(Option<String>, Option<String>), Problem> {
    let Some(place) = &found.transaction.redirect_uri else { return Ok((None, None)) };
    let code = jose::encode(environment.random_bytes::<32>());
    let back = redirect_uri::with(place, &[("response_code", &code)]).ok_or_else(Problem::internal)?;
    Ok((Some(back), Some(hashed(code))))
}

/// Section 8.2: an object, and in it where to go on.
fn taken(back: Option<String>) -> Response<Vec<u8>> {
    let body = back.map_or_else(|| json!({}), |back| json!({ "redirect_uri": back }));
    super::http::private(reply::json(StatusCode::OK, &body))
}

/// Verifies an answer. The issuer is this port: a world that asks here trusts it, and of others the
/// port has no keys.
async fn believe(
    kv: &impl Kv,
    found: &Found,
    vp_token: &str,
    environment: &Environment<'_>,
) -> Result<Result<Believed, Refusal>, AuthError> {
    let transaction = &found.transaction;
    let query = Query::parse(&transaction.query).map_err(|_| Problem::internal())?;
    let mut trust = Trust::new();
    trust.pin(&environment.settings.issuer, &keys::published(kv, environment).await?);
    let asking = Asking {
        audience: &transaction.client_id(environment)?,
        world: &transaction.world,
        nonce: &transaction.nonce,
        now: environment.now,
    };
    let answers = match query.verify(vp_token, &trust, &asking) {
        Ok(answers) => answers,
        Err(error) => return Ok(Err(error.into())),
    };
    let (traveller, checks) = match owner_of_all(kv, &answers, environment).await? {
        Ok(owned) => owned,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut names: Vec<String> = Vec::new();
    let mut credentials: Map<String, Value> = Map::new();
    for (id, passport) in each(&answers) {
        let claims = query.only_asked(id, &passport.claims);
        names.extend(claims.keys().cloned());
        let told = told(passport, &claims);
        match credentials.get_mut(id) {
            Some(Value::Array(list)) => list.push(told),
            _ => drop(credentials.insert(id.to_owned(), json!([told]))),
        }
    }
    names.sort_unstable();
    names.dedup();
    let credentials = Value::Object(credentials);
    if credentials.to_string().len() > TOLD_LENGTH_MAX {
        let error = OauthError::Request("the passports have more claims than a world is told");
        return Ok(Err(Refusal { error, reason: "answer-too-long", credential: None }));
    }
    Ok(Ok(Believed { traveller, checks, credentials, names }))
}

/// Whose passports were believed, all of them, and that this stays so.
async fn owner_of_all(
    kv: &impl Kv,
    answers: &Answers,
    environment: &Environment<'_>,
) -> Result<Result<(String, Vec<Check>), Refusal>, AuthError> {
    let (mut whose, mut checks) = (None, Vec::new());
    for (id, passport) in each(answers) {
        let (traveller, check) = match issued::owner_of(kv, passport, environment).await {
            Ok(owned) => owned,
            // One that was revoked is not left out: who shows it has no good reason to.
            Err(AuthError::Presentation(error)) => {
                return Ok(Err(DcqlError::Presentation { id: id.to_owned(), error }.into()));
            }
            Err(error) => return Err(error),
        };
        // Passports of two travellers in one answer would make one person of them.
        if whose.as_ref().is_some_and(|whose| *whose != traveller) {
            let error = OauthError::Request("the passports are of several travellers");
            return Ok(Err(Refusal { error, reason: "several-travellers", credential: None }));
        }
        whose = Some(traveller);
        if !checks.contains(&check) {
            checks.push(check);
        }
    }
    // A query may leave everything to choice, and an answer to it may be empty; that tells nothing.
    Ok(whose.map(|whose| (whose, checks)).ok_or_else(|| DcqlError::Unsatisfied.into()))
}

fn each(answers: &Answers) -> impl Iterator<Item = (&str, &Passport)> {
    answers.iter().flat_map(|(id, passports)| passports.iter().map(move |passport| (id.as_str(), passport)))
}

/// What a world is told of a passport: the claims that it asked for, and what is signed openly.
fn told(passport: &Passport, claims: &Map<String, Value>) -> Value {
    json!({
        "issuer": passport.claims.get("iss"),
        "vct": passport.claims.get("vct"),
        "subject": passport.subject,
        "holder": passport.holder,
        "expires_at": passport.expires_at_s.saturating_mul(1000),
        "claims": claims,
    })
}
