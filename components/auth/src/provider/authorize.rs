//! What a client asks for at the authorization endpoint: the code flow with PKCE (RFC 9700,
//! section 2.1, and OpenID Connect Core, section 3.1.2.1).

use super::clients::{self, Client, GrantType};
use super::error::OauthError;
use super::params::Params;
use super::scope::{self, Scope};
use super::{hashed, par, redirect_uri};
use crate::openid4vci::details::Details;
use vwp_core::jose;
use vwp_storage::Kv;
use vwp_storage::kv::Entry;

/// The longest `state`, in bytes.
const STATE_LENGTH_MAX: usize = 2048;
/// The longest `nonce`, in bytes.
const NONCE_LENGTH_MAX: usize = 512;
/// The parameters of an answer that only ever belong to one registered place.
const PLACE: &str = "redirect_uri is none that the client registered";

/// A request that may be shown to a person.
pub(crate) struct AuthorizationRequest {
    /// The client.
    pub(crate) client: Client,
    /// Where the answer goes.
    pub(crate) redirect_uri: String,
    /// What the client wants back as it is.
    pub(crate) state: Option<String>,
    /// What goes into the ID token.
    pub(crate) nonce: Option<String>,
    /// What is asked for.
    pub(crate) scopes: Vec<Scope>,
    /// The passports that are asked for with `authorization_details`.
    pub(crate) passports: Option<Details>,
    /// The PKCE challenge (RFC 7636, section 4.2).
    pub(crate) challenge: String,
    /// What the person is asked.
    pub(crate) prompt: Prompt,
    /// How long ago the person may have signed in, in seconds.
    pub(crate) max_age: Option<u64>,
    /// Who is probably signing in.
    pub(crate) login_hint: Option<String>,
    /// The key that the code is bound to (RFC 9449, section 10).
    pub(crate) jkt: Option<String>,
    /// The query as it came, for the forms of the page.
    pub(crate) query: String,
    /// The pushed request that this was, to be used up.
    pub(crate) pushed: Option<(Vec<u8>, Entry)>,
}

/// What the person is asked (OpenID Connect Core, section 3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Prompt {
    /// Nothing: answer at once, or refuse.
    pub(crate) none: bool,
    /// To sign in again.
    pub(crate) login: bool,
    /// To agree again.
    pub(crate) consent: bool,
}

/// Why a request is not shown to a person.
pub(crate) enum Refusal {
    /// It is not known where the answer would go: the person is told (RFC 9700, section 4.11).
    Page(OauthError),
    /// The client is told, at the place that it registered.
    Answer {
        /// Where.
        redirect_uri: String,
        /// The client's `state`.
        state: Option<String>,
        /// Why.
        error: Box<OauthError>,
    },
}

impl From<OauthError> for Refusal {
    fn from(error: OauthError) -> Self {
        Self::Page(error)
    }
}

impl AuthorizationRequest {
    /// What tells this request from every other one.
    pub(crate) fn digest(&self) -> String {
        hashed(&self.query)
    }
}

/// Reads the query of the authorization endpoint.
pub(crate) async fn read(kv: &impl Kv, query: &str) -> Result<AuthorizationRequest, Refusal> {
    let given = Params::parse(query.as_bytes())?;
    let client_id = given.need("client_id", "client_id is missing")?;
    let unknown =
        OauthError::Client("no client with this id is registered here, or it is no longer its world's");
    let client = clients::find(kv, client_id).await?.ok_or(unknown)?;
    let Some(request_uri) = given.get("request_uri") else {
        let mut request = check(client, &given, query)?;
        if request.client.require_pushed_authorization_requests {
            let error = OauthError::Request("this client's requests are pushed (RFC 9126)");
            return Err(answer(&mut request, error));
        }
        return Ok(request);
    };
    // RFC 9126, section 4: what was pushed counts, and nothing that stands beside it.
    let (key, entry, pushed) = par::load(kv, request_uri, &client.client_id).await?;
    let mut request = check(client, &pushed, query)?;
    request.pushed = Some((key, entry));
    Ok(request)
}

fn answer(request: &mut AuthorizationRequest, error: OauthError) -> Refusal {
    let redirect_uri = std::mem::take(&mut request.redirect_uri);
    Refusal::Answer { redirect_uri, state: request.state.take(), error: Box::new(error) }
}

/// Checks the parameters of a request, pushed or not.
pub(crate) fn check(client: Client, params: &Params, query: &str) -> Result<AuthorizationRequest, Refusal> {
    let given = params.need("redirect_uri", "redirect_uri is missing")?;
    if !client.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, given)) {
        return Err(Refusal::Page(OauthError::Request(PLACE)));
    }
    let redirect_uri = given.to_owned();
    let state = params.get("state").filter(|state| state.len() <= STATE_LENGTH_MAX).map(str::to_owned);
    let request = rest(client, params, query, redirect_uri.clone(), state.clone());
    request.map_err(|error| Refusal::Answer { redirect_uri, state, error: Box::new(error) })
}

/// What is left to check when it is known where a refusal goes.
fn rest(
    client: Client,
    params: &Params,
    query: &str,
    redirect_uri: String,
    state: Option<String>,
) -> Result<AuthorizationRequest, OauthError> {
    if params.get("request").is_some() {
        return Err(OauthError::RequestNotSupported);
    }
    if !client.grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(OauthError::UnauthorisedClient("this client is not registered for authorization_code"));
    }
    if params.need("response_type", "response_type is missing")? != "code" {
        return Err(OauthError::ResponseType);
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OauthError::Request("the only response_mode is query"));
    }
    if params.get("state").is_some() && state.is_none() {
        return Err(OauthError::Request("state has at most 2048 bytes"));
    }
    let nonce = params.get("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > NONCE_LENGTH_MAX) {
        return Err(OauthError::Request("nonce has at most 512 bytes"));
    }
    let details = params.get("authorization_details").map(Details::parse).transpose()?;
    let scopes = match (&details, params.get("scope")) {
        (Some(_), None) => Vec::new(),
        _ => scopes(&client, params)?,
    };
    // OpenID4VCI 1.0, section 5.1.2: if both ask for passports, the details say for which.
    let scopes = scopes.into_iter().filter(|scope| details.is_none() || *scope != Scope::Passport).collect();
    let jkt = params.get("dpop_jkt");
    if jkt.is_some_and(|jkt| !is_sha256(jkt)) {
        return Err(OauthError::Request("dpop_jkt is a SHA-256 thumbprint"));
    }
    let max_age = params.get("max_age").map(str::parse).transpose();
    Ok(AuthorizationRequest {
        challenge: challenge(params)?,
        prompt: prompt(params.get("prompt").unwrap_or_default())?,
        max_age: max_age.map_err(|_| OauthError::Request("max_age is a number of seconds"))?,
        login_hint: params.get("login_hint").filter(|hint| hint.len() <= 128).map(str::to_owned),
        jkt: jkt.map(str::to_owned),
        passports: details,
        nonce: nonce.map(str::to_owned),
        query: query.to_owned(),
        pushed: None,
        client,
        redirect_uri,
        state,
        scopes,
    })
}

/// The scopes of a request; without any, to be recognised.
pub(crate) fn scopes(client: &Client, params: &Params) -> Result<Vec<Scope>, OauthError> {
    let mut scopes = scope::parse(params.get("scope").unwrap_or("openid"))?;
    if !client.grant_types.contains(&GrantType::RefreshToken) {
        // OpenID Connect Core, section 11: it is ignored where it cannot be granted.
        scopes.retain(|scope| *scope != Scope::OfflineAccess);
    }
    if scopes.is_empty() { Err(OauthError::Scope) } else { Ok(scopes) }
}

/// The PKCE challenge, which nobody may leave out and which is never `plain` (RFC 9700, section
/// 2.1.1): a request without a method would mean that.
fn challenge(params: &Params) -> Result<String, OauthError> {
    let challenge = params.need("code_challenge", "code_challenge is missing (PKCE)")?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OauthError::Request("code_challenge_method is S256"));
    }
    if !is_sha256(challenge) {
        return Err(OauthError::Request("code_challenge is a SHA-256 hash in base64url"));
    }
    Ok(challenge.to_owned())
}

fn is_sha256(text: &str) -> bool {
    jose::decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

fn prompt(text: &str) -> Result<Prompt, OauthError> {
    let mut prompt = Prompt::default();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match word {
            "none" => prompt.none = true,
            // Somebody else is chosen by signing in as somebody else.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return Err(OauthError::Request("prompt is none, login, consent or select_account")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(OauthError::Request("prompt=none stands alone"));
    }
    Ok(prompt)
}
