//! What the DNS says of the zone: whether its parent leads to it, and whether it does so signed.

use super::Finding;
use crate::manifest::App;
use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

/// The variable that holds the zone's name.
const ZONE_VARIABLE: &str = "zone";
/// Names that no public zone has (RFC 6761, RFC 9476), so that nobody can be asked about them.
const PRIVATE: [&str; 5] = ["test", "localhost", "invalid", "example", "alt"];
/// How long a resolver may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may be (RFC 6891, section 6.2.5).
const ANSWER_LENGTH_MAX: usize = 4096;

pub(super) fn look(app: &App, given: &BTreeMap<String, String>, resolver: Option<SocketAddr>) -> Finding {
    let check = "delegation";
    let default = app.variables.get(ZONE_VARIABLE).and_then(|variable| variable.default.as_ref());
    let Some(zone) = given.get(ZONE_VARIABLE).or(default) else {
        return Finding::skipped(check, "no variable says which zone is served");
    };
    let last = zone.trim_end_matches('.').rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if PRIVATE.contains(&last.as_str()) && resolver.is_none() {
        let text = format!("{zone} is no public name: for one, set the variable zone (docs/zone.md)");
        return Finding::warning(check, text);
    }
    let Some(resolver) = resolver.or_else(system_resolver) else {
        return Finding::skipped(check, "there is no resolver in /etc/resolv.conf to ask; see --resolver");
    };
    match (ask(resolver, zone, Rtype::NS), ask(resolver, zone, Rtype::DS)) {
        (Ok(0), _) => {
            let text =
                format!("{zone} is not delegated: have its parent name your name servers (docs/zone.md)");
            Finding::wrong(check, text)
        }
        (Ok(servers), Ok(0)) => {
            let text = format!(
                "{zone} is delegated to {servers} name servers, and not signed for its parent: give it the DS that `vwp zone keys` prints"
            );
            Finding::warning(check, text)
        }
        (Ok(servers), Ok(_)) => {
            Finding::ok(check, format!("{zone} is delegated to {servers} name servers, with a DS"))
        }
        (Err(reason), _) | (_, Err(reason)) => {
            Finding::skipped(check, format!("{resolver} did not say where {zone} is: {reason}"))
        }
    }
}

/// The first resolver of this machine.
fn system_resolver() -> Option<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
    let address = text.lines().find_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())?;
    Some(SocketAddr::new(address, 53))
}

/// How many records of a type a name has, as a resolver says.
fn ask(resolver: SocketAddr, zone: &str, rtype: Rtype) -> Result<u16, String> {
    let name = Name::<Vec<u8>>::from_str(zone).map_err(|_| "it is no name".to_owned())?;
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|error| error.to_string())?;
    let mut question = MessageBuilder::new_vec();
    question.header_mut().set_id(u16::from_be_bytes(id));
    question.header_mut().set_rd(true);
    let mut question = question.question();
    question.push((&name, rtype)).map_err(|_| "it is too long".to_owned())?;
    let sent = question.finish();
    let local: SocketAddr =
        if resolver.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let exchange = || -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind(local)?;
        // Only what comes from there is received then.
        socket.connect(resolver)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send(&sent)?;
        let mut answer = vec![0; ANSWER_LENGTH_MAX];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    let answer = Message::from_octets(exchange().map_err(|error| error.to_string())?);
    let answer = answer.map_err(|_| "its answer is no message".to_owned())?;
    if answer.header().id() != u16::from_be_bytes(id) || !answer.header().qr() {
        return Err("its answer is to another question".to_owned());
    }
    if answer.header().tc() {
        return Err("its answer was cut short".to_owned());
    }
    match answer.header().rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Ok(0),
        rcode => return Err(format!("it answered {rcode}")),
    }
    let records = answer.answer().map_err(|_| "its answer is malformed".to_owned())?;
    let of_type = records.filter_map(Result::ok).filter(|record| record.rtype() == rtype);
    Ok(u16::try_from(of_type.count()).unwrap_or(u16::MAX))
}
