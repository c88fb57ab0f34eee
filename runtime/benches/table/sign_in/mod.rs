//! Signing in, tokens, and believing presentations: what one takes of a core.
//!
//! Sign-ins, refreshes and introspections are whole requests to a `vwp up`, by the processor time that
//! it takes for them. They come from this machine, where no limit of a network applies. A password is
//! beside Argon2id alone, with the same parameters and compiled for this processor.

mod passkey;
mod presenting;
mod tokens;

use crate::Bench;
use crate::client::Client;
use crate::measure::{Figures, rate};
use crate::port::Port;
use crate::report::Row;
use anyhow::{Result, ensure};
use passkey::Passkey;
use presenting::Sample;
use std::time::Instant;
use tokens::Tokens;
use vwp_password::{Argon2id, SALT_LENGTH, Verdict};

/// What the port is called: passkeys are for names, and not for addresses.
const ISSUER: &str = "https://port.example";
/// A password login shall take no more of a core: 30 in a second.
const PASSWORD_MS_MAX: f64 = 33.0;
/// A login with a passkey: 600.
const PASSKEY_MS_MAX: f64 = 1.66;
/// A refresh or an introspection: 1,000.
const TOKEN_MS_MAX: f64 = 1.0;
/// How many failures follow each other: after more, all would be told to wait.
const FAILURES: u32 = 4;

const HANDLE: &str = "bench-traveller";
const PASSWORD: &str = "correct horse battery";

/// Signing in over HTTP, then verifying what a traveller presents.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    bench.remark(
        "sign-in: one traveller, one request at a time, from this machine: the limits of accounts and of all \
         apply, and none of a network",
    );
    let port = Port::start_as(ISSUER, &bench.scratch.path().join("sign-in"))?;
    let client = Client::new(&port)?;
    let token = client.arrive(HANDLE, PASSWORD)?;
    let mut rows = passwords(bench, &port, &client)?;
    rows.extend(over_http(bench, &port, &client, &token)?);
    let sample = Sample::of(&client, &token)?;
    port.stop()?;
    rows.extend(presenting::rows(bench, &sample)?);
    Ok(rows)
}

fn passwords(bench: &Bench, port: &Port, client: &Client) -> Result<Vec<Row>> {
    // By processor time, and so not in turns of a rate: each side says what one took.
    let [mut right, mut known, mut unknown, mut native] = std::array::from_fn(|_| Figures::default());
    let mut hasher = Argon2id::default();
    let phc = hasher.hash(PASSWORD, &[7; SALT_LENGTH])?;
    for round in 1..=bench.effort.rounds {
        bench.progress.say(&format!("signing in, round {round} of {}", bench.effort.rounds));
        let sign_in = |handle: &str, password: &str, wanted: u16| {
            let (status, text) = client.sign_in(handle, password)?;
            ensure!(status == wanted, "signing in was answered with {status}: {text}");
            Ok(())
        };
        // The right password comes last, because it ends the count of failures.
        let (nobody, wrong) = (format!("nobody{round}"), "not the password");
        known.push(cost(bench, port, Some(FAILURES), || sign_in(HANDLE, wrong, 401))?);
        unknown.push(cost(bench, port, Some(FAILURES), || sign_in(&nobody, wrong, 401))?);
        right.push(cost(bench, port, None, || sign_in(HANDLE, PASSWORD, 200))?);
        let alone = rate(bench.effort.turn, || {
            let verdict = hasher.verify(PASSWORD, Some(&phc))?;
            ensure!(verdict == Verdict::Right { outdated: false }, "Argon2id does not know its own hash");
            Ok(1)
        })?;
        native.push(1000.0 / alone);
    }
    let native = Some(("native Argon2id", &native));
    let unknown = Some(("of an unknown one", &unknown));
    Ok(vec![
        Row::quantity("password login, of a core", "ms", &right, native, Some(PASSWORD_MS_MAX)),
        Row::quantity("failed login of a known traveller, of a core", "ms", &known, unknown, None),
    ])
}

fn over_http(bench: &Bench, port: &Port, client: &Client, token: &str) -> Result<Vec<Row>> {
    let mut passkey = Passkey::register(client, token)?;
    let mut tokens = Tokens::granted(client)?;
    let [mut logins, mut refreshes, mut bound, mut asked] = std::array::from_fn(|_| Figures::default());
    for round in 1..=bench.effort.rounds {
        bench.progress.say(&format!("passkeys and tokens, round {round} of {}", bench.effort.rounds));
        logins.push(cost(bench, port, None, || passkey.sign_in(client))?);
        refreshes.push(cost(bench, port, None, || tokens.plain.refresh(client))?);
        bound.push(cost(bench, port, None, || tokens.bound.refresh(client))?);
        asked.push(cost(bench, port, None, || tokens.introspect(client))?);
    }
    let row = |name: &str, figures, max| {
        Row::quantity(format!("{name}, of a core"), "ms", figures, None, Some(max))
    };
    Ok(vec![
        row("passkey login, two requests", &logins, PASSKEY_MS_MAX),
        row("token refresh", &refreshes, TOKEN_MS_MAX),
        row("token refresh with DPoP", &bound, TOKEN_MS_MAX),
        row("token introspection", &asked, TOKEN_MS_MAX),
    ])
}

/// The processor time that the port takes for one, in milliseconds: as often as a turn allows, or
/// as told.
fn cost(bench: &Bench, port: &Port, count: Option<u32>, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let (before, start, mut done) = (port.cpu_seconds()?, Instant::now(), 0_u32);
    while count.map_or_else(|| start.elapsed() < bench.effort.turn, |count| done < count) {
        work()?;
        done += 1;
    }
    Ok((port.cpu_seconds()? - before) * 1000.0 / f64::from(done))
}
