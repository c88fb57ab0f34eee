//! The README's journey, executed as it stands there. Where Spin serves, or we serve as Spin
//! would, the questions over DNS are left out, because Spin has no listener for them.

use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::kind::Kind;
use vwp_tests::{project, tools};

/// The README's commands: what stands in its `sh` blocks, in order.
fn commands(readme: &str, with_dns: bool) -> String {
    let mut commands = String::from("set -euo pipefail\n");
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside && (with_dns || !line.starts_with("dig ")) => {
                commands.push_str(line);
                commands.push('\n');
            }
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_of_the_readme_works_in_order_and_shows_what_it_says() {
    if !tools::require("dig", "bind9-dnsutils") || !tools::require("curl", "curl") {
        return;
    }
    let with_dns = Kind::chosen().is_vwp();
    let host = Host::start_own();
    let journey = tempfile::tempdir().expect("a folder");
    let readme = std::fs::read_to_string(project().join("README.md")).expect("the README");
    let dns = host.dns.map(|address| address.port()).unwrap_or_default();
    assert_eq!(host.dns.is_some(), with_dns, "our runtime answers DNS, and no other host does");
    let state = host.state_folder().expect("an own deployment has a state").display().to_string();
    // The README speaks of the default addresses and folders; this deployment has its own.
    let commands = commands(&readme, with_dns)
        .replace("127.0.0.1:3000", host.url.trim_start_matches("http://"))
        .replace("-p 5300", &format!("-p {dns}"))
        .replace("target/journey", &journey.path().display().to_string())
        .replace("data/secrets", &format!("{state}/secrets"))
        .replace("target/release/vwp", &Host::program().display().to_string());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&commands).current_dir(project());
    let printed = tools::run(&mut shell);
    let over_dns = [
        r#"1 play.arena.example. port=25565 key65280="minecraft""#,
        "1 0 25565 play.arena.example.",
        r#""v=vw1" "title=Arena""#,
    ];
    for expected in over_dns.into_iter().filter(|_| with_dns) {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    for expected in [
        r#"{"name":"arena","fqdn":"arena.vwp.test""#,
        r#""type":"urn:vwp:problem:record-replayed""#,
        r#""handle":"ada""#,
        r#""vct":"urn:vwp:passport:1""#,
        r#""vct": "urn:vwp:passport:1""#,
        r#""balance":"9750","debits":"250","credits":"10000""#,
        "routes composed",
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    // A hundred requests with one key: one receipt, and the money moved once.
    assert_eq!(printed.matches(r#""to":"world:arena""#).count(), 1, "{printed}");
}
