//! The resolver's interface, as the host calls it.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    inline: "package vwp:host; world resolving { export vwp:discovery/resolver@0.1.0; }",
    path: ["../wit/timer", "../wit/discovery"],
});
