//! The component's own variables, beyond the settings that all components share. Each has a
//! default, so that a manifest need not mention it.

use crate::designated;
use domain::base::Name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use vwp_core::environment::Settings;
use vwp_core::{Problem, resolver};
use vwp_dns::answer::DesignatedResolver;
use vwp_dns::name::OwnName;
use vwp_dns::zone::{Denial, KeyScheme, Policy, Zone};

/// The names of the variables.
pub const OPTIONS: &[&str] = &[
    NAMESERVERS,
    DNS_KEYS,
    DNS_DENIAL,
    DNS_KEY_LIFETIME,
    DNS_KEY_PUBLISH,
    DNS_SIGNATURE_LIFETIME,
    DNS_SIGNATURE_RENEW,
    DNS_APEX_TTL,
    DNS_RECORD_TTL,
    DNS_OVER_TLS,
    // Without it the port takes no worlds under domains of their operators.
    resolver::URL,
];

/// The names of the zone's name servers, separated by spaces, the primary one first. Without
/// it: the host of the port's URL, or `ns` in the zone where that is an address.
pub const NAMESERVERS: &str = "nameservers";
/// `csk`, one key, or `ksk+zsk`, two.
pub const DNS_KEYS: &str = "dns_keys";
/// `nsec`, or `compact` (RFC 9824).
pub const DNS_DENIAL: &str = "dns_denial";
/// How long a key signs, as `90d`; `0s`: until it is told.
pub const DNS_KEY_LIFETIME: &str = "dns_key_lifetime";
/// How long a key is published before and after it signs, as `2h`.
pub const DNS_KEY_PUBLISH: &str = "dns_key_publish";
/// How long a signature is valid, as `14d`.
pub const DNS_SIGNATURE_LIFETIME: &str = "dns_signature_lifetime";
/// How long before its end a signature is renewed, as `5d`.
pub const DNS_SIGNATURE_RENEW: &str = "dns_signature_renew";
/// How long the apex's records may be cached, as `1h`.
pub const DNS_APEX_TTL: &str = "dns_apex_ttl";
/// How long any record may be cached at most, as `1d`.
pub const DNS_RECORD_TTL: &str = "dns_record_ttl";
/// Where the zone is answered over TLS, as `name` or `name:port`, to be announced (RFC 9462).
pub const DNS_OVER_TLS: &str = "dns_over_tls";

/// The zone of the port's own worlds.
pub fn zone(settings: &Settings) -> Result<Zone, Problem> {
    Zone::new(&settings.zone).ok_or_else(|| misconfigured("zone", "is not the name of a zone"))
}

/// The rules that the port's zones are kept by.
pub fn policy(settings: &Settings) -> Result<Policy, Problem> {
    let nameservers = nameservers(settings)?;
    let contact = Name::vec_from_str(&format!("hostmaster.{}", settings.zone))
        .map_err(|_| misconfigured("zone", "is not the name of a zone"))?;
    let mut policy = Policy::new(nameservers, contact);
    policy.scheme = match option(settings, DNS_KEYS) {
        None | Some("csk") => KeyScheme::Combined,
        Some("ksk+zsk") => KeyScheme::Split,
        Some(_) => return Err(misconfigured(DNS_KEYS, "is neither csk nor ksk+zsk")),
    };
    policy.denial = match option(settings, DNS_DENIAL) {
        None | Some("nsec") => Denial::Chain,
        Some("compact") => Denial::Compact,
        Some(_) => return Err(misconfigured(DNS_DENIAL, "is neither nsec nor compact")),
    };
    let short = |name| {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Ok::<_, Problem>(duration(settings, name)?.map(seconds))
    };
    let long = |name| Ok::<_, Problem>(duration(settings, name)?.map(|time| time.as_secs()));
    policy.apex_ttl_s = short(DNS_APEX_TTL)?.unwrap_or(policy.apex_ttl_s);
    policy.record_ttl_max_s = short(DNS_RECORD_TTL)?.unwrap_or(policy.record_ttl_max_s);
    policy.signature_s = short(DNS_SIGNATURE_LIFETIME)?.unwrap_or(policy.signature_s);
    policy.renew_before_s = short(DNS_SIGNATURE_RENEW)?.unwrap_or(policy.renew_before_s);
    policy.key_lifetime_s = long(DNS_KEY_LIFETIME)?.unwrap_or(policy.key_lifetime_s);
    policy.key_publish_s = long(DNS_KEY_PUBLISH)?.unwrap_or(policy.key_publish_s);
    Ok(policy)
}

/// What questions are answered for, as the settings say.
#[derive(Debug)]
pub struct Served {
    /// The port's own zone.
    pub zone: Zone,
    /// The rules that it, and the zones that the port hosts, are kept by.
    pub policy: Policy,
    /// How the port is reached over encrypted transports.
    pub designated: Vec<DesignatedResolver>,
}

/// The settings that this depends on: the zone, the port's URL, and the options.
type Source = (String, String, BTreeMap<&'static str, String>);

thread_local! {
    /// The last one, with the settings that it was read from.
    static SERVED: RefCell<Option<(Source, Rc<Served>)>> = const { RefCell::new(None) };
}

/// What questions are answered for. Kept while the settings stay the same, because every
/// question needs it.
pub fn served(settings: &Settings) -> Result<Rc<Served>, Problem> {
    let is_same = |(zone, issuer, options): &Source| {
        (zone, issuer, options) == (&settings.zone, &settings.issuer, &settings.options)
    };
    let kept = SERVED.with_borrow(|kept| {
        kept.as_ref().filter(|(source, _)| is_same(source)).map(|(_, served)| served.clone())
    });
    if let Some(served) = kept {
        return Ok(served);
    }
    let (zone, policy) = (zone(settings)?, policy(settings)?);
    let served = Rc::new(Served { zone, policy, designated: designated::resolvers(settings) });
    let source = (settings.zone.clone(), settings.issuer.clone(), settings.options.clone());
    SERVED.set(Some((source, served.clone())));
    Ok(served)
}

fn nameservers(settings: &Settings) -> Result<Vec<OwnName>, Problem> {
    let name = |text: &str| {
        Name::vec_from_str(text).map_err(|_| misconfigured(NAMESERVERS, "is not a list of host names"))
    };
    if let Some(names) = option(settings, NAMESERVERS) {
        return names.split_whitespace().map(name).collect();
    }
    if own_address(settings)?.is_some() {
        return Ok(vec![name(&format!("ns.{}", settings.zone))?]);
    }
    Ok(vec![name(&own_host(settings)?)?])
}

/// The host of the port's URL.
fn own_host(settings: &Settings) -> Result<String, Problem> {
    let url: http::Uri = settings.issuer.parse().map_err(|_| misconfigured("issuer", "is not a URL"))?;
    // An address of IP version 6 has brackets in a URL (RFC 3986, section 3.2.2).
    Ok(url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned())
}

/// The port's address, where its URL names an address and not a host.
pub fn own_address(settings: &Settings) -> Result<Option<std::net::IpAddr>, Problem> {
    Ok(own_host(settings)?.parse().ok())
}

/// The value of an option; none if it is not set, or empty.
pub fn option<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    settings.options.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// A duration: a whole number and one of `s`, `m`, `h`, `d`.
pub fn duration(settings: &Settings, name: &'static str) -> Result<Option<Duration>, Problem> {
    let Some(text) = option(settings, name) else {
        return Ok(None);
    };
    let bad = || misconfigured(name, "is not a duration such as 90d, 2h, 5m or 30s");
    vwp_core::duration::parse(text).map(Some).ok_or_else(bad)
}

/// The name helps whoever runs the port, in the log; a caller learns nothing of it.
fn misconfigured(name: &str, fault: &str) -> Problem {
    eprintln!("variable {name} {fault}");
    Problem::internal()
}
