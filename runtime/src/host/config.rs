//! `wasi:config/store`: a component's variables, by the names that the manifest gives.

use super::variables::Variables;
use super::{Grants, State};
use bindings::wasi::config::store::{self, Error};
use std::sync::Arc;
use wasmtime::component::Linker;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/deps/wasi-config@0.2.0-draft-2024-09-27",
        world: "wasi:config/imports",
    });
}

/// Offers the interface to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, Variables>(linker, |state| &state.grants)
}

impl store::Host for &Arc<Grants> {
    /// A name that no variable can have is one that is not found.
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        Ok(self.variables.get(&key).cloned())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
