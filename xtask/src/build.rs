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
pub(crate) const HANDLERS: &[&str] = &[AUTH, "vwp-discovery-component", "vwp-transactions-component"];
/// The component that decides, which handles requests too. It is built apart: Cedar asks serde_json
/// to keep the order of members, which the other handlers do not pay for.
pub(crate) const POLICY: &str = "vwp-policy-component";
/// What serves the description of the HTTP API. Built apart as the gateway is, and for every host: it
/// computes nothing.
pub(crate) const OPENAPI: &str = "vwp-openapi-component";
/// The adapter for Stripe. Built apart, for every host: it computes nothing, and asks the SDK for less than the
/// handlers do.
pub(crate) const STRIPE: &str = "vwp-stripe-component";
/// What verifies passports elsewhere. Built apart, because it may import nothing.
pub(crate) const VERIFIER: &str = "vwp-verifier-component";
/// The package of the middleware.
pub(crate) const MIDDLEWARE: &str = "vwp-gateway-component";
/// The example of middleware for integrators. Apart, because it asks the SDK for more than the
/// handlers do. Hosts other than ours run it, and so it is built for them alone.
pub(crate) const EXAMPLE: &str = "vwp-passport-check";

/// The state machine. It is built by a cargo invocation of its own: it links no std, and
/// among the others cargo would unify its features with those of the handlers that use
/// its codec.
pub(crate) const MACHINE: &str = "vwp-ledger-component";

/// The password hasher, which links no std either, and is composed into [`AUTH`].
pub(crate) const HASHER: &str = "vwp-password-component";
/// The handler that the hasher is composed into.
pub(crate) const AUTH: &str = "vwp-auth-component";

/// How components are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    name: &'static str,
    /// The folder below `target` that cargo puts components into; none: `target` itself.
    folder: Option<&'static str>,
    /// What RUSTFLAGS are for it; none: what `.cargo/config.toml` says.
    flags: Option<&'static str>,
    /// The packages that are built in it, each with whether it is optimised as one program, with all
    /// that it links.
    packages: &'static [(&'static [&'static str], bool)],
}

impl Profile {
    /// For every host: what spin.toml names. Each entry is built apart, because cargo unites the
    /// features of what it builds together: the gateway's let a component send requests, and what links
    /// no std must not be given it.
    pub(crate) const BASELINE: Self = Self {
        name: "baseline",
        folder: None,
        flags: None,
        packages: &[
            (HANDLERS, false),
            (&[VERIFIER], false),
            (&[MIDDLEWARE], false),
            (&[MACHINE, HASHER], true),
        ],
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
        packages: &[(&[AUTH], false), (&[VERIFIER], true)],
    };
    /// Every profile, in the order in which they are built.
    pub(crate) const ALL: [Self; 2] = [Self::BASELINE, Self::WIDE];

    /// Whether hosts other than ours may refuse what it yields.
    pub(crate) fn is_wide(self) -> bool {
        self == Self::WIDE
    }

    /// Where the component of a package is, once it is built. What a profile does not build is the
    /// baseline's.
    pub(crate) fn component(self, project: &Project, package: &str) -> PathBuf {
        let is_built = self.packages.iter().any(|(packages, _)| packages.contains(&package));
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

    fn cargo(self, project: &Project, packages: &[&str], is_whole: bool) -> Command {
        let mut command = project.cargo(&format!("build --release --target {TARGET}"));
        for package in packages {
            command.args(["-p", package]);
        }
        // What is compiled for this machine, as macros are, is the same in each profile and shared.
        command.env("CARGO_TARGET_DIR", self.target_dir(project));
        command.env("CARGO_BUILD_BUILD_DIR", project.target());
        if is_whole {
            command.env("CARGO_PROFILE_RELEASE_LTO", "fat");
        }
        if packages.contains(&POLICY) {
            // Natively nobody waits for it, and Cargo.toml leaves it as it is.
            for library in ["cedar-policy", "cedar-policy-core", "cedar-policy-formatter"] {
                command.args(["--config", &format!("profile.release.package.{library}.opt-level=3")]);
            }
        }
        if let Some(flags) = self.flags {
            let given = std::env::var("RUSTFLAGS").unwrap_or_default();
            command.env("RUSTFLAGS", format!("{given} {flags}").trim());
        }
        command
    }
}

/// Builds the components in the profiles, then the runtime.
pub(crate) fn run(project: &Project, profiles: &[Profile]) -> Result<()> {
    ensure_target()?;
    // The manifest names Spin's storage for every host, and it is made for all of them.
    let baseline = Profile::BASELINE;
    let ledger_is_built = profiles.contains(&baseline);
    let each = profiles.iter().map(|profile| profile.packages.len());
    let mut steps = Steps::new(each.sum::<usize>() + 6 + usize::from(!ledger_is_built));
    if !ledger_is_built {
        steps.run("the ledger and the hasher", baseline.cargo(project, &[MACHINE, HASHER], true))?;
    }
    for profile in profiles {
        for (packages, is_whole) in profile.packages {
            let what = format!("{}, {}", packages.join(", "), profile.name);
            steps.run(&what, profile.cargo(project, packages, *is_whole))?;
        }
        portable::compose_auth(project, *profile)?;
    }
    // In one profile for every host: it computes little with P-256, and Cedar compiles for minutes.
    steps.run("the policies", baseline.cargo(project, &[POLICY], false))?;
    steps.run("the API's description", baseline.cargo(project, &[OPENAPI], false))?;
    steps.run("the adapter for Stripe", baseline.cargo(project, &[STRIPE], false))?;
    // Apart as well: what they link must not ask for more than they import.
    steps.run("the storage adapters", baseline.cargo(project, ADAPTERS, false))?;
    portable::compose(project)?;
    steps.run("the example", baseline.cargo(project, &[EXAMPLE], false))?;
    steps.run("the runtime", project.cargo("build --release -p vwp-runtime"))
}

/// Builds the component of travellers, with the password hasher composed in.
pub(crate) fn auth(project: &Project) -> Result<()> {
    ensure_target()?;
    let mut steps = Steps::new(2);
    steps.run("auth, baseline", Profile::BASELINE.cargo(project, &[AUTH], false))?;
    steps.run("the hasher, baseline", Profile::BASELINE.cargo(project, &[MACHINE, HASHER], true))?;
    portable::compose_auth(project, Profile::BASELINE)
}

/// Builds the component that decides.
pub(crate) fn policy(project: &Project) -> Result<()> {
    ensure_target()?;
    Steps::new(1).run("the policies", Profile::BASELINE.cargo(project, &[POLICY], false))
}

/// Builds the storage adapters for other hosts, with the ledger composed in.
pub(crate) fn storage(project: &Project) -> Result<()> {
    ensure_target()?;
    let mut steps = Steps::new(2);
    steps.run("the ledger, baseline", Profile::BASELINE.cargo(project, &[MACHINE, HASHER], true))?;
    steps.run("the storage adapters", Profile::BASELINE.cargo(project, ADAPTERS, false))?;
    portable::compose(project)
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
