//! What middleware shares: a component that imports `wasi:http/handler`, exports it, and stands between
//! a host and a handler that need not know of it.
//!
//! - [`fields`]: header fields as WASI carries them, natively tested.
//! - `bindings`: `wasi:http/handler` on both sides, for WebAssembly alone.
//! - `message`: taking requests and answers apart and putting them together, with their content as the
//!   streams that it is.
//! - `settings`: the settings that an integrator gives a component.

pub mod fields;

pub use fields::Fields;

#[cfg(target_family = "wasm")]
pub mod message;
#[cfg(target_family = "wasm")]
pub mod settings;

/// `wasi:http/handler`, imported and exported. A component implements
/// `bindings::exports::wasi::http::handler::Guest` and names itself to `bindings::export!`.
#[cfg(target_family = "wasm")]
pub mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-clocks@0.3.0",
            "../../wit/deps/wasi-random@0.3.0",
            "../../wit/deps/wasi-filesystem@0.3.0",
            "../../wit/deps/wasi-sockets@0.3.0",
            "../../wit/deps/wasi-cli@0.3.0",
            "../../wit/deps/wasi-http@0.3.0",
        ],
        inline: "
            package vwp:middleware@0.1.0;
            world middleware {
                import wasi:http/handler@0.3.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "vwp:middleware/middleware",
        pub_export_macro: true,
        default_bindings_module: "vwp_middleware::bindings",
        generate_all,
    });
}
