//! Pages for people whose commands are executed as they stand there.

use crate::host::Host;
use crate::{project, tools};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pages, and where their commands work.
#[derive(Debug)]
pub struct Pages {
    commands: String,
    variables: Vec<(String, String)>,
    folder: PathBuf,
}

impl Pages {
    /// What stands in the `sh` blocks of pages, in order, but for lines that begin with some words. Of a
    /// page that is named with a heading, `page.md#Heading`, only what stands under it.
    pub fn read(pages: &[&str], left_out: &[&str]) -> Self {
        let mut commands = String::from("set -euo pipefail\nvwp() { target/release/vwp \"$@\"; }\n");
        let mut is_inside = false;
        for page in pages {
            let (page, wanted) =
                page.split_once('#').map_or((*page, None), |(page, heading)| (page, Some(heading)));
            let text = std::fs::read_to_string(project().join(page)).expect("the page");
            let mut is_wanted = wanted.is_none();
            for line in text.lines() {
                if let (false, Some(wanted), Some(heading)) = (is_inside, wanted, line.strip_prefix("## ")) {
                    is_wanted = heading == wanted;
                }
                match line {
                    _ if !is_wanted => {}
                    "```sh" => is_inside = true,
                    "```" => is_inside = false,
                    _ if is_inside && !left_out.iter().any(|words| line.starts_with(words)) => {
                        commands.push_str(line);
                        commands.push('\n');
                    }
                    _ => {}
                }
            }
        }
        Self { commands, variables: Vec::new(), folder: project() }
    }

    /// The same with another text for one that pages use.
    #[must_use]
    pub fn with(mut self, usual: &str, here: &str) -> Self {
        self.commands = self.commands.replace(usual, here);
        self
    }

    /// The same with a variable that pages use and do not set.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same in another folder than the project's.
    #[must_use]
    pub fn inside(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// The same at a deployment, and with files of its own.
    #[must_use]
    pub fn at(self, host: &Host, journey: &Path) -> Self {
        let journey = journey.display().to_string();
        let program = Host::program().display().to_string();
        self.with("127.0.0.1:3000", host.url.trim_start_matches("http://"))
            .with("target/journey", &journey)
            .with("target/release/vwp", &program)
    }

    /// Executes all of it; gives out what was printed. Fails where a command does.
    #[track_caller]
    pub fn run(&self) -> String {
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(&self.commands).current_dir(&self.folder);
        tools::run(shell.envs(self.variables.iter().map(|(name, value)| (name, value))))
    }
}
