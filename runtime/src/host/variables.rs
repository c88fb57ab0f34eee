//! `spin:variables` and `fermyon:spin/variables`: two spellings of the same grant, the
//! component's variables. A third is in [`super::config`].

use super::{Grants, State};
use std::sync::Arc;
use wasmtime::component::{Accessor, HasData, Linker};

mod v3 {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world variables { import spin:variables/variables@3.0.0; }",
        path: "../wit/deps/spin-variables@3.0.0",
    });
}

mod v2 {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        inline: "package vwp:host; world variables { import fermyon:spin/variables@2.0.0; }",
        path: "../wit/deps/fermyon-spin@2.0.0",
    });
}

use v2::fermyon::spin::variables as variables_v2;
use v3::spin::variables::variables;

/// Offers the interfaces to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    variables::add_to_linker::<_, Variables>(linker, |state| &state.grants)?;
    variables_v2::add_to_linker::<_, Variables>(linker, |state| &state.grants)
}

/// Names what the bindings borrow from the state.
pub struct Variables;

impl HasData for Variables {
    type Data<'a> = &'a Arc<Grants>;
}

impl variables::Host for &Arc<Grants> {}

impl<T: Send> variables::HostWithStore<T> for Variables {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, variables::Error> {
        let grants = accessor.with(|mut access| access.get().clone());
        if !is_name(&name) {
            return Err(variables::Error::InvalidName(name));
        }
        grants.variables.get(&name).cloned().ok_or(variables::Error::Undefined(name))
    }
}

impl variables_v2::Host for &Arc<Grants> {
    fn get(&mut self, name: String) -> Result<String, variables_v2::Error> {
        if !is_name(&name) {
            return Err(variables_v2::Error::InvalidName(name));
        }
        self.variables.get(&name).cloned().ok_or(variables_v2::Error::Undefined(name))
    }
}

/// Whether a variable could have this name.
fn is_name(name: &str) -> bool {
    let is_snake = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_snake)
}
