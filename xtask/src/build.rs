//! Building the components, in each profile, and the runtime.

use crate::portable::{self, ADAPTERS};
use crate::project::Project;
use crate::steps::Steps;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// The components that handle requests.
pub(crate) const HANDLERS: &[&str] =
    &[AUTH, "vwp-discovery-component", "vwp-transactions-component", "vwp-webhooks-component"];
/// The component that decides, which handles requests too.
pub(crate) const POLICY: &str = "vwp-policy-component";
/// What serves the description of the HTTP API.
pub(crate) const OPENAPI: &str = "vwp-openapi-component";
/// The adapter for Stripe.
pub(crate) const STRIPE: &str = "vwp-stripe-component";
/// The adapter for Open Payments.
pub(crate) const OPEN_PAYMENTS: &str = "vwp-open-payments-component";
/// What verifies passports elsewhere, which may import nothing.
pub(crate) const VERIFIER: &str = "vwp-verifier-component";
/// The packages of middleware.
pub(crate) const MIDDLEWARE: &[&str] =
    &["vwp-gateway-component", "vwp-caching-component", "vwp-compress-component", "vwp-limits-component"];
/// The examples for integrators: middleware, and a world server.
pub(crate) const EXAMPLES: [&str; 2] = ["vwp-passport-check", "vwp-world-rust"];

/// The state machine, which the storage adapters are composed with.
pub(crate) const MACHINE: &str = "vwp-ledger-component";
/// The password hasher, which is composed into [`AUTH`].
pub(crate) const HASHER: &str = "vwp-password-component";
/// The handler that the hasher is composed into.
pub(crate) const AUTH: &str = "vwp-auth-component";

/// What links no std. It is built by a cargo invocation of its own: among the others cargo would unify its
/// features with those of the handlers that use the same crates.
pub(crate) const WITHOUT_STD: &[&str] = &[MACHINE, HASHER];

/// How components are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    name: &'static str,
    /// The folder below `target` that cargo puts components into; none: `target` itself.
    folder: Option<&'static str>,
    /// What RUSTFLAGS are for it; none: what `.cargo/config.toml` says.
    flags: Option<&'static str>,
    /// The packages that are built in it. Each entry is built apart, because cargo unites the features of
    /// what it builds together, and what a component links must not ask for more than it imports: the
    /// gateway's features let it send requests, and Cedar's have serde_json keep the order of members.
    pub(crate) packages: &'static [&'static [&'static str]],
    /// What of it is optimised as one program, with all that it links.
    whole: &'static [&'static [&'static str]],
}

impl Profile {
    /// For every host: what spin.toml names.
    pub(crate) const BASELINE: Self = Self {
        name: "baseline",
        folder: None,
        flags: None,
        packages: &[
            HANDLERS,
            &[VERIFIER],
            MIDDLEWARE,
            WITHOUT_STD,
            &[POLICY],
            &[OPENAPI],
            &[STRIPE],
            &[OPEN_PAYMENTS],
            ADAPTERS,
            &[EXAMPLES[0]],
            &[EXAMPLES[1]],
        ],
        whole: &[WITHOUT_STD],
    };
    /// For our runtime only, and for what spends its time on P-256: with 64-bit multiplication with a
    /// 128-bit result. Its arithmetic is functions of a few instructions in several crates, which are
    /// made one only if they are optimised together: a signature takes a quarter less then, and verifying
    /// one a tenth.
    ///
    /// LLVM 22 gets some wide arithmetic wrong: where an instruction has two results, it may read the
    /// upper half before that is computed, as it does in `i64::checked_mul` in a loop and in
    /// `u128::saturating_sub`. These packages have no such place, which `tests/tests/wide.rs` sees to.
    /// Auth has some if it is optimised as one program, and so it is not; the other handlers have some
    /// in any case.
    const WIDE: Self = Self {
        name: "wide",
        folder: Some("wide"),
        flags: Some("-Ctarget-feature=+simd128,+wide-arithmetic"),
        packages: &[&[AUTH], &[VERIFIER]],
        whole: &[&[VERIFIER]],
    };

    const ALL: [Self; 2] = [Self::BASELINE, Self::WIDE];

    /// Where the component of a package is, once it is built. What a profile does not build is the
    /// baseline's.
    pub(crate) fn component(self, project: &Project, package: &str) -> PathBuf {
        let is_built = self.packages.iter().any(|packages| packages.contains(&package));
        let folder = if is_built { self.target_dir(project) } else { project.target() };
        let file = package.replace('-', "_");
        folder.join(TARGET).join("release").join(file).with_extension("wasm")
    }

    /// Where a component is that others were composed into.
    pub(crate) fn composed(self, project: &Project, name: &str) -> PathBuf {
        self.target_dir(project).join("composed").join(name).with_extension("wasm")
    }

    fn target_dir(self, project: &Project) -> PathBuf {
        self.folder.map_or_else(|| project.target(), |folder| project.target().join(folder))
    }

    /// The command that builds an entry of its packages.
    pub(crate) fn cargo(self, project: &Project, packages: &[&str]) -> Command {
        let mut command = project.cargo(&format!("build --release --target {TARGET}"));
        for package in packages {
            command.args(["-p", package]);
        }
        // What is compiled for this machine, as macros are, is the same in each profile and shared.
        command.env("CARGO_TARGET_DIR", self.target_dir(project));
        command.env("CARGO_BUILD_BUILD_DIR", project.target());
        if self.whole.contains(&packages) {
            command.env("CARGO_PROFILE_RELEASE_LTO", "fat");
        }
        if packages.contains(&POLICY) {
            // Natively nobody waits for it, and Cargo.toml leaves it as it is.
            for library in ["cedar-policy", "cedar-policy-core", "cedar-policy-formatter"] {
                command.args(["--config", &format!("profile.release.package.{library}.opt-level=3")]);
                // Nothing else is left to compile beside it, so it has all cores.
                command.args(["--config", &format!("profile.release.package.{library}.codegen-units=4")]);
            }
        }
        if let Some(flags) = self.flags {
            let given = std::env::var("RUSTFLAGS").unwrap_or_default();
            command.env("RUSTFLAGS", format!("{given} {flags}").trim());
        }
        command
    }
}

/// Builds the components, then the runtime. Without what is for our runtime only, if that is not wanted.
pub(crate) fn run(project: &Project, is_wide: bool) -> Result<()> {
    let profiles = if is_wide { &Profile::ALL[..] } else { &[Profile::BASELINE] };
    let mut steps = Steps::new(entries(profiles) + 1);
    compile(project, profiles, &mut steps)?;
    steps.run("the runtime", project.cargo("build --release -p vwp-runtime"))
}

/// Builds the components in every profile.
pub(crate) fn components(project: &Project) -> Result<()> {
    compile(project, &Profile::ALL, &mut Steps::new(entries(&Profile::ALL)))
}

fn entries(profiles: &[Profile]) -> usize {
    profiles.iter().map(|profile| profile.packages.len()).sum()
}

fn compile(project: &Project, profiles: &[Profile], steps: &mut Steps) -> Result<()> {
    ensure_target()?;
    for profile in profiles {
        for packages in profile.packages {
            let what = format!("{}, {}", packages.join(", "), profile.name);
            steps.run(&what, profile.cargo(project, packages))?;
        }
        portable::compose_auth(project, *profile)?;
    }
    portable::compose(project)
}

/// Builds the component of travellers, with the password hasher composed in.
pub(crate) fn auth(project: &Project) -> Result<()> {
    some(project, &[&[AUTH], WITHOUT_STD])?;
    portable::compose_auth(project, Profile::BASELINE)
}

/// Builds the component that decides.
pub(crate) fn policy(project: &Project) -> Result<()> {
    some(project, &[&[POLICY]])
}

/// Builds the storage adapters for other hosts, with the ledger composed in.
pub(crate) fn storage(project: &Project) -> Result<()> {
    some(project, &[WITHOUT_STD, ADAPTERS])?;
    portable::compose(project)
}

/// Builds some of what is for every host.
fn some(project: &Project, packages: &[&[&str]]) -> Result<()> {
    ensure_target()?;
    let mut steps = Steps::new(packages.len());
    for packages in packages {
        steps.run(&packages.join(", "), Profile::BASELINE.cargo(project, packages))?;
    }
    Ok(())
}

/// Sees to it that rustc can compile for [`TARGET`].
pub(crate) fn ensure_target() -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("rustc is needed; install Rust from https://rustup.rs")?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&libraries).is_dir() {
        return Ok(());
    }
    eprintln!("adding the target {TARGET}");
    rustup(&["target", "add", TARGET]).with_context(|| format!("the target {TARGET} is needed"))
}

/// Sees to it that `cargo fmt` and `cargo clippy` are there, which rustup's minimal
/// profile leaves out.
pub(crate) fn ensure_linters(project: &Project) -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut probe = project.cargo(subcommand);
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            eprintln!("adding {component}");
            rustup(&["component", "add", component]).with_context(|| format!("{component} is needed"))?;
        }
    }
    Ok(())
}

fn rustup(arguments: &[&str]) -> Result<()> {
    let wanted = format!("`rustup {}`", arguments.join(" "));
    let status = Command::new("rustup")
        .args(arguments)
        .status()
        .with_context(|| format!("{wanted} cannot start; install rustup from https://rustup.rs"))?;
    if !status.success() {
        bail!("{wanted} failed");
    }
    Ok(())
}
