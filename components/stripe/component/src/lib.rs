//! The adapter for Stripe as a component: `vwp-stripe` with the exports of `vwp-adapter`.
//!
//! A crate of its own, so that what tests and programs link has no exports, and so that a component
//! is optimised as one program with all that it links.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the export macros generate it")]

type Component = vwp_adapter::Component<vwp_stripe::Stripe>;

vwp_adapter::export!(Component with_types_in vwp_adapter::bindings);

spin_sdk::wasip3::http::service::export!(Component);
