//! The verifier as a component: what `vwp-verifier` does, as `vwp:auth/verifier`. It needs no
//! store, no network, no clock and no settings, so it runs wherever components run, and can be
//! plugged into an integrator's own composition. All that it imports is what Rust's standard
//! library does of WASI: the standard streams, the environment, and a seed for hash tables.
//!
//! A crate of its own, because its exports are linked into whatever depends on them, and the
//! auth component has the same ones.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "wit-bindgen generates the canonical ABI's entry points, which take raw pointers"
)]

use exports::vwp::auth::{types, verifier};
use std::cell::RefCell;
use vwp_verifier::keys::KeySet;
use vwp_verifier::remembering::Verifier;
use vwp_verifier::ticket::{self, TicketError, Unproven};
use vwp_verifier::verify::{self, PresentationError};

wit_bindgen::generate!({
    path: "../../../wit/auth",
    world: "offline-verifier",
});

thread_local! {
    /// For as long as the instance lives.
    static VERIFIER: RefCell<Verifier> = RefCell::default();
}

struct Component;
export!(Component);

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
        let age_max_s = u64::from(age_max_s);
        let verified = VERIFIER.with_borrow_mut(|verifier| {
            verifier.verify_with_status(&presentation, &keys, &status_list, age_max_s, &expected)
        });
        Ok(verified?.into())
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
        let keys = KeySet::from_json(&keys).map_err(|_| TicketError::from(Unproven::UnknownKey))?;
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

impl From<verify::Passport> for types::Passport {
    fn from(passport: verify::Passport) -> Self {
        let status =
            passport.status.map(|status| types::StatusReference { uri: status.uri, index: status.index });
        Self {
            traveller: passport.traveller,
            handle: passport.handle,
            subject: passport.subject,
            holder: passport.holder,
            status,
            presentation: passport.presentation,
            expires_at: passport.expires_at_s.saturating_mul(1000),
            claims: serde_json::Value::Object(passport.claims).to_string(),
        }
    }
}

impl From<ticket::Ticket> for types::Ticket {
    fn from(ticket: ticket::Ticket) -> Self {
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

impl From<PresentationError> for types::Refusal {
    fn from(error: PresentationError) -> Self {
        Self { reason: error.slug().into(), detail: error.to_string() }
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
