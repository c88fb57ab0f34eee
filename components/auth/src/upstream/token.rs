//! Exchanging a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

use super::metadata::Metadata;
use super::providers::{ClientAuthentication, Provider};
use super::{UpstreamError, ask};
use base64ct::{Base64, Encoding};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use vwp_core::outbound::Outbound;

/// What a code is exchanged with.
#[derive(Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) code: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: &'a str,
}

/// What it is exchanged for (OpenID Connect Core 1.0, section 3.1.3.3). Neither is kept.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) id_token: String,
    #[serde(default)]
    pub(super) access_token: Option<String>,
}

/// Exchanges a code.
pub(super) async fn exchange(
    outbound: &impl Outbound,
    (provider, metadata): (&Provider, &Metadata),
    grant: Grant<'_>,
) -> Result<Tokens, UpstreamError> {
    let what = &provider.name;
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("grant_type", "authorization_code");
    body.append_pair("code", grant.code);
    body.append_pair("redirect_uri", grant.redirect_uri);
    body.append_pair("code_verifier", grant.verifier);
    let mut request = Request::post(ask::uri(what, &metadata.token_endpoint)?)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let secret = provider.secret.as_deref().unwrap_or_default();
    match provider.authentication() {
        ClientAuthentication::ClientSecretBasic => {
            request = request.header(header::AUTHORIZATION, basic(&provider.client_id, secret));
        }
        ClientAuthentication::ClientSecretPost => {
            body.append_pair("client_id", &provider.client_id);
            body.append_pair("client_secret", secret);
        }
        ClientAuthentication::None => {
            body.append_pair("client_id", &provider.client_id);
        }
    }
    let answer = ask::send(outbound, what, request.body(body.finish().into_bytes())).await?;
    match answer.status() {
        StatusCode::OK => serde_json::from_slice(answer.body())
            .map_err(|_| ask::failed(what, "it exchanges a code for no ID Token")),
        // RFC 6749, section 5.2: a code that it does not know, or not for this verifier.
        StatusCode::BAD_REQUEST => Err(UpstreamError::Refused),
        status => Err(ask::failed(what, &format!("it does not exchange a code and answers {status}"))),
    }
}

/// RFC 6749, section 2.3.1: both are escaped as in a form first.
fn basic(client_id: &str, secret: &str) -> String {
    let escaped = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", escaped(client_id), escaped(secret));
    format!("Basic {}", Base64::encode_string(pair.as_bytes()))
}
