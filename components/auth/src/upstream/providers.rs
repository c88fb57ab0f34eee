//! Which providers the deployment configured: a JSON list in one variable, and their secrets in
//! another one.

use super::UpstreamError;
use super::jws::Algorithm;
use crate::error::AuthError;
use crate::options::{given, misconfigured};
use serde::Deserialize;
use std::collections::BTreeMap;
use url::{Host, Url};
use vwp_core::environment::Settings;

/// The option with the providers: a JSON list of objects.
pub const PROVIDERS: &str = "upstream_providers";
/// The option with their secrets: a JSON object from a provider's name to its client's secret.
pub const SECRETS: &str = "upstream_secrets";
/// The most providers.
pub const PROVIDERS_MAX: usize = 16;
/// The longest name of a provider, in bytes.
const NAME_LENGTH_MAX: usize = 32;
/// The longest of any other text of a provider, in bytes.
const TEXT_LENGTH_MAX: usize = 512;

/// How the port proves to a provider who it is (OpenID Connect Core 1.0, section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// With its secret, in `Authorization`.
    ClientSecretBasic,
    /// With its secret, in the body.
    ClientSecretPost,
    /// Not at all: a public client.
    None,
}

/// A provider.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What it is called in URLs: lower-case letters, digits and hyphens.
    pub name: String,
    /// What it is called on the page; without one, its name.
    #[serde(default)]
    pub title: Option<String>,
    /// Its issuer, to the letter as it names itself.
    pub issuer: String,
    /// What it calls this port.
    pub client_id: String,
    /// How the port proves who it is. The default is `client_secret_basic`, and `none` for a provider
    /// without a secret.
    #[serde(default)]
    pub token_endpoint_auth_method: Option<ClientAuthentication>,
    /// The algorithm that it signs ID Tokens with. No other one is believed.
    #[serde(default)]
    pub id_token_signed_response_alg: Algorithm,
    /// What is asked for. The subject is all that is used, so the default is `openid` alone.
    #[serde(default = "openid")]
    pub scope: String,
    /// Who else an ID Token may be for.
    #[serde(default)]
    pub trusted_audiences: Vec<String>,
    /// The client's secret.
    #[serde(skip)]
    pub secret: Option<String>,
}

fn openid() -> String {
    "openid".to_owned()
}

impl Provider {
    /// What a person calls it.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// How the port proves who it is.
    pub fn authentication(&self) -> ClientAuthentication {
        self.token_endpoint_auth_method.unwrap_or(match self.secret {
            Some(_) => ClientAuthentication::ClientSecretBasic,
            None => ClientAuthentication::None,
        })
    }

    /// Whether a URL is one that this provider may name as its own: over TLS, or on this machine if
    /// the provider itself is there.
    pub fn may_name(&self, text: &str) -> bool {
        let (Ok(issuer), Ok(url)) = (Url::parse(&self.issuer), Url::parse(text)) else { return false };
        let is_plain = text.len() <= TEXT_LENGTH_MAX && url.username().is_empty() && url.password().is_none();
        let is_close = url.scheme() == "https" || issuer.scheme() == "http";
        is_plain && url.fragment().is_none() && is_close && is_secure(&url)
    }

    /// What is wrong with it, if anything is.
    fn fault(&self) -> Option<&'static str> {
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let texts = [&self.issuer, &self.client_id, &self.scope];
        let texts = texts.into_iter().chain(&self.title).chain(&self.trusted_audiences);
        if self.name.is_empty() || self.name.len() > NAME_LENGTH_MAX || !self.name.bytes().all(is_name) {
            Some("a name has lower-case letters, digits and hyphens, at most 32")
        } else if texts.into_iter().any(|text| text.is_empty() || text.len() > TEXT_LENGTH_MAX) {
            Some("a text is empty, or longer than 512 bytes")
        } else if !self.may_name(&self.issuer) || self.issuer.contains('?') {
            // OpenID Connect Discovery 1.0, section 3: https, without query and fragment.
            Some("an issuer is not a URL with https, or on this machine")
        } else if !self.scope.split(' ').any(|scope| scope == "openid") {
            Some("a scope lacks openid")
        } else if self.secret.is_none() && self.authentication() != ClientAuthentication::None {
            Some("a secret is missing")
        } else {
            None
        }
    }
}

/// All providers, in the order of the configuration.
pub fn all(settings: &Settings) -> Result<Vec<Provider>, AuthError> {
    let Some(text) = given(settings, PROVIDERS) else { return Ok(Vec::new()) };
    let mut providers: Vec<Provider> =
        serde_json::from_str(text).map_err(|_| misconfigured(PROVIDERS, "is not the expected JSON"))?;
    if providers.len() > PROVIDERS_MAX {
        return Err(misconfigured(PROVIDERS, "names more than 16 providers").into());
    }
    let mut secrets: BTreeMap<String, String> = match given(settings, SECRETS) {
        Some(text) => {
            serde_json::from_str(text).map_err(|_| misconfigured(SECRETS, "is not an object of texts"))?
        }
        None => BTreeMap::new(),
    };
    for provider in &mut providers {
        provider.secret = secrets.remove(&provider.name);
    }
    if !secrets.is_empty() {
        return Err(
            misconfigured(SECRETS, "has a secret of no provider, or of one that is named twice").into()
        );
    }
    match providers.iter().find_map(Provider::fault) {
        Some(fault) => Err(misconfigured(PROVIDERS, fault).into()),
        None => Ok(providers),
    }
}

/// The provider with a name.
pub fn named(settings: &Settings, name: &str) -> Result<Provider, AuthError> {
    let found = all(settings)?.into_iter().find(|provider| provider.name == name);
    Ok(found.ok_or(UpstreamError::NoProvider)?)
}

/// Whether what is sent to a URL stays between the two ends: over TLS, or on this machine.
pub(super) fn is_secure(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_here,
        _ => false,
    }
}
