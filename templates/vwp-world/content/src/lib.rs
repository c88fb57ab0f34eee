//! A world that lets in who has a passport of the port.
//!
//! `GET /` tells the world's name and a nonce. `POST /entries` takes a passport that was presented for that nonce,
//! and says who came in. What is done with travellers from there on is up to you.

mod nonce;

use bindings::vwp::auth::types::Expectation;
use bindings::vwp::auth::verifier;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use spin_sdk::http::{IntoResponse, Request, Response, StatusCode};
use spin_sdk::{http_service, variables};
use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package example:server;
            world server {
                import vwp:auth/verifier@0.1.0;
            }
        ",
        path: "wit/vwp-auth",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

/// The longest body that is read, in bytes: a presentation has at most 32,768.
const BODY_LENGTH_MAX: usize = 65_536;
/// The longest key set that is read, in bytes: the longest that the verifier takes.
const KEYS_LENGTH_MAX: usize = 524_288;

/// A traveller who wants to come in.
#[derive(Deserialize)]
struct Entrant {
    /// The nonce that the traveller was given.
    nonce: String,
    /// The passport, presented to this world for that nonce.
    presentation: String,
}

/// A request that is refused: its status, and why.
struct Refusal(StatusCode, String);

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (status, body) = match answer(request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(Refusal(status, why)) => (status, json!({ "error": why })),
    };
    Response::builder().status(status).header("content-type", "application/json").body(body.to_string())
}

async fn answer(request: Request) -> Result<Value, Refusal> {
    let (head, body) = request.into_parts();
    match (head.method.as_str(), head.uri.path()) {
        ("GET", "/") => {
            let nonce = nonce::make(setting("nonce_secret").await?.as_bytes(), now() / 1000);
            Ok(json!({ "world": setting("world").await?, "nonce": nonce }))
        }
        ("POST", "/entries") => {
            let body = Limited::new(body, BODY_LENGTH_MAX).collect().await;
            let body = body.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?.to_bytes();
            let entrant = serde_json::from_slice(&body);
            enter(entrant.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?).await
        }
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there is no such place".to_owned())),
    }
}

/// Lets in who presents a passport for this world.
async fn enter(entrant: Entrant) -> Result<Value, Refusal> {
    let secret = setting("nonce_secret").await?;
    if !nonce::is_fresh(secret.as_bytes(), &entrant.nonce, now() / 1000) {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "present the passport for a nonce of GET /".to_owned()));
    }
    let port = setting("port").await?;
    let keys = keys(&port).await?;
    let expected =
        Expectation { issuer: port, audience: setting("world").await?, nonce: entrant.nonce, now: now() };
    let passport = verifier::verify(&entrant.presentation, &keys, &expected)
        .map_err(|refusal| Refusal(StatusCode::UNAUTHORIZED, refusal.reason))?;
    // What the port calls the traveller here, and at no other world.
    let Some(subject) = passport.subject else {
        return Err(Refusal(StatusCode::UNAUTHORIZED, "the passport is not a copy for this world".to_owned()));
    };
    Ok(json!({ "subject": subject, "handle": passport.handle }))
}

/// The port's public keys.
async fn keys(port: &str) -> Result<String, Refusal> {
    let url = format!("{}/.well-known/jwks.json", port.trim_end_matches('/'));
    let answer = spin_sdk::http::get(&url).await.map_err(|error| unavailable(&url, error))?;
    if answer.status() != StatusCode::OK {
        return Err(unavailable(&url, answer.status()));
    }
    let body = Limited::new(answer.into_body(), KEYS_LENGTH_MAX).collect().await;
    let body = body.map_err(|error| unavailable(&url, error))?;
    String::from_utf8(body.to_bytes().into()).map_err(|error| unavailable(&url, error))
}

async fn setting(name: &str) -> Result<String, Refusal> {
    variables::get(name).await.map_err(|error| unavailable(name, error))
}

/// What somebody who asks cannot mend. The cause is for the log.
fn unavailable(what: &str, cause: impl Display) -> Refusal {
    eprintln!("{what}: {cause}");
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "try again later".to_owned())
}

/// Milliseconds since 1970-01-01T00:00:00Z.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
