//! The middleware as a component: it lets requests through as `vwp-limits` decides. It imports nothing but
//! HTTP, `vwp:storage/kv` for its buckets, and `wasi:config/store` for its settings.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]

mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use store::Store;
use vwp_core::Problem;
use vwp_limits::answer;
use vwp_limits::charge::{self, Refusal};
use vwp_limits::lease::Leases;
use vwp_limits::settings::Settings;
use vwp_middleware::bindings::wasi::http::handler;
use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};
use vwp_middleware::message::{self, Body};
use vwp_middleware::settings;
use vwp_storage::StorageError;

mod export {
    #![allow(unsafe_code, reason = "the macro generates it")]
    use vwp_middleware::bindings::exports::wasi::http::handler::Guest;
    use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};

    struct Limits;
    vwp_middleware::bindings::export!(Limits);

    impl Guest for Limits {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            crate::handle(request).await
        }
    }
}

thread_local! {
    static LEASES: Rc<RefCell<Leases>> = Rc::default();
}

/// The settings, read once: an instance has them for as long as it lives.
fn settings() -> &'static Result<Settings, String> {
    static SETTINGS: OnceLock<Result<Settings, String>> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings::read(settings::get))
}

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(fault) => return internal(fault),
    };
    let method = request.get_method();
    let target = request.get_path_with_query().unwrap_or_default();
    let charges = settings.charges(message::name(&method), &target, &request.get_headers().copy_all());
    if charges.is_empty() {
        return handler::handle(request).await;
    }
    let leases = LEASES.with(Rc::clone);
    let standings = match charge::charge(&Store, &leases, &charges, now_us()).await {
        Ok(standings) => standings,
        Err(Refusal::Throttled(standing)) => {
            let refusal = answer::refusal(&standing);
            return message::whole(refusal, |fields| answer::describe(fields, &[standing]));
        }
        // A store that does not answer is no reason that nobody is answered. It says so in the log.
        Err(Refusal::Store(error @ (StorageError::Unavailable(_) | StorageError::Unknown(_)))) => {
            eprintln!("not limited: {error}");
            Vec::new()
        }
        Err(Refusal::Store(error)) => return internal(&error.to_string()),
    };
    let answer = handler::handle(request).await?;
    let (status, mut fields) = (answer.get_status_code(), answer.get_headers().copy_all());
    answer::describe(&mut fields, &standings);
    message::answer(status, &fields, Body::of_answer(answer))
}

/// Whoever runs this is told in the log what is wrong, and nobody else.
fn internal(fault: &str) -> Result<Response, ErrorCode> {
    eprintln!("{fault}");
    message::whole(Problem::internal().into_response(), |_| ())
}

fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}
