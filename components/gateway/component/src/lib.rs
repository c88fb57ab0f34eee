//! The middleware as a component: [`relay`] passes requests and answers on as `vwp-gateway` decides,
//! and this file connects it to `wasi:http/handler`. It imports nothing but HTTP and randomness.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]

mod relay;

mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/wasi-clocks@0.3.0",
            "../../../wit/deps/wasi-random@0.3.0",
            "../../../wit/deps/wasi-filesystem@0.3.0",
            "../../../wit/deps/wasi-sockets@0.3.0",
            "../../../wit/deps/wasi-cli@0.3.0",
            "../../../wit/deps/wasi-http@0.3.0",
        ],
        inline: "
            package vwp:gateway@0.1.0;
            world gateway {
                import wasi:http/handler@0.3.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "vwp:gateway/gateway",
        generate_all,
    });

    struct Gateway;
    export!(Gateway);

    impl exports::wasi::http::handler::Guest for Gateway {
        async fn handle(
            request: wasi::http::types::Request,
        ) -> Result<wasi::http::types::Response, wasi::http::types::ErrorCode> {
            crate::relay::handle(request).await
        }
    }
}
