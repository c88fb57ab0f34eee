//! The registry of a port that serves, on whatever host: worlds to register and to ask for.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many worlds are made up if no list of networks is given.
const WORLDS: usize = 200;

/// A registry, by where it answers.
#[derive(Clone, Copy)]
pub(crate) struct Registry {
    /// Where it answers HTTP.
    pub(crate) http: SocketAddr,
}

impl Registry {
    /// Registers the worlds of a list of networks, or made-up ones.
    pub(crate) fn import(&self, scratch: &Path, networks: Option<&Path>) -> Result<()> {
        let made_up = scratch.join("networks.json");
        let list = if let Some(list) = networks {
            list
        } else {
            let network = |number| {
                let id = format!("world-{number:03}");
                serde_json::json!({ "id": id, "name": format!("World {number}"), "addresses": [format!("{id}.example")] })
            };
            std::fs::write(&made_up, serde_json::to_vec(&(0..WORLDS).map(network).collect::<Vec<_>>())?)?;
            &made_up
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_vwp"));
        command.args([
            "world",
            "import",
            "--format",
            "minecraft-networks",
            "--url",
            &format!("http://{}", self.http),
        ]);
        command.arg("--keys-dir").arg(scratch.join("operators")).arg(list);
        // Worlds of a given list may be refused; how many there are is seen afterwards.
        let output = command.stdin(Stdio::null()).output().context("cannot start vwp world import")?;
        ensure!(!self.worlds()?.is_empty(), "no world: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The names of all worlds.
    pub(crate) fn worlds(&self) -> Result<Vec<String>> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: serde_json::Value =
                serde_json::from_str(&self.get(&format!("/v1/worlds?limit=100{cursor}"))?)?;
            let worlds =
                page.get("worlds").and_then(|worlds| worlds.as_array()).context("no worlds in the page")?;
            names.extend(worlds.iter().filter_map(|world| world.get("name")?.as_str()).map(str::to_owned));
            match page.get("next").and_then(|next| next.as_str()) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(names),
            }
        }
    }

    /// A document of the port. Asked for in HTTP/1.0, so that its end is the connection's
    /// and it comes in one piece (RFC 9112, section 7.1).
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.http)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
        let status = head.split_whitespace().nth(1);
        ensure!(status == Some("200"), "{path} was answered with {answer}");
        Ok(body.to_owned())
    }

    /// A script for `wrk` that asks for one world after the other.
    pub(crate) fn script(&self, scratch: &Path) -> Result<PathBuf> {
        let names: Vec<String> = self.worlds()?.iter().map(|name| format!("  \"{name}\",\n")).collect();
        let names = names.concat();
        let text = format!(
            "local names = {{\n{names}}}\nlocal at = 0\n\
             request = function()\n  at = at % #names + 1\n  return wrk.format(\"GET\", \"/v1/worlds/\" .. names[at])\nend\n"
        );
        let file = scratch.join("lookup.lua");
        std::fs::write(&file, text)?;
        Ok(file)
    }
}
