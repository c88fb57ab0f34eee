//! An address that a guest gives: what it says, and whether it is allowed.

use super::errors;
use super::wit::Error;
use crate::hosts::AllowedHosts;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The longest address, in bytes.
const ADDRESS_LENGTH_MAX: usize = 4096;
/// The port that PostgreSQL listens on if the address does not say.
const PORT_DEFAULT: u16 = 5432;
/// How long connecting to one of its hosts may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Reads an address and checks every host in it.
pub(super) fn parse(address: &str, allowed: &AllowedHosts) -> Result<Config, Error> {
    if address.len() > ADDRESS_LENGTH_MAX {
        return Err(errors::connection(format!("an address has at most {ADDRESS_LENGTH_MAX} bytes")));
    }
    // The parser's own error may repeat a part of the address, and that be the password.
    let mut config: Config = address
        .parse()
        .map_err(|_| errors::connection("the address is not a PostgreSQL connection string"))?;
    let mut hosts = Vec::new();
    for host in config.get_hosts() {
        match host {
            Host::Tcp(host) => hosts.push(host.clone()),
            Host::Unix(_) => return Err(errors::connection("Unix sockets are not offered to components")),
        }
    }
    // What is connected to if it is there; the host is then a name for the certificate.
    let addresses: Vec<String> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    if hosts.is_empty() && addresses.is_empty() {
        return Err(errors::connection("the address names no host"));
    }
    let ports = config.get_ports();
    for list in [hosts, addresses] {
        for (at, host) in list.iter().enumerate() {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(PORT_DEFAULT);
            if !allowed.permits("postgres", host, port) {
                let text = format!("address postgres://{host}:{port} is not permitted");
                return Err(errors::connection(text));
            }
        }
    }
    let timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_MAX).min(CONNECT_MAX);
    config.connect_timeout(timeout);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn refusal(address: &str) -> Option<String> {
        let allowed = ["postgres://db.example:5432".to_owned()];
        let allowed = AllowedHosts::parse(&allowed, &BTreeMap::new()).expect("valid");
        match parse(address, &allowed) {
            Ok(_) => None,
            Err(Error::ConnectionFailed(text)) => Some(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_host_of_an_address_must_be_allowed() {
        for address in [
            "postgres://user:hunter2@db.example/app",
            "postgresql://user@db.example:5432/app",
            "host=db.example user=a password=hunter2",
        ] {
            assert_eq!(refusal(address), None, "{address}");
        }
        for address in [
            "postgres://user:hunter2@db.example:5433/app",
            "postgres://user:hunter2@other.example/app",
            "postgres://user:hunter2@db.example,other.example/app",
            "postgres://user:hunter2@db.example/app?hostaddr=10.0.0.1",
            "host=db.example hostaddr=10.0.0.1 user=a password=hunter2",
            "host=/var/run/postgresql user=a password=hunter2",
            "postgres://%2Fvar%2Frun/app?password=hunter2",
            "user=a password=hunter2",
            "postgres://user:hunter2@db.example:notaport/app",
            "hunter2",
            "",
        ] {
            let said = refusal(address);
            assert!(said.is_some_and(|said| !said.contains("hunter2")), "{address}");
        }
    }
}
