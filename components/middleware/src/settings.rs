//! Settings by name, as `wasi:config/store` has them.

use bindings::wasi::config::store;

mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        inline: "
            package vwp:settings@0.1.0;
            world settings {
                import wasi:config/store@0.2.0-draft-2024-09-27;
            }
        ",
        path: "../../wit/deps/wasi-config@0.2.0-draft-2024-09-27",
        world: "vwp:settings/settings",
        generate_all,
    });
}

/// The value of a setting; none if it is not given, or empty.
pub fn get(name: &str) -> Option<String> {
    store::get(name).ok().flatten().filter(|value| !value.is_empty())
}
