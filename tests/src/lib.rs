//! Black-box tests over real sockets, against any host of the components.
//!
//! The suites in `tests/` know a deployment by its URL, its DNS address and its
//! administrator's token. Where `VWP_URL` is set they test what runs there (with
//! `VWP_DNS` and `VWP_ADMIN_TOKEN`, where known); otherwise each starts `vwp up` on free
//! ports with a state of its own, from `VWP_BIN` or `target/release/vwp`. `VWP_HOST` chooses
//! another host for that: see [`kind`].
//!
//! - [`host`]: a deployment, and the process behind it.
//! - [`application`]: a host of an integrator's own application, and [`guests`], of which it consists.
//! - [`kind`]: which host that process is.
//! - [`http`]: requests as the suites need them, with nothing done behind their back.
//! - [`raw`]: one exchange over a socket of its own, part by part.
//! - [`people`]: operators and travellers.
//! - [`dns`]: questions asked with `dig`, changes made with `nsupdate`, and raw messages.
//! - [`signed`]: a signed zone as those see it who validate.
//! - [`certificate`]: a certificate for this machine.
//! - [`libraries`]: clients made of libraries that this project did not write.
//! - [`browser`]: a real browser, with authenticators that hold passkeys.
//! - [`secrets`]: the secrets that a suite used, which no log may have.
//! - [`collector`]: a collector of traces; [`metrics`], what Prometheus would see.
//! - [`linearizable`]: whether what several were told fits one order.
//! - [`pages`]: pages whose commands are executed.
//! - [`tools`]: programs that the tests need and this project does not ship.
//! - [`foreign`]: servers that others wrote: [`secondaries`], which copy zones, and [`resolvers`].

pub mod application;
pub mod browser;
pub mod certificate;
pub mod collector;
pub mod dns;
pub mod foreign;
pub mod guests;
pub mod host;
pub mod http;
pub mod kind;
pub mod libraries;
pub mod linearizable;
pub mod metrics;
pub mod pages;
pub mod people;
pub mod raw;
pub mod resolvers;
pub mod secondaries;
pub mod secrets;
pub mod signed;
pub mod tools;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long something that is bound to happen may take on a busy machine.
const EVENTUALLY: Duration = Duration::from_mins(2);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The project's root folder.
pub fn project() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(PathBuf::from).unwrap_or(tests)
}

/// A folder of the build, for what is made once and used by many runs.
pub fn build_folder(name: &str) -> PathBuf {
    let folder = project().join("target").join("tests").join(name);
    std::fs::create_dir_all(&folder).expect("the build folder can be written");
    folder
}

/// A name that no run before has used, so that a suite can be repeated on a deployment
/// that keeps what it was told.
pub fn unique(prefix: &str) -> String {
    let mut random = [0; 6];
    getrandom::fill(&mut random).expect("the system gives randomness");
    random.iter().fold(format!("{prefix}-"), |name, byte| format!("{name}{byte:02x}"))
}

/// A random number below a bound.
pub fn random_below(bound: u64) -> u64 {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("the system gives randomness");
    u64::from_le_bytes(random) % bound.max(1)
}

/// Looks again and again until something has happened.
#[track_caller]
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + EVENTUALLY;
    while !happened() {
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
