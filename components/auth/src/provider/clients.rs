//! Clients: the programs of a world that travellers log in to. The operator of the world
//! registers them with a signed body, or the administrator with its secret. A client is good as
//! long as its operator runs the world: a world that changes hands takes no logins along.
//!
//! A client of no world is a wallet: it holds passports for all of them. Only the administrator
//! registers wallets, because travellers cannot tell a good one by the world that stands behind it.

use super::error::OauthError;
use super::{redirect_uri, replay};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vwp_core::caller::Caller;
use vwp_core::directory::{self, World};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, is_current};
use vwp_core::jose::{self, Jwk};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// The type of a registration that an operator signs.
pub const REGISTRATION_TYPE: &str = "vwp-client+jws";
/// The most clients of one operator, and the most wallets.
pub const CLIENTS_MAX: i64 = 64;
/// The most redirect URIs of a client.
pub const REDIRECT_URIS_MAX: usize = 8;
/// The most keys of a client.
pub const KEYS_MAX: usize = 4;
/// The longest name of a client, in characters.
pub const NAME_LENGTH_MAX: usize = 64;
/// The longest id that is looked up, in bytes.
const ID_LENGTH_MAX: usize = 64;
/// How many clients one page of the administrator's list has.
const PAGE_MAX: u32 = 100;
/// Under which name wallets are counted and listed; no operator's id is so short.
const PORT: &str = "port";

/// How a client proves who it is at the endpoints that it calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It cannot: a public client, which has PKCE alone.
    None,
    /// With a signed assertion (RFC 7523, section 2.2).
    PrivateKeyJwt,
}

/// How a client gets tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GrantType {
    /// With a code, by a browser.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// With a refresh token.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// With a device code (RFC 8628).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
    /// With the code of a credential offer (OpenID4VCI 1.0, section 4.1.1).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:pre-authorized_code")]
    PreAuthorizedCode,
}

/// A set of public keys (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

/// What is asked for: the members are those of RFC 7591, section 2, and the world.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The world whose client this is; none: a wallet.
    pub world: Option<String>,
    /// What people see.
    pub client_name: String,
    /// Where a browser may be sent with a code.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// How the client proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default)]
    pub jwks: Jwks,
    /// How it gets tokens.
    #[serde(default = "code_only")]
    pub grant_types: BTreeSet<GrantType>,
    /// Whether every token is bound to a key (RFC 9449, section 5.2).
    #[serde(default = "yes")]
    pub dpop_bound_access_tokens: bool,
    /// Whether only pushed requests are taken from it (RFC 9126, section 6).
    #[serde(default)]
    pub require_pushed_authorization_requests: bool,
    /// When it was signed, in seconds; an operator's body needs it.
    pub iat: Option<u64>,
    /// This port's URL; an operator's body needs it.
    pub aud: Option<String>,
}

fn code_only() -> BTreeSet<GrantType> {
    BTreeSet::from([GrantType::AuthorizationCode])
}

fn yes() -> bool {
    true
}

/// A registered client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// When it was registered, in seconds.
    pub client_id_issued_at: u64,
    /// The world whose client this is; none if it is a wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// Who runs the world, and answers for the client; for a wallet that is the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What people see.
    pub client_name: String,
    /// Where a browser may be sent with a code.
    pub redirect_uris: Vec<String>,
    /// How the client proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`.
    pub jwks: Jwks,
    /// How it gets tokens.
    pub grant_types: BTreeSet<GrantType>,
    /// Whether every token is bound to a key.
    pub dpop_bound_access_tokens: bool,
    /// Whether only pushed requests are taken from it.
    pub require_pushed_authorization_requests: bool,
}

impl Client {
    /// Whether it has no way to prove who it is.
    pub(crate) fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::None
    }

    /// Where the names that it has for travellers are the same: at all clients of its world, or, for
    /// a wallet, at itself. No world's name has a slash.
    pub(crate) fn sector(&self) -> String {
        self.world.clone().unwrap_or_else(|| format!("wallet/{}", self.client_id))
    }

    /// Under which name it is counted and listed.
    fn owner(&self) -> &str {
        self.operator.as_deref().unwrap_or(PORT)
    }
}

/// Registers a client for the operator who signed a body.
pub(crate) async fn register_signed(
    kv: &impl Kv,
    operator: &str,
    payload: &[u8],
    environment: &Environment<'_>,
) -> Result<Client, Problem> {
    let registration = read(payload)?;
    let iat = registration.iat.ok_or_else(|| Problem::bad_request("iat is missing"))?;
    if registration.aud.as_deref() != Some(&environment.settings.issuer) {
        return Err(Problem::bad_request("aud is not this port"));
    }
    if !is_current(iat, environment.now) {
        return Err(Problem::bad_request("iat is not within five minutes of now"));
    }
    // The same body again would be another client, so it is noted as long as it is current.
    let seen = replay::key("registration", operator, &super::hashed(payload));
    let expires_at = iat.saturating_mul(1000).saturating_add(2 * CLOCK_SKEW_MAX_MS);
    let note = Write::Put { key: seen, value: Vec::new(), expires_at: Some(expires_at) };
    register(kv, Some(operator), registration, Some(note), environment).await
}

/// Registers a client for the administrator.
pub(crate) async fn register_for_administrator(
    kv: &impl Kv,
    payload: &[u8],
    environment: &Environment<'_>,
) -> Result<Client, Problem> {
    register(kv, None, read(payload)?, None, environment).await
}

fn read(payload: &[u8]) -> Result<Registration, Problem> {
    serde_json::from_slice(payload)
        .map_err(|error| Problem::bad_request(format!("the registration is not the expected JSON: {error}")))
}

async fn register(
    kv: &impl Kv,
    operator: Option<&str>,
    registration: Registration,
    note: Option<Write>,
    environment: &Environment<'_>,
) -> Result<Client, Problem> {
    let mut checks = Vec::new();
    let answers_for = match (&registration.world, operator) {
        (Some(world), _) => {
            let (runs_it, check) = operator_of(kv, world).await?;
            checks.push(check);
            Some(runs_it)
        }
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Problem::forbidden(
                "a client of no world is a wallet: the administrator registers it",
            ));
        }
    };
    if operator.is_some_and(|operator| answers_for.as_deref() != Some(operator)) {
        return Err(Problem::forbidden("that is another operator's world"));
    }
    let client = client(registration, answers_for, environment)?;
    let key = client_key(&client.client_id);
    checks.push(Check::absent(key.clone()));
    let mut writes = vec![
        Write::put(key, serde_json::to_vec(&client).map_err(|_| Problem::internal())?),
        Write::put(client_of_key(client.owner(), &client.client_id), []),
        count(client.owner(), 1),
    ];
    if let Some(note) = note {
        if let Write::Put { key, .. } = &note {
            checks.push(Check::absent(key.clone()));
        }
        writes.push(note);
    }
    let event = Event::port(Kind::ClientRegistered).with("client", &client.client_id);
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(client),
        Outcome::OutOfBounds(_) => Err(refused("too-many-clients", "an operator has at most 64 clients")),
        _ => Err(refused("registration-replayed", "this registration was made, or the world has changed")),
    }
}

/// Who runs a world, and the check that this stays so.
async fn operator_of(kv: &impl Kv, world: &str) -> Result<(String, Check), Problem> {
    let name: WorldName = world.parse().map_err(|_| unknown_world())?;
    let key = directory::world_key(&name);
    let entry = kv.get(&key).await?.ok_or_else(unknown_world)?;
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok((world.operator, Check::unchanged(key, Some(&entry))))
}

fn unknown_world() -> Problem {
    refused("unknown-world", "no world of this name is registered here")
}

fn refused(slug: &'static str, detail: &str) -> Problem {
    Problem::new(http::StatusCode::CONFLICT, slug, "The client is not registered", detail)
}

fn unacceptable(detail: impl Into<String>) -> Problem {
    let status = http::StatusCode::UNPROCESSABLE_ENTITY;
    Problem::new(status, "client-unacceptable", "The client breaks a rule", detail)
}

/// Checks how a client gets tokens.
fn check_grants(registration: &Registration) -> Result<(), Problem> {
    let uses = |grant_type: GrantType| registration.grant_types.contains(&grant_type);
    let uses_code = uses(GrantType::AuthorizationCode);
    if !uses_code && !uses(GrantType::DeviceCode) && !uses(GrantType::PreAuthorizedCode) {
        return Err(unacceptable("grant_types has authorization_code, device_code or pre-authorized_code"));
    }
    if registration.redirect_uris.is_empty() == uses_code
        || registration.redirect_uris.len() > REDIRECT_URIS_MAX
    {
        let detail = format!("with authorization_code, redirect_uris has 1 to {REDIRECT_URIS_MAX} URIs");
        return Err(unacceptable(detail));
    }
    for uri in &registration.redirect_uris {
        redirect_uri::check(uri).map_err(|error| unacceptable(error.to_string()))?;
    }
    let is_wallet = registration.world.is_none();
    if uses(GrantType::PreAuthorizedCode) && !is_wallet {
        return Err(unacceptable("pre-authorized_code is for wallets, which are clients of no world"));
    }
    if is_wallet && !registration.dpop_bound_access_tokens {
        return Err(unacceptable("a wallet's tokens are bound to a key: dpop_bound_access_tokens is true"));
    }
    Ok(())
}

/// Checks what is asked for.
fn client(
    registration: Registration,
    operator: Option<String>,
    environment: &Environment<'_>,
) -> Result<Client, Problem> {
    let invalid = |detail: String| Err(unacceptable(detail));
    let client_name = registration.client_name.trim().to_owned();
    let length = client_name.chars().count();
    if !(1..=NAME_LENGTH_MAX).contains(&length) || client_name.chars().any(char::is_control) {
        return invalid(format!(
            "client_name has 1 to {NAME_LENGTH_MAX} characters and no control characters"
        ));
    }
    check_grants(&registration)?;
    let proves = registration.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
    let mut keys = registration.jwks.keys;
    if keys.is_empty() == proves || keys.len() > KEYS_MAX {
        return invalid(format!("with private_key_jwt, and only then, jwks has 1 to {KEYS_MAX} keys"));
    }
    for key in &mut keys {
        if key.to_key().is_err() || key.kid.as_ref().is_some_and(|kid| kid.len() > ID_LENGTH_MAX) {
            return invalid("each key is a P-256 public key with a short kid".to_owned());
        }
        let kid = key.thumbprint();
        key.kid.get_or_insert(kid);
    }
    Ok(Client {
        client_id: jose::encode(environment.random_bytes::<16>()),
        client_id_issued_at: environment.now_seconds(),
        world: registration.world,
        operator,
        client_name,
        redirect_uris: registration.redirect_uris,
        token_endpoint_auth_method: registration.token_endpoint_auth_method,
        jwks: Jwks { keys },
        grant_types: registration.grant_types,
        dpop_bound_access_tokens: registration.dpop_bound_access_tokens,
        require_pushed_authorization_requests: registration.require_pushed_authorization_requests,
    })
}

/// The client with an id, if it is good now.
pub(crate) async fn find(kv: &impl Kv, client_id: &str) -> Result<Option<Client>, OauthError> {
    let Some((client, _)) = load(kv, client_id).await? else { return Ok(None) };
    let Some(world) = &client.world else { return Ok(Some(client)) };
    let Ok(name) = world.parse::<WorldName>() else { return Ok(None) };
    let Some(entry) = kv.get(&directory::world_key(&name)).await? else { return Ok(None) };
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some(client).filter(|client| client.operator.as_ref() == Some(&world.operator)))
}

async fn load(kv: &impl Kv, client_id: &str) -> Result<Option<(Client, Entry)>, Problem> {
    if client_id.len() > ID_LENGTH_MAX {
        return Ok(None);
    }
    let Some(entry) = kv.get(&client_key(client_id)).await? else { return Ok(None) };
    let client = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((client, entry)))
}

/// A client as its operator, or the administrator, sees it.
pub(crate) async fn show(kv: &impl Kv, caller: &Caller, client_id: &str) -> Result<Client, Problem> {
    Ok(owned(kv, caller, client_id).await?.0)
}

/// Ends a client: it gets no more tokens, and its refresh tokens are worth nothing.
pub(crate) async fn delete(
    kv: &impl Kv,
    caller: &Caller,
    client_id: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let (client, entry) = owned(kv, caller, client_id).await?;
    let key = client_key(client_id);
    let writes = [
        Write::delete(key.clone()),
        Write::delete(client_of_key(client.owner(), client_id)),
        count(client.owner(), -1),
    ];
    let event = Event::port(Kind::ClientRemoved).with("client", client_id);
    let checks = [Check::unchanged(key, Some(&entry))];
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::not_found("no client of yours has this id").into()),
    }
}

async fn owned(kv: &impl Kv, caller: &Caller, client_id: &str) -> Result<(Client, Entry), Problem> {
    let found = load(kv, client_id).await?;
    let is_own = |client: &Client| match caller {
        Caller::Administrator => true,
        Caller::Operator { id } => client.operator.as_ref() == Some(id),
        _ => false,
    };
    found
        .filter(|(client, _)| is_own(client))
        .ok_or_else(|| Problem::not_found("no client of yours has this id"))
}

/// The clients of an operator, or a page of all of them, after an id.
pub(crate) async fn list(kv: &impl Kv, caller: &Caller, after: &str) -> Result<Vec<Client>, Problem> {
    let after: String = after.chars().take(ID_LENGTH_MAX).collect();
    let prefix = match caller {
        Caller::Operator { id } => client_of_key(id, ""),
        _ => client_key(""),
    };
    let mut range = KeyRange::prefix(prefix.clone());
    if !after.is_empty() {
        range.start = [prefix.as_slice(), after.as_bytes(), &[0]].concat();
    }
    let page = kv.scan(&range, PAGE_MAX, Direction::Forward).await?;
    let id = |key: &[u8]| String::from_utf8_lossy(key.get(prefix.len()..).unwrap_or_default()).into_owned();
    let keys: Vec<_> = page.items.iter().map(|item| client_key(&id(&item.key))).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let entries = kv.get_many(&keys).await?;
    let read = |entry: Entry| serde_json::from_slice(&entry.value).map_err(|_| Problem::internal());
    entries.into_iter().flatten().map(read).collect()
}

fn count(owner: &str, delta: i64) -> Write {
    let key = format!("auth/oauth/clients/{owner}").into_bytes();
    Write::Add { key, delta, minimum: 0, maximum: CLIENTS_MAX }
}

/// Where a client is kept. An id that is longer than any names nothing, and is cut so that the store
/// takes the key.
pub(crate) fn client_key(client_id: &str) -> Vec<u8> {
    let client_id: String = client_id.chars().take(ID_LENGTH_MAX).collect();
    format!("auth/oauth/client/{client_id}").into_bytes()
}

fn client_of_key(owner: &str, client_id: &str) -> Vec<u8> {
    format!("auth/oauth/client-of/{owner}/{client_id}").into_bytes()
}
