//! Bounds the component's memory in the component itself, so that it is bounded in every host and
//! every composition.

/// The 19 MiB that a hash takes, a stack of 1 MiB, and what is passed in and out.
const MEMORY_BYTES_MAX: u32 = 24 * 1024 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        println!("cargo::rustc-link-arg-cdylib=--max-memory={MEMORY_BYTES_MAX}");
    }
}
