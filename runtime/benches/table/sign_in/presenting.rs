//! Believing a presentation (two signatures of P-256, and a place in a status list that is verified
//! once): in the built component, as compositions use it, beside the same crate compiled for this
//! processor. OpenSSL says what one verification takes with arithmetic that was written by hand.

use super::Client;
use crate::measure::{Figures, Side, rate, rounds};
use crate::report::Row;
use crate::{Bench, guests, tools};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vwp_client::key::Key;
use vwp_client::{presentation, sign};
use vwp_runtime::{engine, host};
use vwp_verifier::keys::KeySet;
use vwp_verifier::remembering::Verifier;
use vwp_verifier::verify::Expected;
use wasmtime::Store;
use wasmtime::component::{Component, Func, Val};

/// A presentation shall take no more of a core in the wide build: 1,500 in a second.
const WIDE_MS_MAX: f64 = 0.66;
/// And no more in the baseline: 500 in a second.
const BASELINE_MS_MAX: f64 = 2.0;
/// How many presentations are verified at a step.
const STEP: u32 = 10;

const WORLD: &str = "https://world.example";
const NONCE: &str = "a nonce of the bench";

/// Verifies one presentation over and over.
pub(super) fn rows(bench: &Bench, sample: &Sample) -> Result<Vec<Row>> {
    // All but its own figure can be measured without it.
    let has_openssl = match tools::need("openssl", "openssl") {
        Err(error) if error.is::<tools::Missing>() => {
            bench.remark(format!("*** {error}: THE COLUMN OF OPENSSL IS EMPTY ***"));
            false
        }
        found => found.map(|()| true)?,
    };
    let (runtime, scratch) = (&bench.runtime, bench.scratch.path());
    let built = |folder: &str| {
        guests::project().join(folder).join("wasm32-wasip2/release/vwp_verifier_component.wasm")
    };
    let (_ticker, mut wide) = runtime.block_on(Guest::start(&built("target/wide"), "wide", scratch))?;
    let (_ticker, mut baseline) = runtime.block_on(Guest::start(&built("target"), "baseline", scratch))?;
    let arguments = sample.arguments();
    let mut verifier = Verifier::default();
    let expected =
        Expected { issuer: &sample.issuer, audience: WORLD, world: WORLD, nonce: NONCE, now: sample.now_ms };
    let mut native = |turn| {
        rate(turn, || {
            for _ in 0..STEP {
                verifier.verify_with_status(
                    &sample.presentation,
                    &sample.keys,
                    &sample.status_list,
                    300,
                    &expected,
                )?;
            }
            Ok(STEP)
        })
    };
    let mut wide = |turn| rate(turn, || runtime.block_on(wide.verify(&arguments)));
    let mut baseline = |turn| rate(turn, || runtime.block_on(baseline.verify(&arguments)));
    let mut openssl = |turn: Duration| {
        if has_openssl { openssl_verifications(turn) } else { Ok(f64::NAN) }
    };
    let sides = [
        ("presentations, native", &mut native as Side<'_>),
        ("wide", &mut wide),
        ("baseline", &mut baseline),
        ("openssl speed", &mut openssl),
    ];
    let [native, wide, baseline, openssl] = rounds(bench.effort, &bench.progress, sides)?;
    let milliseconds = |figures: &Figures| {
        let mut each = Figures::default();
        each.push(1000.0 / figures.median());
        each
    };
    let what = "presentation with status, verified offline";
    let row = |name: &str, ours: &Figures, max| {
        let native = milliseconds(&native);
        Row::quantity(
            format!("{what}, {name}"),
            "ms",
            &milliseconds(ours),
            Some(("native p256", &native)),
            Some(max),
        )
    };
    let name = format!("{what}, wide");
    let beside = if has_openssl {
        Row::rate(name, "verified", &wide, ("one P-256 of OpenSSL", &openssl), None)
    } else {
        Row::alone(name, "verified/s", &wide)
    };
    Ok(vec![row("wide", &wide, WIDE_MS_MAX), row("baseline", &baseline, BASELINE_MS_MAX), beside])
}

/// How many signatures of P-256 OpenSSL verifies in a second.
fn openssl_verifications(turn: Duration) -> Result<f64> {
    let seconds = turn.as_secs().max(1).to_string();
    let text =
        tools::output(Command::new("openssl").args(["speed", "-mr", "-seconds", &seconds, "ecdsap256"]))?;
    // +F4:number:bits:signatures:verifications
    let line = text.lines().find_map(|line| line.strip_prefix("+F4:"));
    let line = line.with_context(|| format!("openssl speed printed no ECDSA:\n{text}"))?;
    let each: f64 = line.rsplit(':').next().context("no figure")?.trim().parse()?;
    // What is printed is how many a second, or in older versions the seconds for each.
    Ok(if each < 1.0 { 1.0 / each } else { each })
}

/// What a traveller presents, and what a verifier has.
pub(super) struct Sample {
    presentation: String,
    keys: String,
    status_list: String,
    issuer: String,
    now_ms: u64,
}

impl Sample {
    /// A passport, presented, with all that believing it takes.
    pub(super) fn of(client: &Client, token: &str) -> Result<Self> {
        let key = Key::generate()?;
        let proof = sign::proof_of_possession(&key, &client.issuer)?;
        let issued = client.post("/v1/passports", Some(token), &json!({ "proof": proof }))?;
        let passport = issued.member_text(200, "passport")?;
        let presentation = presentation::present(&key, &passport, WORLD, NONCE, &["handle"])?;
        let keys = client.get("/.well-known/jwks.json")?;
        let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let set = KeySet::from_json(&keys)?;
        let believed = presentation::verify(&presentation, &set, &client.issuer, WORLD, NONCE)?;
        let status = believed.status.context("the passport has no status")?;
        let path = status.uri.strip_prefix(&client.issuer).context("the list is elsewhere")?;
        let status_list = client.get(path)?;
        Ok(Self { presentation, keys, status_list, issuer: client.issuer.clone(), now_ms })
    }

    fn arguments(&self) -> [Val; 5] {
        let text = |text: &str| Val::String(text.to_owned());
        let expectation = vec![
            ("issuer".to_owned(), text(&self.issuer)),
            ("audience".to_owned(), text(WORLD)),
            ("nonce".to_owned(), text(NONCE)),
            ("now".to_owned(), Val::U64(self.now_ms)),
        ];
        [
            text(&self.presentation),
            text(&self.keys),
            text(&self.status_list),
            Val::U32(300),
            Val::Record(expectation),
        ]
    }
}

/// An instance of the verifier.
struct Guest {
    store: Store<host::State>,
    verify: Func,
}

impl Guest {
    async fn start(path: &Path, name: &str, scratch: &Path) -> Result<(engine::EpochTicker, Self)> {
        let bytes = guests::read(path)?;
        let engine = engine::engine()?;
        let linker = host::linker(&engine)?;
        let grants = guests::grants(&format!("verifier-{name}"), scratch)?;
        let mut store = host::store(&engine, &grants)?;
        let component = Component::new(&engine, &bytes)?;
        let instance = linker.instantiate_async(&mut store, &component).await?;
        let interface = instance.get_export_index(&mut store, None, "vwp:auth/verifier@0.1.0");
        let interface = interface.context("the component exports no verifier")?;
        let verify = instance.get_export_index(&mut store, Some(&interface), "verify-with-status");
        let verify = verify.context("the verifier has no verify-with-status")?;
        let verify = instance.get_func(&mut store, verify).context("it is no function")?;
        Ok((engine::EpochTicker::start(&engine)?, Self { store, verify }))
    }

    async fn verify(&mut self, arguments: &[Val]) -> Result<u32> {
        for _ in 0..STEP {
            let mut results = [Val::Bool(false)];
            self.verify.call_async(&mut self.store, arguments, &mut results).await?;
            ensure!(matches!(results, [Val::Result(Ok(_))]), "the verifier refused: {results:?}");
        }
        Ok(STEP)
    }
}
