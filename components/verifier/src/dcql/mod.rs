//! Asking for passports in the language of OpenID for Verifiable Presentations 1.0 (DCQL, section
//! 6), and believing what a wallet answers (section 8.6).
//!
//! The query is the verifier's own, and what is not understood of it is refused instead of left
//! out: a condition that nobody checks would be worse than none. Members that the specification
//! does not name are ignored, as it says.
//!
//! - [`Query`]: what is asked for.
//! - [`answer`]: what a `vp_token` holds of it.
//! - [`path`]: where a claim is.

pub mod answer;
pub mod path;

use crate::strict_json::{self, StrictJsonError};
use crate::verify::{PASSPORT_TOKEN_TYPE, PresentationError};
use path::Path;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The longest query, in bytes.
pub const QUERY_LENGTH_MAX: usize = 16_384;
/// The most credentials that one query asks for, and sets of them.
pub const CREDENTIALS_MAX: usize = 8;
/// The most claims of one credential, alternatives, and values.
pub const CLAIMS_MAX: usize = 32;
/// The longest id, in bytes.
const ID_LENGTH_MAX: usize = 64;

/// Why a query, or an answer to it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DcqlError {
    /// The query breaks a rule of the language, or a bound.
    #[error("the query: {0}")]
    Query(&'static str),
    /// The query asks for what cannot be checked here.
    #[error("the query asks for what is not supported: {0}")]
    Unsupported(&'static str),
    /// The answer is no object of arrays of presentations for this query.
    #[error("vp_token: {0}")]
    Token(&'static str),
    /// A presentation was not believed, and without it the query is not satisfied.
    #[error("the presentation for {id}: {error}")]
    Presentation {
        /// Which credential query it was for.
        id: String,
        /// Why it was not believed.
        error: PresentationError,
    },
    /// A presentation lacks what its credential query asks for, and without it the query is not
    /// satisfied.
    #[error("the presentation for {0} is not of the type, or has not the claims, that were asked for")]
    Unmatched(String),
    /// Something that was asked for is not there.
    #[error("the answer does not have all that was asked for")]
    Unsatisfied,
}

impl DcqlError {
    /// The reason as it stands in a problem's `type`.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Query(_) => "query-malformed",
            Self::Unsupported(_) => "query-unsupported",
            Self::Token(_) => "vp-token-malformed",
            Self::Presentation { error, .. } => error.slug(),
            Self::Unmatched(_) => "presentation-unmatched",
            Self::Unsatisfied => "query-unsatisfied",
        }
    }

    /// The credential query that it is about.
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Presentation { id, .. } | Self::Unmatched(id) => Some(id),
            _ => None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    credentials: Vec<CredentialQuery>,
    sets: Option<Vec<CredentialSet>>,
}

/// One credential of a query (section 6.1).
#[derive(Debug, Clone, PartialEq)]
struct CredentialQuery {
    id: String,
    multiple: bool,
    types: Vec<String>,
    claims: Vec<ClaimQuery>,
    claim_sets: Option<Vec<Vec<String>>>,
}

/// One claim of a credential (section 6.3).
#[derive(Debug, Clone, PartialEq)]
struct ClaimQuery {
    id: Option<String>,
    path: Path,
    values: Option<Vec<Value>>,
}

/// Alternatives among credentials (section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
struct CredentialSet {
    options: Vec<Vec<String>>,
    required: bool,
}

impl Query {
    /// Reads a `dcql_query`.
    pub fn parse(json: &str) -> Result<Self, DcqlError> {
        if json.len() > QUERY_LENGTH_MAX {
            return Err(DcqlError::Query("it is too long"));
        }
        let query = strict_json::parse_object(json.as_bytes()).map_err(|error| match error {
            StrictJsonError::Malformed => DcqlError::Query("it is not a JSON object"),
            StrictJsonError::DuplicateMember => DcqlError::Query("a member occurs twice"),
        })?;
        let credentials = needed(&query, "credentials", CREDENTIALS_MAX)?;
        let credentials = objects(credentials, credential)?;
        let mut ids = HashSet::new();
        if !credentials.iter().all(|credential| ids.insert(credential.id.as_str())) {
            return Err(DcqlError::Query("an id of credentials occurs twice"));
        }
        let sets = list(&query, "credential_sets", CREDENTIALS_MAX)?;
        let sets = sets.map(|sets| objects(sets, |set| credential_set(set, &ids))).transpose()?;
        Ok(Self { credentials, sets })
    }
}

fn credential(query: &Map<String, Value>) -> Result<CredentialQuery, DcqlError> {
    if query.get("format").and_then(Value::as_str) != Some(PASSPORT_TOKEN_TYPE) {
        return Err(DcqlError::Unsupported("a format other than dc+sd-jwt"));
    }
    if query.contains_key("trusted_authorities") {
        return Err(DcqlError::Unsupported("trusted_authorities; issuers are pinned"));
    }
    if !boolean(query, "require_cryptographic_holder_binding", true)? {
        return Err(DcqlError::Unsupported("presentations without holder binding"));
    }
    // Annex B.3.5: for this format, meta has vct_values.
    let meta = query.get("meta").and_then(Value::as_object).ok_or(DcqlError::Query("meta is missing"))?;
    let claims = match list(query, "claims", CLAIMS_MAX)? {
        Some(claims) => objects(claims, claim)?,
        None => Vec::new(),
    };
    let mut ids = HashSet::new();
    if !claims.iter().filter_map(|claim| claim.id.as_deref()).all(|id| ids.insert(id)) {
        return Err(DcqlError::Query("an id of claims occurs twice"));
    }
    let claim_sets = match list(query, "claim_sets", CLAIMS_MAX)? {
        Some(sets) if ids.len() == claims.len() => Some(alternatives(sets, &ids)?),
        // Section 6.3: with claim_sets, every claim has an id; and without claims there are none.
        Some(_) => return Err(DcqlError::Query("with claim_sets, every claim has an id")),
        None => None,
    };
    Ok(CredentialQuery {
        id: id(query.get("id"))?,
        multiple: boolean(query, "multiple", false)?,
        types: texts(needed(meta, "vct_values", CLAIMS_MAX)?)?,
        claims,
        claim_sets,
    })
}

fn claim(query: &Map<String, Value>) -> Result<ClaimQuery, DcqlError> {
    let path = query.get("path").and_then(Path::read);
    let values = list(query, "values", CLAIMS_MAX)?;
    let is_plain =
        |value: &Value| value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64();
    if values.is_some_and(|values| !values.iter().all(is_plain)) {
        return Err(DcqlError::Query("values has strings, integers and booleans"));
    }
    Ok(ClaimQuery {
        id: query.get("id").map(|given| id(Some(given))).transpose()?,
        path: path.ok_or(DcqlError::Query("path is not a claims path pointer"))?,
        values: values.map(<[Value]>::to_vec),
    })
}

fn credential_set(query: &Map<String, Value>, ids: &HashSet<&str>) -> Result<CredentialSet, DcqlError> {
    let options = alternatives(needed(query, "options", CLAIMS_MAX)?, ids)?;
    Ok(CredentialSet { options, required: boolean(query, "required", true)? })
}

/// Lists of ids that are there.
fn alternatives(lists: &[Value], ids: &HashSet<&str>) -> Result<Vec<Vec<String>>, DcqlError> {
    let refused = DcqlError::Query("an alternative is not a non-empty list of ids that are there");
    let read = |list: &Value| {
        let list = list.as_array().filter(|list| (1..=CLAIMS_MAX).contains(&list.len()));
        let list = texts(list.ok_or_else(|| refused.clone())?)?;
        if list.iter().all(|id| ids.contains(id.as_str())) { Ok(list) } else { Err(refused.clone()) }
    };
    lists.iter().map(read).collect()
}

fn objects<T>(
    values: &[Value],
    read: impl Fn(&Map<String, Value>) -> Result<T, DcqlError>,
) -> Result<Vec<T>, DcqlError> {
    let object = |value: &Value| read(value.as_object().ok_or(DcqlError::Query("an element is no object"))?);
    values.iter().map(object).collect()
}

fn texts(values: &[Value]) -> Result<Vec<String>, DcqlError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    values.iter().map(text).collect::<Option<_>>().ok_or(DcqlError::Query("an element is no string"))
}

/// A list that is never empty (sections 6 to 6.3 allow none of theirs to be).
fn list<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    length_max: usize,
) -> Result<Option<&'a [Value]>, DcqlError> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let list = value.as_array().filter(|list| (1..=length_max).contains(&list.len()));
    list.map(|list| Some(list.as_slice())).ok_or(DcqlError::Query("a list is empty, too long, or none"))
}

fn needed<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    length_max: usize,
) -> Result<&'a [Value], DcqlError> {
    list(object, name, length_max)?.ok_or(DcqlError::Query("credentials, vct_values or options is missing"))
}

fn boolean(object: &Map<String, Value>, name: &str, otherwise: bool) -> Result<bool, DcqlError> {
    object.get(name).map_or(Some(otherwise), Value::as_bool).ok_or(DcqlError::Query("a flag is no boolean"))
}

/// Section 6.1: letters, digits, underscores and hyphens.
fn id(value: Option<&Value>) -> Result<String, DcqlError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_id = |id: &&str| (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_plain);
    let id = value.and_then(Value::as_str).filter(is_id);
    id.map(str::to_owned).ok_or(DcqlError::Query("an id has 1 to 64 letters, digits, _ and -"))
}
