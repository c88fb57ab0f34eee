//! Travellers, their sessions and their passports as a component: `vwp-auth` on the interfaces of
//! `vwp:auth` and on HTTP.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

use bindings::exports::vwp::auth::{accounts as accounts_api, passports as passports_api};
use bindings::exports::vwp::auth::{tickets as tickets_api, verifier};
use bindings::vwp::auth::types;
use vwp_auth::limits::Client;
use vwp_auth::options::OPTIONS;
use vwp_auth::passports::{self, Order, issued};
use vwp_auth::tickets::redeem::Shown;
use vwp_auth::tickets::{self, TicketError, Wish};
use vwp_auth::{AuthError, accounts, http, sessions, verify};
use vwp_core::{Environment, Problem};
use vwp_guest::http_types::{ErrorCode, Request, Response};
use vwp_guest::{HttpHandler, Network, Store};
use vwp_verifier::keys::KeySet;
use vwp_verifier::ticket;

mod convert;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: "../../../wit/auth",
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
            http::handle_online(&Store, &Network, environment, request).await
        })
        .await
    }
}

/// Runs a call with the settings; a fault of the settings is the call's error.
async fn call<T>(
    call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, AuthError>,
) -> Result<T, types::Error> {
    let answer = vwp_guest::environment_with(OPTIONS, async |environment| Ok(call(environment).await)).await;
    Ok(answer.map_err(AuthError::from).flatten()?)
}

impl accounts_api::Guest for Component {
    async fn sign_up(credentials: types::Credentials) -> Result<types::Traveller, types::Error> {
        let types::Credentials { handle, password } = credentials;
        let traveller =
            call(async |environment| accounts::sign_up(&Store, &handle, &password, environment).await)
                .await?;
        Ok(types::Traveller { id: traveller.id, handle: traveller.handle, created_at: traveller.created_at })
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
        let malformed = |_| types::Error::from(AuthError::from(Problem::bad_request("not a world's name")));
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
        let passport = verify::verify_with_status(&presentation, &keys, &status_list, age_max_s, &expected)?;
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
        let keys = KeySet::from_json(&keys).map_err(|_| TicketError::from(ticket::Unproven::UnknownKey))?;
        Ok(ticket::verify(&ticket, proof.as_deref(), &keys, &expected)?.into())
    }
}

fn expected(expectation: &types::Expectation) -> verify::Expected<'_> {
    verify::Expected {
        issuer: &expectation.issuer,
        audience: &expectation.audience,
        world: &expectation.audience,
        nonce: &expectation.nonce,
        now: expectation.now,
    }
}
