//! Travellers, their sessions and their passports.
//!
//! - [`handle`] and [`password`]: what a traveller signs in with.
//! - [`accounts`] and [`attempts`]: signing up, signing in, and how often one may fail.
//! - [`sessions`]: access tokens, and their end.
//! - [`passports`]: issuing a credential that is bound to the traveller's key.
//! - [`verify`]: believing one, which needs the issuer's public keys and nothing else.
//! - [`sd_jwt`] and [`strict_json`]: the format of passports.
//! - [`keys`]: the issuer's keys, and how others find them.
//! - [`audit`]: what happened, in chains that show if an entry was changed.
//! - [`data`]: what a traveller may ask for: everything that is kept, or that nothing is.
//! - [`http`]: the same functions as HTTP resources.
//! - [`error`]: every refusal, and the problem that it becomes.

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod data;
pub mod error;
pub mod handle;
pub mod http;
pub mod keys;
pub mod passports;
pub mod password;
pub mod sd_jwt;
pub mod sessions;
pub mod strict_json;
pub mod verify;

pub use error::AuthError;

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macros generate it")]

    use crate::{AuthError, accounts, http, passports, sessions, verify};
    use bindings::exports::vwp::auth::{accounts as accounts_api, passports as passports_api, verifier};
    use bindings::vwp::auth::types;
    use vwp_core::{Environment, Problem};
    use vwp_guest::http_types::{ErrorCode, Request, Response};
    use vwp_guest::{HttpHandler, Store};

    mod bindings {
        #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
        spin_sdk::wit_bindgen::generate!({
            path: "../../wit/auth",
            world: "auth",
            runtime_path: "::spin_sdk::wit_bindgen::rt",
            generate_all,
        });
    }

    struct Component;
    bindings::export!(Component with_types_in bindings);

    spin_sdk::wasip3::http::service::export!(Component);

    impl HttpHandler for Component {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            vwp_guest::serve(request, async |environment, request| {
                http::handle(&Store, environment, request).await
            })
            .await
        }
    }

    /// Runs a call with the settings; a fault of the settings is the call's error.
    async fn call<T>(
        call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, AuthError>,
    ) -> Result<T, types::Error> {
        let answer = vwp_guest::environment(async |environment| Ok(call(environment).await)).await;
        Ok(answer.map_err(AuthError::from).flatten()?)
    }

    impl accounts_api::Guest for Component {
        async fn sign_up(credentials: types::Credentials) -> Result<types::Traveller, types::Error> {
            let types::Credentials { handle, password } = credentials;
            let traveller =
                call(async |environment| accounts::sign_up(&Store, &handle, &password, environment).await)
                    .await?;
            Ok(types::Traveller {
                id: traveller.id,
                handle: traveller.handle,
                created_at: traveller.created_at,
            })
        }

        async fn sign_in(credentials: types::Credentials) -> Result<types::Session, types::Error> {
            let types::Credentials { handle, password } = credentials;
            let session =
                call(async |environment| accounts::sign_in(&Store, &handle, &password, environment).await)
                    .await?;
            Ok(types::Session {
                access_token: session.access_token,
                expires_in_s: session.expires_in,
                traveller: session.traveller,
            })
        }

        async fn sign_out(access_token: String) -> Result<(), types::Error> {
            call(async |environment| {
                let (_, session) = sessions::authenticate(&Store, &access_token, environment).await?;
                sessions::sign_out(&Store, &session, environment).await
            })
            .await
        }
    }

    impl passports_api::Guest for Component {
        async fn issue(access_token: String, proof: String) -> Result<types::Issued, types::Error> {
            let issued = call(async |environment| {
                let (traveller, _) = sessions::authenticate(&Store, &access_token, environment).await?;
                passports::issue(&Store, &traveller, &proof, environment).await
            })
            .await?;
            Ok(types::Issued { passport: issued.passport, expires_at: issued.expires_at })
        }
    }

    impl verifier::Guest for Component {
        fn verify(
            presentation: String,
            keys: String,
            expectation: types::Expectation,
        ) -> Result<types::Passport, types::Refusal> {
            let expected = verify::Expected {
                issuer: &expectation.issuer,
                audience: &expectation.audience,
                nonce: &expectation.nonce,
                now: expectation.now,
            };
            let passport = verify::verify_offline(&presentation, &keys, &expected)
                .map_err(|error| types::Refusal { reason: error.slug().into(), detail: error.to_string() })?;
            Ok(types::Passport {
                traveller: passport.traveller,
                handle: passport.handle,
                holder: passport.holder,
                expires_at: passport.expires_at_s.saturating_mul(1000),
                claims: serde_json::Value::Object(passport.claims).to_string(),
            })
        }
    }

    impl From<AuthError> for types::Error {
        fn from(error: AuthError) -> Self {
            match error {
                AuthError::HandleTaken => Self::HandleTaken,
                AuthError::TooManyAttempts { retry_after_s } => Self::Throttled(retry_after_s),
                error => {
                    let problem = Problem::from(error);
                    let refusal =
                        types::Refusal { reason: problem.slug.into(), detail: problem.detail.clone() };
                    match problem.status.as_u16() {
                        401 => Self::Unauthorised(refusal),
                        503 if problem.slug == "outcome-unknown" => Self::Unknown(problem.detail),
                        503 => Self::Unavailable(problem.detail),
                        500.. => Self::Internal,
                        _ => Self::Refused(refusal),
                    }
                }
            }
        }
    }
}
