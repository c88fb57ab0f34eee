//! The values of options that need reading: addresses, `NAME=VALUE`, and files of
//! variables, in the forms that `spin up` takes. No error repeats a value, because values
//! may be secret.

use crate::networks;
use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

/// The longest file of variables that is read, in bytes.
const FILE_LENGTH_MAX: u64 = 1024 * 1024;
/// The file in the current folder that adds to the environment, as in Spin.
const DOTENV: &str = ".env";

/// Reads `HOST:PORT`. Of a name's addresses 127.0.0.1 is preferred, as in Spin.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("not ADDRESS:PORT ({error})"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let local = addresses.iter().find(|address| address.is_ipv4() && address.ip().is_loopback());
    local.or(addresses.first()).copied().ok_or_else(|| "the name has no address".to_owned())
}

/// Reads a network, or an address that is one by itself.
pub fn network(text: &str) -> Result<IpNet, String> {
    networks::parse(text).ok_or_else(|| "not a network".to_owned())
}

/// Reads the values of `--env`: variables of the environment for every component.
pub fn environment(options: &[String]) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for option in options {
        let (name, value) = option.split_once('=').context("--env takes NAME=VALUE")?;
        if name.is_empty() || option.contains('\0') {
            bail!("--env takes NAME=VALUE, without null bytes, and the name may not be empty");
        }
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

/// Reads the values of `--variable`: `NAME=VALUE`, `NAME=@FILE`, `@FILE.json` or
/// `@FILE.toml`. Of several values of a variable the last one stands.
pub fn variables(options: &[String]) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for option in options {
        if let Some(file) = option.strip_prefix('@') {
            variables.extend(table(Path::new(file)).context("--variable")?);
            continue;
        }
        let Some((name, value)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("--variable takes NAME=VALUE, NAME=@FILE, @FILE.json or @FILE.toml");
        };
        let value = match value.strip_prefix('@') {
            Some(file) => text(Path::new(file)).with_context(|| format!("--variable {name}"))?,
            None => value.to_owned(),
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

/// A file with a table of names and texts. What is wrong with it is told by its place.
fn table(file: &Path) -> Result<BTreeMap<String, String>> {
    let shown = file.display();
    match file.extension().and_then(std::ffi::OsStr::to_str) {
        Some("json") => serde_json::from_str(&text(file)?).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            anyhow::anyhow!("{shown} is not a JSON object of texts: line {line}, column {column}")
        }),
        Some("toml") => {
            let text = text(file)?;
            toml::from_str(&text).map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                anyhow::anyhow!("{shown} is not a TOML table of texts: line {line}")
            })
        }
        _ => bail!("{shown}: a file of variables ends in .json or .toml"),
    }
}

fn text(file: &Path) -> Result<String> {
    let shown = file.display();
    let mut text = String::new();
    let opened = File::open(file).with_context(|| format!("cannot read {shown}"))?;
    opened
        .take(FILE_LENGTH_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {shown} as text"))?;
    if text.len() as u64 > FILE_LENGTH_MAX {
        bail!("{shown} is longer than {FILE_LENGTH_MAX} bytes");
    }
    Ok(text)
}

/// The process's environment, and behind it what `.env` in the current folder adds.
pub struct Environment {
    file: BTreeMap<String, String>,
}

impl Environment {
    /// Reads `.env`, if there is one.
    pub fn read() -> Result<Self> {
        let path = Path::new(DOTENV);
        if !path.is_file() {
            return Ok(Self { file: BTreeMap::new() });
        }
        let text = text(path)?;
        let lines = dotenvy::from_read_iter(text.as_bytes());
        // The error would repeat the line.
        let file = lines.collect::<Result<_, _>>().map_err(|_| {
            anyhow::anyhow!("{DOTENV} in the current folder is malformed: a line is NAME=VALUE")
        })?;
        Ok(Self { file })
    }

    /// The value of a variable, if it has one.
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(self.file.get(name).cloned()),
            Err(std::env::VarError::NotUnicode(_)) => bail!("{name} in the environment is not Unicode"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(options: &[&str]) -> Result<BTreeMap<String, String>> {
        variables(&options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_last_value_of_a_variable_stands_whatever_form_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file");
            path.display().to_string()
        };
        let text = file("text", "from text\n");
        let json = file("all.json", r#"{"a": "from json", "b": "too"}"#);
        let toml = file("all.toml", "a = 'from toml'");
        let of = |options: &[&str]| given(options).expect("well formed")["a"].clone();
        assert_eq!(of(&["a=1", "a=x=y"]), "x=y");
        assert_eq!(of(&["a=1", &format!("a=@{text}")]), "from text\n");
        assert_eq!(of(&["a=1", &format!("@{json}")]), "from json");
        assert_eq!(of(&[&format!("@{json}"), &format!("@{toml}")]), "from toml");
        assert_eq!(of(&["a="]), "");
    }

    #[test]
    fn what_is_malformed_is_named_without_its_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let malformed = [
            ("a.json", r#"{"a": 4711}"#),
            ("b.json", "\"4711"),
            ("a.toml", "a = 4711"),
            ("b.toml", "a = '4711"),
            ("c.yaml", "a: 4711"),
        ];
        for (name, content) in malformed {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("a file");
            let error = given(&[&format!("@{}", path.display())]).expect_err(name);
            let said = format!("{error:#}");
            assert!(said.contains(name) && !said.contains("4711"), "{said}");
        }
        for option in ["4711", "=4711", "a=@/missing/file", "@missing.json"] {
            let said = format!("{:#}", given(&[option]).expect_err(option));
            assert!(said.contains("--variable") && !said.contains("4711"), "{said}");
        }
        for option in ["4711", "=4711", "a=4711\0"] {
            let said = format!("{:#}", environment(&[option.to_owned()]).expect_err(option));
            assert!(said.contains("--env") && !said.contains("4711"), "{said}");
        }
    }

    #[test]
    fn an_address_may_be_given_by_name() {
        assert_eq!(address("127.0.0.1:80").expect("an address").port(), 80);
        assert_eq!(address("[::1]:0").expect("an address").port(), 0);
        assert_eq!(address("localhost:1234").expect("an address").to_string(), "127.0.0.1:1234");
        assert!(address("3000").is_err());
        assert!(address("127.0.0.1").is_err());
    }

    #[test]
    fn a_network_may_be_one_address() {
        let shown = |text: &str| network(text).map(|network| network.to_string());
        assert_eq!(shown("192.0.2.9/24"), Ok("192.0.2.0/24".to_owned()));
        assert_eq!(shown("2001:db8::1"), Ok("2001:db8::1/128".to_owned()));
        assert!(shown("proxy.example").is_err());
    }
}
