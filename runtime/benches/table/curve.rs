//! ECDSA on P-256 in a component, with and without wide arithmetic, beside the same
//! crate compiled for this processor.

use crate::Bench;
use crate::guests::{self, Profile};
use crate::measure::{Figures, Side, rate, rounds};
use crate::report::Row;
use anyhow::{Result, ensure};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey};
use std::path::Path;
use vwp_runtime::{engine, host};
use wasmtime::Store;
use wasmtime::component::{Component, TypedFunc};

/// How many operations are one call of a guest.
const CALL: u32 = 50;

/// Signing and verifying.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let runtime = &bench.runtime;
    let mut rows = Vec::new();
    bench.progress.say("building a guest with P-256 in two profiles");
    let (_ticker, mut baseline) = runtime.block_on(Guest::start(Profile::Baseline, bench.scratch.path()))?;
    let (_ticker, mut wide) = runtime.block_on(Guest::start(Profile::Wide, bench.scratch.path()))?;
    for what in ["sign", "verify"] {
        let key = SigningKey::from_slice(&[0x42; 32])?;
        let signature: Signature = key.sign(b"message");
        let mut number = 0_u32;
        let mut native = |turn| {
            rate(turn, || {
                for _ in 0..CALL {
                    number = number.wrapping_add(1);
                    if what == "sign" {
                        let signature: Signature = key.sign(&number.to_le_bytes());
                        std::hint::black_box(signature);
                    } else {
                        key.verifying_key().verify(b"message", &signature)?;
                    }
                }
                Ok(CALL)
            })
        };
        let mut wide = |turn| rate(turn, || runtime.block_on(wide.call(what)));
        let mut baseline = |turn| rate(turn, || runtime.block_on(baseline.call(what)));
        let sides =
            [("P-256, native", &mut native as Side<'_>), ("wide", &mut wide), ("baseline", &mut baseline)];
        let [native, wide, baseline] = rounds(bench.effort, &bench.progress, sides)?;
        let row = |name: &str, ours: &Figures, theirs| {
            Row::rate(format!("P-256 {what} in wasm, {name}"), what, ours, theirs, None)
        };
        rows.push(row("wide", &wide, ("native", &native)));
        rows.push(row("baseline", &baseline, ("native", &native)));
        rows.push(row("wide against baseline", &wide, ("baseline", &baseline)));
    }
    Ok(rows)
}

/// An instance of the guest.
struct Guest {
    store: Store<host::State>,
    sign: TypedFunc<(u32,), (u32,)>,
    verify: TypedFunc<(u32,), (u32,)>,
}

impl Guest {
    /// On the engine that handlers run on.
    async fn start(profile: Profile, scratch: &Path) -> Result<(engine::EpochTicker, Self)> {
        let bytes = guests::build("curve", profile)?;
        let engine = engine::engine()?;
        let linker = host::linker(&engine)?;
        let grants = guests::grants(&format!("curve-{profile:?}"), scratch)?;
        let mut store = host::store(&engine, &grants)?;
        let component = Component::new(&engine, &bytes)?;
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let sign = instance.get_typed_func(&mut store, "sign")?;
        let verify = instance.get_typed_func(&mut store, "verify")?;
        Ok((engine::EpochTicker::start(&engine)?, Self { store, sign, verify }))
    }

    async fn call(&mut self, what: &str) -> Result<u32> {
        let function = if what == "sign" { self.sign } else { self.verify };
        let (answer,) = function.call_async(&mut self.store, (CALL,)).await?;
        ensure!(what == "sign" || answer == CALL, "the guest refused good signatures");
        Ok(CALL)
    }
}
