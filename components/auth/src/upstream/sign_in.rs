//! A sign-in with an account at another provider, from its beginning to its end.

use super::browser::Browser;
use super::id_token::{self, Expected};
use super::metadata::{self, Metadata};
use super::providers::{self, Provider};
use super::registrations::{self, Account};
use super::token::{self, Grant};
use super::transactions::{self, Transaction};
use super::{UpstreamError, ask, keys, links};
use crate::audit;
use crate::error::AuthError;
use crate::limits::Client;
use crate::sign_ins::SignedIn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, jose};
use vwp_storage::Kv;

/// The path to which providers send browsers back, before the provider's name. Each has its own, so
/// that no provider can pass its answer off as another one's (RFC 9700, section 4.4.2.2).
pub const RETURN: &str = "/signin/upstream/";
/// The longest code, in bytes.
const CODE_LENGTH_MAX: usize = 4096;

/// Where a browser is sent to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Begun {
    /// The provider's URL.
    pub authorization_url: String,
    /// Seconds until the sign-in ends.
    pub expires_in: u64,
}

/// What a provider sent a browser back with (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    /// The provider to whose path the browser came back.
    pub provider: String,
    /// The sign-in.
    pub state: String,
    /// What is exchanged for an ID Token.
    #[serde(default)]
    pub code: Option<String>,
    /// Who says that it answers.
    #[serde(default)]
    pub iss: Option<String>,
    /// Why there is no code.
    #[serde(default)]
    pub error: Option<String>,
}

/// What became of a sign-in.
pub enum Ended {
    /// A traveller is signed in.
    SignedIn(SignedIn),
    /// The account is nobody's yet.
    Unknown {
        /// What signs up with it, or links it.
        registration: String,
        /// The provider.
        provider: Provider,
    },
}

/// Begins a sign-in in a browser.
pub async fn begin(
    kv: &impl Kv,
    outbound: &impl Outbound,
    provider: &str,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<Begun, AuthError> {
    let provider = providers::named(environment.settings, provider)?;
    let metadata = metadata::of(kv, outbound, &provider, environment).await?;
    let mut url = Url::parse(&metadata.authorization_endpoint)
        .map_err(|_| ask::failed(&provider.name, "its authorization endpoint is no URL"))?;
    let state = transactions::begin(kv, &provider, browser, environment).await?;
    // RFC 7636, section 4.2.
    let challenge = jose::encode(Sha256::digest(browser.verifier(&state).as_bytes()));
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &redirect_uri(&provider, environment))
        .append_pair("scope", &provider.scope)
        .append_pair("state", &state)
        .append_pair("nonce", &browser.nonce(&state))
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(Begun { authorization_url: url.into(), expires_in: transactions::LIFETIME_S })
}

/// Ends a sign-in with what the provider sent the browser back with.
pub async fn end(
    kv: &impl Kv,
    outbound: &impl Outbound,
    returned: &Returned,
    (browser, client): (&Browser, &Client),
    environment: &Environment<'_>,
) -> Result<Ended, AuthError> {
    // Before anybody is asked, so that the code of this sign-in is exchanged once.
    let transaction = transactions::take(kv, &returned.state, browser, environment).await?;
    let account = match prove(kv, outbound, returned, &transaction, browser, environment).await {
        Ok(account) => account,
        Err(refusal) => {
            if is_refusal(&refusal) {
                audit::sign_in_failed(kv, None, &transaction.provider, links::METHOD, environment).await?;
            }
            return Err(refusal);
        }
    };
    if let Some(signed_in) = links::sign_in(kv, &account, client, environment).await? {
        return Ok(Ended::SignedIn(signed_in));
    }
    let provider = providers::named(environment.settings, &account.provider)?;
    let registration = registrations::begin(kv, account, browser, environment).await?;
    Ok(Ended::Unknown { registration, provider })
}

/// Finds out whose account it is.
async fn prove(
    kv: &impl Kv,
    outbound: &impl Outbound,
    returned: &Returned,
    transaction: &Transaction,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<Account, AuthError> {
    let provider = providers::named(environment.settings, &transaction.provider)?;
    if provider.issuer != transaction.issuer || provider.client_id != transaction.client_id {
        return Err(UpstreamError::Ended.into());
    }
    let metadata = metadata::of(kv, outbound, &provider, environment).await?;
    require_sender(returned, &provider, &metadata)?;
    let code =
        returned.code.as_deref().filter(|code| returned.error.is_none() && code.len() <= CODE_LENGTH_MAX);
    let grant = Grant {
        code: code.ok_or(UpstreamError::Refused)?,
        redirect_uri: &redirect_uri(&provider, environment),
        verifier: &browser.verifier(&returned.state),
    };
    let tokens = token::exchange(outbound, (&provider, &metadata), grant).await?;
    let payload = keys::verify(kv, outbound, (&provider, &metadata), &tokens.id_token, environment).await?;
    let expected = Expected {
        issuer: &provider.issuer,
        client_id: &provider.client_id,
        trusted_audiences: &provider.trusted_audiences,
        nonce: &browser.nonce(&returned.state),
        access_token: tokens.access_token.as_deref(),
        now: environment.now,
    };
    let subject = id_token::subject(&payload, &expected).map_err(UpstreamError::from)?;
    Ok(Account { provider: provider.name, issuer: provider.issuer, subject })
}

/// Requires that the answer is from the provider that was asked (RFC 9207, section 2.4; RFC 9700,
/// section 4.4.2).
fn require_sender(
    returned: &Returned,
    provider: &Provider,
    metadata: &Metadata,
) -> Result<(), UpstreamError> {
    let is_named = match &returned.iss {
        Some(iss) => iss.as_bytes().ct_eq(provider.issuer.as_bytes()).into(),
        None => !metadata.authorization_response_iss_parameter_supported,
    };
    if is_named && returned.provider == provider.name { Ok(()) } else { Err(UpstreamError::MixedUp) }
}

/// Whether it is an attempt that was refused, and not one that nobody could have made.
fn is_refusal(error: &AuthError) -> bool {
    let AuthError::Upstream(error) = error else { return false };
    matches!(
        error,
        UpstreamError::Refused
            | UpstreamError::MixedUp
            | UpstreamError::Signature(_)
            | UpstreamError::IdToken(_)
    )
}

/// Where a provider sends browsers back to. It is registered there to the letter (RFC 9700, section
/// 2.1).
pub fn redirect_uri(provider: &Provider, environment: &Environment<'_>) -> String {
    format!("{}{RETURN}{}", environment.settings.issuer.trim_end_matches('/'), provider.name)
}
