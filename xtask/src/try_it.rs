//! What the runtime prints, and then three commands to try.

use crate::project::Project;
use anyhow::Result;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The networks that the project brings along, by their path below its root.
const FIXTURE: &str = "tests/fixtures/minecraft-networks.json";

/// Where the runtime answers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Addresses {
    http: Option<SocketAddr>,
    dns: Option<SocketAddr>,
}

/// Passes standard input on to standard output, until it ends. Once both addresses have
/// gone by, the commands follow.
pub(crate) fn follow(project: &Project, zone: &str) -> Result<()> {
    let mut addresses = Addresses::default();
    let mut told = false;
    for line in std::io::stdin().lines() {
        let line = line?;
        let mut output = std::io::stdout().lock();
        writeln!(output, "{line}")?;
        addresses.learn(&line);
        if let (Some(http), Some(dns), false) = (addresses.http, addresses.dns, told) {
            told = true;
            writeln!(output, "\nThree commands to try, in this order, in another terminal:\n")?;
            for command in commands(project, http, dns, zone, has_dig()) {
                writeln!(output, "  {command}")?;
            }
            writeln!(output, "\nCtrl-C stops.")?;
        }
    }
    Ok(())
}

impl Addresses {
    fn learn(&mut self, line: &str) {
        if let Some(address) = line.strip_prefix("Serving http://") {
            self.http = parse(address);
        } else if let Some(address) = line.strip_prefix("DNS on ") {
            self.dns = parse(address);
        }
    }
}

/// The address at the start of a text, as a client on this machine reaches it.
fn parse(text: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = text.split([' ', '/']).next()?.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}

fn commands(project: &Project, http: SocketAddr, dns: SocketAddr, zone: &str, has_dig: bool) -> [String; 3] {
    // Relative paths where they are right, because they read better.
    let is_here = std::env::current_dir().is_ok_and(|folder| folder == project.root);
    let base = if is_here { std::path::PathBuf::new() } else { project.root.clone() };
    let runtime = base.join("target/release/vwp");
    let fixture = base.join(FIXTURE);
    let world = first_world(&std::fs::read_to_string(project.root.join(FIXTURE)).unwrap_or_default())
        .unwrap_or_else(|| "hypixel".to_owned());
    [
        format!(
            "{} world import --format minecraft-networks --url http://{http} {}",
            runtime.display(),
            fixture.display()
        ),
        format!("curl -s 'http://{http}/v1/worlds?q={world}'"),
        if has_dig {
            format!("dig @{} -p {} SVCB _vw.{world}.{zone}", dns.ip(), dns.port())
        } else {
            format!("curl -s http://{http}/v1/worlds/{world}")
        },
    ]
}

/// Whether the shell would find dig, which few machines have from the start.
fn has_dig() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("dig").is_file())
}

/// The first network of a list whose id is the name of its world as it stands.
fn first_world(list: &str) -> Option<String> {
    let list: serde_json::Value = serde_json::from_str(list).ok()?;
    let is_plain = |id: &&str| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    list.as_array()?.iter().filter_map(|network| network["id"].as_str()).find(is_plain).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_reach_what_the_runtime_said() {
        let mut addresses = Addresses::default();
        addresses.learn("Serving http://127.0.0.1:3000");
        addresses.learn("a line about something else");
        addresses.learn("DNS on 0.0.0.0:5300 (UDP, TCP)");
        let project = Project { root: "/nowhere".into() };
        let (http, dns) = (addresses.http.unwrap(), addresses.dns.unwrap());
        let [import, curl, dig] = commands(&project, http, dns, "vwp.test", true);
        assert!(import.contains("--url http://127.0.0.1:3000 /nowhere/tests/fixtures"), "{import}");
        assert!(curl.starts_with("curl -s 'http://127.0.0.1:3000/v1/worlds?q="), "{curl}");
        assert!(dig.starts_with("dig @127.0.0.1 -p 5300 SVCB _vw."), "{dig}");
        assert!(dig.ends_with(".vwp.test"), "{dig}");
    }

    #[test]
    fn without_dig_the_third_command_is_one_that_works_all_the_same() {
        let project = Project { root: "/nowhere".into() };
        let (http, dns) = (parse("127.0.0.1:3000").unwrap(), parse("127.0.0.1:5300").unwrap());
        let [.., last] = commands(&project, http, dns, "vwp.test", false);
        assert!(last.starts_with("curl -s http://127.0.0.1:3000/v1/worlds/"), "{last}");
    }

    #[test]
    fn the_world_to_look_for_is_one_that_the_import_registers() {
        let list = r#"[{"id": "Two Words", "addresses": []}, {"id": "plain1", "addresses": ["a.example"]}]"#;
        assert_eq!(first_world(list), Some("plain1".to_owned()));
        assert_eq!(first_world("not JSON"), None);
    }
}
