//! Grants: what a traveller gave a client, from the first token to the last. All tokens that follow
//! from one code are one family, and end together.
//!
//! A refresh token is the secret name of its grant and a secret of its own. Only the last one is
//! good; each use makes the next one. An older one shows that two have it, of whom one is a thief,
//! and as nobody can tell which one, the family ends (RFC 9700, section 4.14.2).

use super::clients::{Client, GrantType};
use super::error::OauthError;
use super::params::Params;
use super::scope::{self, Scope};
use super::tokens::{self, For, Tokens};
use super::{hashed, quota, secret};
use crate::audit::{self, Event, Kind};
use crate::keys;
use crate::openid4vci::details::Details;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, directory, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// How long a refresh token is good, in milliseconds.
pub(crate) const IDLE_MS: u64 = 14 * 24 * 60 * 60 * 1000;
/// How long a family lasts at most, in milliseconds.
pub(crate) const LIFETIME_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// How many grants a traveller has at once; the oldest one ends.
const GRANTS_MAX: u32 = 100;
/// The bytes of a refresh token: the grant's name and the secret.
const NAME_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// How often a refresh is tried when the grant changes at the same time.
const TRIES_MAX: usize = 2;

/// What a traveller granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Access {
    /// The traveller.
    pub(crate) traveller: String,
    /// What for.
    pub(crate) scopes: Vec<Scope>,
    /// When the traveller proved who it is, in seconds.
    pub(crate) auth_time: u64,
    /// How (RFC 8176).
    pub(crate) amr: Vec<String>,
    /// The passports that were asked for with `authorization_details`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passports: Option<Details>,
}

/// A grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) client_name: String,
    /// The client's world; none if it is a wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) world: Option<String>,
    pub(crate) access: Access,
    pub(crate) jkt: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// The hash of the secret of the last refresh token, if there is one.
    refresh: Option<String>,
}

/// A grant that is about to be opened.
pub(crate) struct Granted {
    /// Under which name it will be kept.
    pub(crate) grant: String,
    /// The writes that open it.
    pub(crate) writes: Vec<Write>,
    /// Its first tokens.
    pub(crate) tokens: Tokens,
}

/// Makes a grant with its first tokens. Nothing is there until its writes are committed.
pub(crate) async fn open(
    kv: &impl Kv,
    client: &Client,
    access: Access,
    nonce: Option<String>,
    jkt: Option<String>,
    environment: &Environment<'_>,
) -> Result<Granted, OauthError> {
    require_traveller(kv, &access.traveller).await?;
    let name = environment.random_bytes::<NAME_BYTES>();
    let id = hashed(name);
    let what = For { client, grant: &id, access: &access, scopes: &access.scopes, nonce, jkt: jkt.clone() };
    let (mut tokens, kept) = tokens::make(kv, what, environment).await?;
    let mut writes = vec![kept];
    for item in quota::surplus(kv, &grants_prefix(&access.traveller), GRANTS_MAX).await? {
        let id = String::from_utf8_lossy(&item.entry.value).into_owned();
        writes.extend([Write::delete(item.key), Write::delete(grant_key(&id))]);
    }
    let is_kept = access.scopes.contains(&Scope::OfflineAccess)
        && client.grant_types.contains(&GrantType::RefreshToken);
    let lifetime_ms = if is_kept { IDLE_MS } else { tokens::LIFETIME_S * 1000 };
    let mut grant = Grant {
        client_id: client.client_id.clone(),
        client_name: client.client_name.clone(),
        world: client.world.clone(),
        access,
        jkt,
        created_at: environment.now,
        expires_at: environment.now.saturating_add(lifetime_ms),
        refresh: None,
    };
    if is_kept {
        tokens.refresh_token = Some(next_refresh_token(&mut grant, &name, environment));
    }
    writes.extend(puts(&id, &grant)?);
    Ok(Granted { grant: id, writes, tokens })
}

/// Gives out new tokens for a refresh token (RFC 6749, section 6).
pub(crate) async fn refresh(
    kv: &impl Kv,
    client: &Client,
    params: &Params,
    jkt: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Tokens, OauthError> {
    let refused = OauthError::Grant("the refresh token is not good, was used, or has ended");
    let token = params.need("refresh_token", "refresh_token is missing")?;
    let (name, secret) = split(token).ok_or(refused.clone())?;
    let id = hashed(&name);
    for _ in 0..TRIES_MAX {
        // The grant, and what signing takes.
        kv.ahead(&[grant_key(&id), secret::PATH.into(), keys::KEYRING.into()]).await?;
        let (mut grant, entry) = load(kv, &id).await?.ok_or(refused.clone())?;
        if grant.client_id != client.client_id {
            return Err(refused);
        }
        if !is_last(&grant, &secret) {
            // RFC 9700, section 4.14.2: somebody else has a copy, and nobody knows who is who.
            end_reused(kv, &id, environment).await?;
            return Err(refused);
        }
        // RFC 9449, section 5: what a public client got is good with its key alone.
        if client.is_public() && grant.jkt.as_deref() != jkt {
            return Err(OauthError::DpopProof("the refresh token is bound to another key"));
        }
        require_traveller(kv, &grant.access.traveller).await?;
        let scopes = narrowed(&grant.access.scopes, params.get("scope"))?;
        let what = For {
            client,
            grant: &id,
            access: &grant.access.clone(),
            scopes: &scopes,
            nonce: None,
            jkt: jkt.map(str::to_owned),
        };
        let (mut tokens, kept) = tokens::make(kv, what, environment).await?;
        tokens.refresh_token = Some(next_refresh_token(&mut grant, &name, environment));
        let last = grant.created_at.saturating_add(LIFETIME_MS);
        grant.expires_at = environment.now.saturating_add(IDLE_MS).min(last);
        let mut writes = puts(&id, &grant)?;
        writes.push(kept);
        let check = Check::unchanged(grant_key(&id), Some(&entry));
        if let Outcome::Committed(_) = kv.commit(&[check], &writes).await? {
            return Ok(tokens);
        }
        // Somebody else used it at the same time: the next round finds that it is not the last.
    }
    Err(refused)
}

/// Ends a family: no token of it is good from now on.
pub(crate) async fn revoke(kv: &impl Kv, id: &str) -> Result<(), OauthError> {
    let Some((grant, _)) = load(kv, id).await? else { return Ok(()) };
    match kv.commit(&[], &ends(id, &grant)).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// Ends a family of which a code or a token was used a second time, and tells the traveller.
pub(crate) async fn end_reused(
    kv: &impl Kv,
    id: &str,
    environment: &Environment<'_>,
) -> Result<(), OauthError> {
    let Some((grant, _)) = load(kv, id).await? else { return Ok(()) };
    let event = Event::traveller(Kind::TokenReused, &grant.access.traveller).with("client", &grant.client_id);
    match audit::commit(kv, &event, &[], &ends(id, &grant), environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// The writes that end a family.
pub(crate) fn ends(id: &str, grant: &Grant) -> Vec<Write> {
    vec![Write::delete(grant_key(id)), Write::delete(grant_of_key(id, grant))]
}

/// The grant that a refresh token of a client is of, whether it is the last one or not.
pub(crate) async fn of_refresh_token(
    kv: &impl Kv,
    client: &Client,
    token: &str,
) -> Result<Option<String>, OauthError> {
    let Some((name, _)) = split(token) else { return Ok(None) };
    let id = hashed(name);
    let found = load(kv, &id).await?.filter(|(grant, _)| grant.client_id == client.client_id);
    Ok(found.map(|_| id))
}

/// The grants of a traveller with their ids, oldest first.
pub(crate) async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<(String, Grant)>, OauthError> {
    let range = KeyRange::prefix(grants_prefix(traveller));
    let page = kv.scan(&range, 2 * GRANTS_MAX, Direction::Forward).await?;
    let ids: Vec<String> =
        page.items.iter().map(|item| String::from_utf8_lossy(&item.entry.value).into_owned()).collect();
    let mut grants = Vec::new();
    for id in ids {
        if let Some((grant, _)) = load(kv, &id).await? {
            grants.push((id, grant));
        }
    }
    Ok(grants)
}

/// A grant that is there.
pub(crate) async fn load(kv: &impl Kv, id: &str) -> Result<Option<(Grant, Entry)>, OauthError> {
    let Some(entry) = kv.get(&grant_key(id)).await? else { return Ok(None) };
    let grant = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((grant, entry)))
}

/// Who erased the account gets no more tokens.
async fn require_traveller(kv: &impl Kv, traveller: &str) -> Result<(), OauthError> {
    match kv.get(&directory::traveller_key(traveller)).await? {
        Some(_) => Ok(()),
        None => Err(OauthError::Grant("there is no such traveller any more")),
    }
}

/// RFC 6749, section 6: the scope of a refresh is at most what was granted.
fn narrowed(granted: &[Scope], asked: Option<&str>) -> Result<Vec<Scope>, OauthError> {
    let Some(asked) = asked else { return Ok(granted.to_vec()) };
    let scopes = scope::parse(asked)?;
    if scopes.iter().all(|scope| granted.contains(scope)) { Ok(scopes) } else { Err(OauthError::Scope) }
}

fn is_last(grant: &Grant, secret: &[u8]) -> bool {
    let expected = grant.refresh.as_deref().unwrap_or_default();
    bool::from(hashed(secret).as_bytes().ct_eq(expected.as_bytes()))
}

fn next_refresh_token(grant: &mut Grant, name: &[u8], environment: &Environment<'_>) -> String {
    let secret = environment.random_bytes::<SECRET_BYTES>();
    grant.refresh = Some(hashed(secret));
    jose::encode([name, &secret].concat())
}

fn split(token: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    if token.len() > 2 * (NAME_BYTES + SECRET_BYTES) {
        return None;
    }
    let bytes = jose::decode(token).ok()?;
    let (name, secret) = bytes.split_at_checked(NAME_BYTES)?;
    (secret.len() == SECRET_BYTES).then(|| (name.to_vec(), secret.to_vec()))
}

fn puts(id: &str, grant: &Grant) -> Result<Vec<Write>, Problem> {
    let expires_at = Some(grant.expires_at);
    let value = serde_json::to_vec(grant).map_err(|_| Problem::internal())?;
    Ok(vec![
        Write::Put { key: grant_key(id), value, expires_at },
        Write::Put { key: grant_of_key(id, grant), value: id.as_bytes().to_vec(), expires_at },
    ])
}

fn grant_key(id: &str) -> Vec<u8> {
    format!("auth/oauth/grant/{id}").into_bytes()
}

fn grants_prefix(traveller: &str) -> String {
    format!("auth/oauth/grant-of/{traveller}/")
}

fn grant_of_key(id: &str, grant: &Grant) -> Vec<u8> {
    format!("{}{:016x}-{id}", grants_prefix(&grant.access.traveller), grant.created_at).into_bytes()
}
