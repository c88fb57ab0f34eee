//! Programs that the tests need and this project does not ship. A missing one is
//! installed where that is possible, a failure under `CI=true`, and otherwise said so
//! loudly.

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// apt-get holds a lock of its own and fails when it is taken.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Whether the tests run where nothing may be skipped.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Says that something was not tested; fails where nothing may be skipped.
pub fn skip(what: &str, why: &str) {
    assert!(!is_ci(), "{what} cannot be tested: {why}");
    // Straight to the terminal: the test runner hides what a passing test prints.
    let line = format!("\n*** SKIPPED: {what}: {why} ***\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// Whether a program is there, after installing its Debian package if it was not.
pub fn require(program: &str, package: &str) -> bool {
    let _guard = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if is_there(program) {
        return true;
    }
    if rustix::process::geteuid().is_root() {
        let apt = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let _ = apt(&["update", "-qq"]) && apt(&["install", "-y", "-qq", package]);
    }
    if is_there(program) {
        return true;
    }
    skip(program, &format!("it is not installed; it comes with the Debian package {package}"));
    false
}

fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Runs a program to its end; panics with what it printed if it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?} failed: {}", shown(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a program to its end.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?} cannot be run: {error}"),
    }
}

/// What a program printed, and how it ended.
pub fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}
