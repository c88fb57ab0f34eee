//! `vwp up` with the manifest of an integrator's own application.

use crate::build_folder;
use crate::host::Host;
use crate::http::Http;
use crate::secrets;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// Of two that start at once each would compile what the other one compiles.
static STARTING: Mutex<()> = Mutex::new(());

/// A host that serves an integrator's application.
#[derive(Debug)]
pub struct Application {
    child: Child,
    folder: TempDir,
    /// Where it is asked.
    pub http: Http,
    /// Where it is served.
    pub url: String,
}

impl Application {
    /// Serves what a manifest says, with the values of some variables.
    pub fn start(manifest: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_with(manifest, variables, &["--dns-listen", "127.0.0.1:0"])
    }

    /// The same as Spin would serve it.
    pub fn start_portable(manifest: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_with(manifest, variables, &["--portable"])
    }

    /// The same, told more.
    pub fn start_with(manifest: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = folder(manifest);
        let state = folder.path().join("state");
        std::fs::create_dir(&state).expect("a folder for the state");
        // Compiled code is worth keeping between runs; the state is not.
        std::os::unix::fs::symlink(build_folder("cache"), state.join("cache")).expect("a link");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let mut command = Command::new(Host::program());
        command.arg("up").arg("-f").arg(folder.path()).arg("--state-dir").arg(state);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        for (name, value) in variables {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("vwp is built and starts");
        let mut printed = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let serving = |line: String| Some(line.strip_prefix("Serving ")?.to_owned());
        let url = printed.by_ref().map_while(Result::ok).find_map(serving).unwrap_or_default();
        // Nobody else reads what it goes on to print, and a full pipe would stop it.
        std::thread::spawn(move || printed.map_while(Result::ok).for_each(drop));
        let application = Self { child, folder, http: Http::new(&url), url };
        assert!(!application.url.is_empty(), "the host did not start:\n{}", application.log());
        application
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("the host's log:\n{log}");
        } else {
            let is_sound = !log.contains("defect") && !log.contains("panicked at");
            assert!(is_sound, "the host logged defects: {log}");
            secrets::note_state(&self.folder.path().join("state"));
            let leaks = secrets::leaks(log.lines());
            assert!(leaks.is_empty(), "the host logged secrets: {leaks:#?}");
        }
    }
}

/// A folder with this manifest in it.
pub fn folder(manifest: &str) -> TempDir {
    let folder = TempDir::with_prefix("vwp-application-").expect("a folder");
    std::fs::write(folder.path().join("spin.toml"), manifest).expect("a manifest");
    folder
}
