//! An adapter as a component: on `vwp:transactions/processor`, and on HTTP for the components of the same
//! application. A component is one of [`Component`] and the adapter:
//!
//! ```ignore
//! type Component = vwp_adapter::Component<vwp_stripe::Stripe>;
//! vwp_adapter::export!(Component with_types_in vwp_adapter::bindings);
//! spin_sdk::wasip3::http::service::export!(Component);
//! ```
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

mod convert;

pub use bindings::export;

use bindings::exports::vwp::transactions::processor as api;
use std::marker::PhantomData;
use vwp_guest::http_types::{ErrorCode, Request, Response};
use vwp_guest::{HttpHandler, Network};
use vwp_processor::{Adapter, Command, Fault, Reply};

/// What wit-bindgen makes of the interface. The export macro refers to it.
#[doc(hidden)]
pub mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: ["../../wit/timer", "../../wit/transactions"],
        world: "vwp:transactions/adapter",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        pub_export_macro: true,
        generate_all,
    });
}

/// An adapter with the exports of a component.
#[derive(Debug)]
pub struct Component<A>(PhantomData<A>);

impl<A: Adapter> HttpHandler for Component<A> {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        vwp_guest::serve_apart(A::OPTIONS, request, async |now, options, request| {
            vwp_processor::serve::<A>(&Network, options, now / 1000, &request).await
        })
        .await
    }
}

async fn ask<A: Adapter>(call: api::Call, command: Command) -> Result<Reply, api::Fault> {
    let request = vwp_processor::Request { key: call.key, is_repeat: call.is_repeat, command };
    let (now, options) = vwp_guest::options(A::OPTIONS).await;
    Ok(A::answer(&Network, &options, now / 1000, &request).await?)
}

async fn payment<A: Adapter>(call: api::Call, command: Command) -> Result<api::Payment, api::Fault> {
    match ask::<A>(call, command).await? {
        Reply::Payment(payment) => Ok(payment.into()),
        _ => Err(other()),
    }
}

async fn movement<A: Adapter>(call: api::Call, command: Command) -> Result<api::Movement, api::Fault> {
    match ask::<A>(call, command).await? {
        Reply::Movement(movement) => Ok(movement.into()),
        _ => Err(other()),
    }
}

/// Nothing of ours answers with something else than it was asked for.
fn other() -> api::Fault {
    Fault::Unknown("another answer".to_owned()).into()
}

/// What has no key of its own, because it changes nothing.
fn reading() -> api::Call {
    api::Call { key: String::new(), is_repeat: false }
}

impl<A: Adapter> api::Guest for Component<A> {
    async fn create_payment(call: api::Call, wanted: api::NewPayment) -> Result<api::Payment, api::Fault> {
        let amount = convert::minor(&wanted.amount)?;
        let (currency, is_captured_at_once) = (wanted.currency, wanted.is_captured_at_once);
        payment::<A>(call, Command::CreatePayment { amount, currency, is_captured_at_once }).await
    }

    async fn confirm(
        call: api::Call,
        reference: String,
        payment_method: Option<String>,
        return_url: Option<String>,
    ) -> Result<api::Payment, api::Fault> {
        payment::<A>(call, Command::Confirm { reference, payment_method, return_url }).await
    }

    async fn capture(call: api::Call, reference: String, amount: String) -> Result<api::Payment, api::Fault> {
        payment::<A>(call, Command::Capture { reference, amount: convert::minor(&amount)? }).await
    }

    async fn cancel(call: api::Call, reference: String) -> Result<api::Payment, api::Fault> {
        payment::<A>(call, Command::Cancel { reference }).await
    }

    async fn refund(
        call: api::Call,
        reference: String,
        amount: String,
        currency: String,
        payment_method: Option<String>,
    ) -> Result<api::Movement, api::Fault> {
        let amount = convert::minor(&amount)?;
        movement::<A>(call, Command::Refund { reference, amount, currency, payment_method }).await
    }

    async fn payout(call: api::Call, wanted: api::NewPayout) -> Result<api::Movement, api::Fault> {
        let amount = convert::minor(&wanted.amount)?;
        let (currency, destination) = (wanted.currency, wanted.destination);
        movement::<A>(call, Command::Payout { amount, currency, destination }).await
    }

    async fn look(reference: String) -> Result<api::Subject, api::Fault> {
        match ask::<A>(reading(), Command::Look { reference }).await? {
            Reply::Payment(payment) => Ok(api::Subject::Payment(payment.into())),
            Reply::Movement(movement) => Ok(api::Subject::Movement(movement.into())),
            _ => Err(other()),
        }
    }

    async fn verify_webhook(headers: Vec<(String, String)>, body: String) -> Result<api::Event, api::Fault> {
        match ask::<A>(reading(), Command::VerifyWebhook { headers, body }).await? {
            Reply::Event(event) => Ok(event.into()),
            _ => Err(other()),
        }
    }

    async fn list_events(since: u64, after: Option<String>) -> Result<api::Events, api::Fault> {
        match ask::<A>(reading(), Command::Events { since, after }).await? {
            Reply::Events(page) => Ok(page.into()),
            _ => Err(other()),
        }
    }
}
