//! The middleware as a component: [`relay`] passes requests and answers on as `vwp-gateway` decides,
//! and this file connects it to `wasi:http/handler`. It imports nothing but HTTP and randomness.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]

mod relay;

mod export {
    #![allow(unsafe_code, reason = "the macro generates it")]
    use vwp_middleware::bindings::exports::wasi::http::handler::Guest;
    use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};

    struct Gateway;
    vwp_middleware::bindings::export!(Gateway);

    impl Guest for Gateway {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            crate::relay::handle(request).await
        }
    }
}
