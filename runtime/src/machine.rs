//! A state machine as a WebAssembly instance: what a replica drives.
//!
//! Machines run on an engine of their own, without epochs: a machine is part of the
//! deployment and applies what its handlers admitted, and its instance lives as long
//! as the process. It is linked with nothing, so a component that imports anything is
//! refused here.

use anyhow::{Context, Result};
use std::sync::Arc;
use vwp_store::{HostMachine, MachineError, MachineFactory};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/storage",
        world: "machine",
    });
}

/// Makes the engine that machines run on.
pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_wide_arithmetic(true);
    Ok(Engine::new(&config)?)
}

/// Links a machine; the factory makes empty ones.
pub fn factory(engine: &Engine, component: &Component) -> Result<MachineFactory> {
    let pre = Linker::<()>::new(engine)
        .instantiate_pre(component)
        .map_err(anyhow::Error::from)
        .context("a state machine must import nothing")?;
    let pre = bindings::MachinePre::new(pre)
        .map_err(anyhow::Error::from)
        .context("a state machine exports vwp:storage/state-machine")?;
    let engine = engine.clone();
    Ok(Arc::new(move || {
        let mut store = Store::new(&engine, ());
        let machine = pre.instantiate(&mut store).map_err(failed)?;
        Ok(Box::new(WasmMachine { store, machine }))
    }))
}

struct WasmMachine {
    store: Store<()>,
    machine: bindings::Machine,
}

/// The cause is for the operator of the host, in full.
#[expect(clippy::needless_pass_by_value, reason = "map_err passes it by value")]
fn failed(error: wasmtime::Error) -> MachineError {
    MachineError(format!("{error:#}"))
}

impl HostMachine for WasmMachine {
    fn apply(
        &mut self,
        position: u64,
        time: u64,
        commands: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, MachineError> {
        let machine = self.machine.vwp_storage_state_machine();
        machine.call_apply(&mut self.store, position, time, commands).map_err(failed)
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, MachineError> {
        self.machine.vwp_storage_state_machine().call_query(&mut self.store, query).map_err(failed)
    }

    fn checkpoint(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, MachineError> {
        let machine = self.machine.vwp_storage_state_machine();
        machine.call_checkpoint(&mut self.store, offset, length).map_err(failed)
    }

    fn restore(&mut self, part: &[u8]) -> Result<(), MachineError> {
        let machine = self.machine.vwp_storage_state_machine();
        machine.call_restore(&mut self.store, part).map_err(failed)?.map_err(MachineError)
    }
}
