//! Webhooks as a component: `vwp-webhooks` on HTTP and on the timer.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

use bindings::exports::vwp::timer::scheduled;
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_core::{Environment, Problem};
use vwp_guest::http_types::{ErrorCode, Request, Response};
use vwp_guest::{HttpHandler, Network, Store};
use vwp_webhooks::run::{self, Clock};
use vwp_webhooks::{OPTIONS, http};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    spin_sdk::wit_bindgen::generate!({
        path: "../../../wit/timer",
        world: "timer",
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

struct Component;
bindings::export!(Component with_types_in bindings);

spin_sdk::wasip3::http::service::export!(Component);

/// The host's clock.
struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    async fn wait(&self, milliseconds: u32) {
        monotonic_clock::wait_for(u64::from(milliseconds) * 1_000_000).await;
    }
}

impl HttpHandler for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        vwp_guest::serve_with(OPTIONS, request, async |environment, request| {
            http::handle(&Store, (&Network, &HostClock), environment, request).await
        })
        .await
    }
}

impl scheduled::Guest for Component {
    async fn run() -> Result<u32, String> {
        let run = async |environment: &Environment<'_>| {
            run::run(&Store, (&Network, &HostClock), environment).await.map_err(Problem::from)
        };
        let report = vwp_guest::environment_with(OPTIONS, run).await;
        report.map(|report| report.next_ms).map_err(|problem| problem.detail)
    }
}
