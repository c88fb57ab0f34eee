//! A world asks: it proves who it is as at introspection, says what it wants to see, and gets a link
//! that calls a wallet.

use super::certificate::Certified;
use super::encryption::RequestKey;
use super::transaction::{self, AWAITED_MS, Transaction};
use super::{DIRECT_POST, DIRECT_POST_JWT, REQUESTS_PATH};
use crate::provider::error::OauthError;
use crate::provider::params::Params;
use crate::provider::quota::Quota;
use crate::provider::{client_auth, clients, redirect_uri, url};
use ::http::{Request, Response, StatusCode};
use serde_json::json;
use vwp_core::{Environment, Problem, jose, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome};
use vwp_verifier::dcql::Query;

/// The longest form, in bytes: a query of the greatest length takes three bytes for each of its own.
const FORM_LENGTH_MAX: usize = 65_536;
/// How wallets are called, where nothing else is known of them (section 13.1.2).
const SCHEME: &str = "openid4vp://";
/// How many transactions a world begins in the time that one is kept; so twice as many are kept.
const QUOTA: Quota = Quota { name: "presentation", count_max: 512, window_ms: 5 * 60 * 1000 };

/// Begins a transaction.
pub(super) async fn begin(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form_within(request, FORM_LENGTH_MAX)?;
    let client = client_auth::authenticate_confidential(kv, &params, environment).await?;
    let world = client.world.clone().ok_or(OauthError::UnauthorisedClient(
        "worlds ask for presentations; a client of no world is a wallet",
    ))?;
    let query = params.need("dcql_query", "dcql_query is missing")?;
    Query::parse(query).map_err(OauthError::Query)?;
    let redirect_uri = params.get("redirect_uri");
    if redirect_uri.is_some_and(|given| !is_registered(&client, given)) {
        return Err(OauthError::Request("redirect_uri is not one that the client registered"));
    }
    let certified = Certified::given(environment)?;
    let is_encrypted = match params.get("response_mode") {
        // A wallet need not be able to encrypt (section 8.3), and nobody knows yet which one will answer. One that
        // wants a certificate is able to, and wants this as well (HAIP 1.0, section 5.1).
        None => certified.is_some(),
        Some(DIRECT_POST) => false,
        Some(DIRECT_POST_JWT) => true,
        Some(_) => return Err(OauthError::Request("response_mode is direct_post or direct_post.jwt")),
    };
    if !QUOTA.take(kv, &world, environment).await? {
        return Err(OauthError::Busy);
    }
    let transaction_id = jose::encode(environment.random_bytes::<32>());
    let state = transaction::state_of(kv, &transaction_id, environment).await?;
    let request_key = is_encrypted.then(|| RequestKey::generate(&state, environment)).transpose()?;
    let transaction = Transaction::new(client, world, (query, redirect_uri), environment);
    let transaction = transaction.encrypted_to(request_key).asked_under(certified.as_ref());
    let client_id = transaction.client_id(environment)?;
    let key = transaction::key(&transaction::name(&state));
    let put = transaction.put(key.clone())?;
    let Outcome::Committed(_) = kv.commit(&[Check::absent(key)], &[put]).await? else {
        return Err(Problem::internal().into());
    };
    let request_uri = url(&format!("{REQUESTS_PATH}{state}"), environment);
    let mut link = form_urlencoded::Serializer::new(String::new());
    link.append_pair("client_id", &client_id).append_pair("request_uri", &request_uri);
    // Section 5.10: a wallet that knows no such method gets the request all the same.
    link.append_pair("request_uri_method", "post");
    let answer = json!({
        "transaction_id": transaction_id,
        "client_id": client_id,
        "request_uri": request_uri,
        "link": format!("{SCHEME}?{}", link.finish()),
        "expires_in": AWAITED_MS / 1000,
        "result_uri": url(super::RESULT_PATH, environment),
    });
    Ok(super::http::private(reply::json(StatusCode::CREATED, &answer)))
}

/// Whether a browser may be sent to a place of the client's. A place that brings a response code along
/// would have two of them.
fn is_registered(client: &clients::Client, given: &str) -> bool {
    let has_code = given.contains("response_code=");
    !has_code && client.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, given))
}
