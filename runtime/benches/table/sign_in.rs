//! Signing in, and believing presentations: what one takes of a core.
//!
//! Sign-ins are whole requests to a `vwp up`, by the processor time that it takes for them: right
//! ones, and failures for a handle that there is beside a handle that there is not. Presentations
//! (two signatures of P-256, and the status list with another) are verified in the built component,
//! as compositions use it, beside the same crate compiled for this processor. OpenSSL says what one
//! verification takes with arithmetic that was written by hand.

use crate::Bench;
use crate::guests;
use crate::measure::{Figures, Side, rate, rounds};
use crate::port::Port;
use crate::report::Row;
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vwp_client::key::Key;
use vwp_client::{presentation, sign};
use vwp_runtime::{engine, host};
use vwp_verifier::keys::KeySet;
use vwp_verifier::verify::{Expected, verify_with_status};
use wasmtime::Store;
use wasmtime::component::{Component, Func, Val};

/// A password login shall take no more of a core: 30 in a second.
const LOGIN_MS_MAX: f64 = 1000.0 / 30.0;
/// A presentation shall take no more in the wide build: 1,500 in a second.
const WIDE_MS_MAX: f64 = 1000.0 / 1500.0;
/// And no more in the baseline: 500 in a second.
const BASELINE_MS_MAX: f64 = 1000.0 / 500.0;
/// How many presentations are verified at a step.
const STEP: u32 = 10;

const HANDLE: &str = "bench-traveller";
const PASSWORD: &str = "correct horse battery";
const WORLD: &str = "https://world.example";
const NONCE: &str = "a nonce of the bench";

/// Signing in over HTTP, then verifying what a traveller presents.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("openssl", "openssl")?;
    let port = Port::start(&bench.scratch.path().join("sign-in"))?;
    let client = Client::new(&port)?;
    let token = client.arrive()?;
    let mut rows = logins(bench, &port, &client)?;
    let sample = client.sample(&token)?;
    port.stop()?;
    rows.extend(presentations(bench, &sample)?);
    Ok(rows)
}

fn logins(bench: &Bench, port: &Port, client: &Client) -> Result<Vec<Row>> {
    // By processor time, and so not in turns of a rate: each side says what one took.
    let mut figures = [const { Vec::new() }; 3].map(|_: Vec<f64>| Figures::default());
    for round in 1..=bench.effort.rounds {
        let nobody = format!("nobody{round}");
        let wrong = "not the password";
        let tries = [(HANDLE, PASSWORD, 200), (HANDLE, wrong, 401), (nobody.as_str(), wrong, 401)];
        for ((handle, password, wanted), figures) in tries.into_iter().zip(&mut figures) {
            bench.progress.say(&format!("signing in, round {round} of {}", bench.effort.rounds));
            let (before, start, mut done) = (port.cpu_seconds()?, Instant::now(), 0.0);
            // Failures are few, because more would be told to wait. The right password, which is
            // next, ends their count.
            while start.elapsed() < bench.effort.turn && (wanted == 200 || done < 4.0) {
                let (status, text) = client.sign_in(handle, password)?;
                ensure!(status == wanted, "signing in was answered with {status}: {text}");
                done += 1.0;
            }
            figures.push((port.cpu_seconds()? - before) * 1000.0 / done);
        }
    }
    let [right, known, unknown] = &figures;
    Ok(vec![
        Row::quantity("password login over HTTP, of a core", "ms", right, None, Some(LOGIN_MS_MAX)),
        Row::quantity(
            "failed login of a known traveller, of a core",
            "ms",
            known,
            Some(("of an unknown one", unknown)),
            None,
        ),
    ])
}

fn presentations(bench: &Bench, sample: &Sample) -> Result<Vec<Row>> {
    let (runtime, scratch) = (&bench.runtime, bench.scratch.path());
    let built = |folder: &str| {
        guests::project().join(folder).join("wasm32-wasip2/release/vwp_verifier_component.wasm")
    };
    let (_ticker, mut wide) = runtime.block_on(Guest::start(&built("target/wide"), "wide", scratch))?;
    let (_ticker, mut baseline) = runtime.block_on(Guest::start(&built("target"), "baseline", scratch))?;
    let arguments = sample.arguments();
    let keys = KeySet::from_json(&sample.keys)?;
    let expected = Expected { issuer: &sample.issuer, audience: WORLD, nonce: NONCE, now: sample.now_ms };
    let mut native = |turn| {
        rate(turn, || {
            for _ in 0..STEP {
                verify_with_status(&sample.presentation, &keys, &sample.status_list, 300, &expected)?;
            }
            Ok(STEP)
        })
    };
    let mut wide = |turn| rate(turn, || runtime.block_on(wide.verify(&arguments)));
    let mut baseline = |turn| rate(turn, || runtime.block_on(baseline.verify(&arguments)));
    let mut openssl = |turn: Duration| openssl_verifications(turn);
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
    let what = "offline verification of a presentation with status";
    let row = |name: &str, ours: &Figures, max| {
        let native = milliseconds(&native);
        Row::quantity(
            format!("{what}, {name}, of a core"),
            "ms",
            &milliseconds(ours),
            Some(("native p256", &native)),
            Some(max),
        )
    };
    Ok(vec![
        row("wide", &wide, WIDE_MS_MAX),
        row("baseline", &baseline, BASELINE_MS_MAX),
        Row::rate(format!("{what}, wide"), "verified", &wide, ("one P-256 of OpenSSL", &openssl), None),
    ])
}

/// How many signatures of P-256 OpenSSL verifies in a second.
fn openssl_verifications(turn: Duration) -> Result<f64> {
    let seconds = turn.as_secs().max(1).to_string();
    let text =
        tools::output(Command::new("openssl").args(["speed", "-mr", "-seconds", &seconds, "ecdsap256"]))?;
    // +F5:number:bits:seconds a signature:seconds a verification
    let line = text.lines().find_map(|line| line.strip_prefix("+F5:"));
    let line = line.with_context(|| format!("openssl speed printed no ECDSA:\n{text}"))?;
    let each: f64 = line.rsplit(':').next().context("no figure")?.trim().parse()?;
    // What is printed is seconds for each, or in newer versions how many a second.
    Ok(if each < 1.0 { 1.0 / each } else { each })
}

/// What a traveller presents, and what a verifier has.
struct Sample {
    presentation: String,
    keys: String,
    status_list: String,
    issuer: String,
    now_ms: u64,
}

impl Sample {
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

/// Who signs in.
struct Client {
    agent: ureq::Agent,
    url: String,
    issuer: String,
}

impl Client {
    fn new(port: &Port) -> Result<Self> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Ok(Self { agent, url: format!("http://{}", port.http), issuer: port.issuer()? })
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<(u16, String)> {
        let mut request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = request.send(body.to_string())?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    }

    fn get(&self, url: &str) -> Result<String> {
        let mut answer = self.agent.get(url).call()?;
        ensure!(answer.status().as_u16() == 200, "{url} was answered with {}", answer.status());
        Ok(answer.body_mut().read_to_string()?)
    }

    fn sign_in(&self, handle: &str, password: &str) -> Result<(u16, String)> {
        self.post("/v1/sessions", None, &json!({ "handle": handle, "password": password }))
    }

    /// Signs up and in; the access token.
    fn arrive(&self) -> Result<String> {
        let body = json!({ "handle": HANDLE, "password": PASSWORD });
        let (status, text) = self.post("/v1/travellers", None, &body)?;
        ensure!(status == 201, "signing up was answered with {status}: {text}");
        let (status, text) = self.sign_in(HANDLE, PASSWORD)?;
        ensure!(status == 200, "signing in was answered with {status}: {text}");
        let session: Value = serde_json::from_str(&text)?;
        Ok(session["access_token"].as_str().context("no token")?.to_owned())
    }

    /// A passport, presented, with all that believing it takes.
    fn sample(&self, token: &str) -> Result<Sample> {
        let key = Key::generate()?;
        let proof = sign::proof_of_possession(&key, &self.issuer)?;
        let (status, text) = self.post("/v1/passports", Some(token), &json!({ "proof": proof }))?;
        ensure!(status == 200, "a passport was answered with {status}: {text}");
        let issued: Value = serde_json::from_str(&text)?;
        let passport = issued["passport"].as_str().context("no passport")?;
        let presentation = presentation::present(&key, passport, WORLD, NONCE, &["handle"])?;
        let keys = self.get(&format!("{}/.well-known/jwks.json", self.url))?;
        let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let set = KeySet::from_json(&keys)?;
        let believed = presentation::verify(&presentation, &set, &self.issuer, WORLD, NONCE)?;
        let status = believed.status.context("the passport has no status")?;
        let path = status.uri.strip_prefix(&self.issuer).context("the list is elsewhere")?;
        let status_list = self.get(&format!("{}{path}", self.url))?;
        Ok(Sample { presentation, keys, status_list, issuer: self.issuer.clone(), now_ms })
    }
}
