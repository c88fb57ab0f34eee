//! Travellers, their sessions and their passports.
//!
//! - [`handle`] and [`password`]: what a traveller signs in with.
//! - [`accounts`] and [`attempts`]: signing up, signing in, and how often one may fail.
//! - [`limits`] and [`devices`]: how much strangers may ask for, and who is none.
//! - [`passkeys`], [`recovery`] and [`dids`]: other ways to sign in.
//! - [`sign_ins`]: what all of them end with.
//! - [`sessions`]: access tokens, and their end.
//! - [`profile`]: what a traveller says of themselves.
//! - [`passports`]: issuing credentials that are bound to the traveller's keys.
//! - [`status`]: which passports were revoked.
//! - [`tickets`] and [`bans`]: travelling from world to world, and who is not let in.
//! - [`verify`], [`sd_jwt`] and [`strict_json`]: believing one, from `vwp-verifier`.
//! - [`keys`]: the issuer's keys, and how others find them.
//! - [`provider`]: logging in to worlds, with OAuth 2.1 and OpenID Connect.
//! - [`audit`]: what happened, in chains that show if an entry was changed.
//! - [`data`]: what a traveller may ask for: everything that is kept, or that nothing is.
//! - [`http`]: the same functions as HTTP resources.
//! - [`pages`]: the page on which a person signs in.
//! - [`options`]: the component's own variables.
//! - [`error`]: every refusal, and the problem that it becomes.

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod bans;
pub mod data;
pub mod devices;
pub mod dids;
pub mod error;
pub mod handle;
pub mod http;
pub mod keys;
pub mod limits;
pub mod options;
pub mod pages;
pub mod passkeys;
pub mod passports;
pub mod password;
pub mod profile;
pub mod provider;
pub mod recovery;
pub mod sessions;
pub mod sign_ins;
pub mod status;
pub mod tickets;

pub use error::AuthError;
pub use vwp_verifier::{sd_jwt, strict_json, verify};

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macros generate it")]

    use crate::limits::Client;
    use crate::options::OPTIONS;
    use crate::passports::{self, Order, issued};
    use crate::tickets::redeem::Shown;
    use crate::tickets::{self, TicketError, Wish};
    use crate::{AuthError, accounts, http, sessions, verify};
    use bindings::exports::vwp::auth::{accounts as accounts_api, passports as passports_api};
    use bindings::exports::vwp::auth::{tickets as tickets_api, verifier};
    use bindings::vwp::auth::{password_hasher, types};
    use vwp_core::{Environment, Problem};
    use vwp_guest::http_types::{ErrorCode, Request, Response};
    use vwp_guest::{HttpHandler, Store};
    use vwp_password::{Fault, Hasher, SALT_LENGTH, Verdict};
    use vwp_verifier::keys::KeySet;
    use vwp_verifier::ticket;

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
            vwp_guest::serve_with(OPTIONS, request, async |environment, request| {
                http::handle(&Store, environment, request).await
            })
            .await
        }
    }

    /// The hasher that this component is composed with.
    pub(crate) struct Composed;

    impl Hasher for Composed {
        fn hash(&self, password: &str, salt: &[u8; SALT_LENGTH]) -> Result<String, Fault> {
            password_hasher::hash(password, salt).map_err(|_| Fault)
        }

        fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, Fault> {
            match password_hasher::verify(password, phc) {
                Ok(password_hasher::Verdict::Wrong) => Ok(Verdict::Wrong),
                Ok(password_hasher::Verdict::Right) => Ok(Verdict::Right { outdated: false }),
                Ok(password_hasher::Verdict::Outdated) => Ok(Verdict::Right { outdated: true }),
                Err(_) => Err(Fault),
            }
        }
    }

    /// Runs a call with the settings; a fault of the settings is the call's error.
    async fn call<T>(
        call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, AuthError>,
    ) -> Result<T, types::Error> {
        let answer =
            vwp_guest::environment_with(OPTIONS, async |environment| Ok(call(environment).await)).await;
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
            // Who calls is a component of the same application, which knows its own clients.
            let client = Client::default();
            let signed_in = call(async |environment| {
                accounts::sign_in(&Store, &handle, &password, &client, environment).await
            })
            .await?;
            let session = signed_in.session;
            Ok(types::Session {
                access_token: session.access_token,
                expires_in_s: session.expires_in,
                traveller: session.traveller,
                notices: session.notices.into_iter().map(types::Notice::from).collect(),
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
            let order = Order { proofs: vec![proof], ..Order::default() };
            let copies = issue(&access_token, &order).await?;
            let copy = copies.into_iter().next().ok_or(types::Error::Internal)?;
            Ok(types::Issued { passport: copy.passport, expires_at: copy.expires_at })
        }

        async fn issue_copies(
            access_token: String,
            order: types::Order,
        ) -> Result<Vec<types::IssuedCopy>, types::Error> {
            let types::Order { proofs, world, claims } = order;
            let malformed =
                |_| types::Error::from(AuthError::from(Problem::bad_request("not a world's name")));
            let world = world.map(|world| world.parse().map_err(malformed)).transpose()?;
            let copies = issue(&access_token, &Order { proofs, world, claims }).await?;
            let copy = |copy: passports::Copy| types::IssuedCopy {
                id: copy.id,
                passport: copy.passport,
                expires_at: copy.expires_at,
            };
            Ok(copies.into_iter().map(copy).collect())
        }

        async fn revoke(access_token: String, id: String) -> Result<(), types::Error> {
            call(async |environment| {
                let (traveller, _) = sessions::authenticate(&Store, &access_token, environment).await?;
                issued::revoke(&Store, &id, Some(&traveller), environment).await
            })
            .await
        }
    }

    async fn issue(access_token: &str, order: &Order) -> Result<Vec<passports::Copy>, types::Error> {
        call(async |environment| {
            let (traveller, session) = sessions::authenticate(&Store, access_token, environment).await?;
            passports::issue(&Store, (&traveller, &session), order, environment).await
        })
        .await
    }

    impl tickets_api::Guest for Component {
        async fn ask(access_token: String, wish: types::Wish) -> Result<types::Granted, types::Error> {
            let types::Wish { world, claims, entry_point, protocol, request, proof } = wish;
            let wish = Wish { world, claims, entry_point, protocol, request, proof };
            let granted = call(async |environment| {
                let (traveller, _) = sessions::authenticate(&Store, &access_token, environment).await?;
                tickets::ask(&Store, &traveller, &wish, environment).await
            })
            .await?;
            Ok(types::Granted { ticket: granted.ticket, expires_at: granted.expires_at })
        }

        async fn redeem(
            assertion: String,
            world: String,
            ticket: String,
            proof: Option<String>,
            nonce: String,
        ) -> Result<types::Ticket, types::Error> {
            let shown = Shown { world, ticket, proof, nonce };
            let ticket = call(async |environment| {
                let operator = tickets::redeem::operator_of(&Store, &assertion, environment).await?;
                tickets::redeem(&Store, &operator, &shown, environment).await
            })
            .await?;
            Ok(ticket.into())
        }
    }

    impl From<verify::Passport> for types::Passport {
        fn from(passport: verify::Passport) -> Self {
            Self {
                traveller: passport.traveller,
                handle: passport.handle,
                subject: passport.subject,
                holder: passport.holder,
                status: passport
                    .status
                    .map(|status| types::StatusReference { uri: status.uri, index: status.index }),
                presentation: passport.presentation,
                expires_at: passport.expires_at_s.saturating_mul(1000),
                claims: serde_json::Value::Object(passport.claims).to_string(),
            }
        }
    }

    impl From<vwp_verifier::ticket::Ticket> for types::Ticket {
        fn from(ticket: vwp_verifier::ticket::Ticket) -> Self {
            Self {
                subject: ticket.subject,
                id: ticket.id,
                origin: ticket.origin,
                entry_point: ticket.entry_point,
                claims: serde_json::Value::Object(ticket.claims).to_string(),
                holder: ticket.holder,
                expires_at: ticket.expires_at_s.saturating_mul(1000),
            }
        }
    }

    impl From<TicketError> for types::TicketRefusal {
        fn from(error: TicketError) -> Self {
            match error {
                TicketError::WorldNotFound => Self::WorldNotFound,
                TicketError::WorldClosed => Self::WorldClosed,
                TicketError::WorldFull => Self::WorldFull,
                TicketError::Unauthorised(unproven) => Self::Unauthorised(types::Refusal {
                    reason: unproven.slug().into(),
                    detail: unproven.to_string(),
                }),
                TicketError::Banned(notice) => Self::Banned(types::BanNotice {
                    reason: notice.reason,
                    until: notice.until,
                    appeal: notice.appeal,
                }),
                TicketError::Throttled { retry_after_s } => Self::Throttled(retry_after_s),
                TicketError::TicketSpent => Self::TicketSpent,
                TicketError::ProtocolMismatch => Self::ProtocolMismatch,
            }
        }
    }

    impl From<verify::PresentationError> for types::Refusal {
        fn from(error: verify::PresentationError) -> Self {
            Self { reason: error.slug().into(), detail: error.to_string() }
        }
    }

    impl verifier::Guest for Component {
        fn verify(
            presentation: String,
            keys: String,
            expectation: types::Expectation,
        ) -> Result<types::Passport, types::Refusal> {
            Ok(verify::verify_offline(&presentation, &keys, &expected(&expectation))?.into())
        }

        fn verify_with_status(
            presentation: String,
            keys: String,
            status_list: String,
            age_max_s: u32,
            expectation: types::Expectation,
        ) -> Result<types::Passport, types::Refusal> {
            let expected = expected(&expectation);
            let keys = KeySet::from_json(&keys).map_err(verify::PresentationError::from)?;
            let age_max_s = u64::from(age_max_s);
            let passport =
                verify::verify_with_status(&presentation, &keys, &status_list, age_max_s, &expected)?;
            Ok(passport.into())
        }

        fn verify_ticket(
            ticket: String,
            proof: Option<String>,
            keys: String,
            expectation: types::Expectation,
        ) -> Result<types::Ticket, types::TicketRefusal> {
            let expected = ticket::Expected {
                issuer: &expectation.issuer,
                world: &expectation.audience,
                nonce: &expectation.nonce,
                now: expectation.now,
            };
            let keys =
                KeySet::from_json(&keys).map_err(|_| TicketError::from(ticket::Unproven::UnknownKey))?;
            Ok(ticket::verify(&ticket, proof.as_deref(), &keys, &expected)?.into())
        }
    }

    fn expected(expectation: &types::Expectation) -> verify::Expected<'_> {
        verify::Expected {
            issuer: &expectation.issuer,
            audience: &expectation.audience,
            nonce: &expectation.nonce,
            now: expectation.now,
        }
    }

    impl From<sessions::Notice> for types::Notice {
        fn from(notice: sessions::Notice) -> Self {
            match notice {
                sessions::Notice::RecoveryPending { requested_at, ready_at } => {
                    Self::RecoveryPending(types::Recovery { requested_at, ready_at })
                }
                sessions::Notice::RecoveryCodeUsed { left } => {
                    Self::RecoveryCodeUsed(u32::try_from(left).unwrap_or(u32::MAX))
                }
                sessions::Notice::AddPasskey => Self::AddPasskey,
                sessions::Notice::PasskeyCounterRegressed { passkey, .. } => {
                    Self::PasskeyCounterRegressed(passkey)
                }
            }
        }
    }

    impl From<AuthError> for types::Error {
        fn from(error: AuthError) -> Self {
            match error {
                AuthError::HandleTaken => Self::HandleTaken,
                AuthError::TooManyAttempts { retry_after_s }
                | AuthError::Passport(passports::PassportError::Throttled { retry_after_s })
                | AuthError::Ticket(TicketError::Throttled { retry_after_s }) => {
                    Self::Throttled(retry_after_s)
                }
                AuthError::Throttled(standing) => {
                    Self::Throttled(u32::try_from(standing.wait_ms.div_ceil(1000)).unwrap_or(u32::MAX))
                }
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
