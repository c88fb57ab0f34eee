//! `did:web` (W3C CCG, did:web Method Specification): the identifier's document is a file on a host,
//! and the port asks for it.
//!
//! A name from outside decides whom the port asks here. So only `https` is asked, at a host with a
//! name, after a resolver that the administrator chose has said that all addresses of the name are
//! public ones; no redirect is followed, and 64 KiB and 5 s are all that is looked at. The host of
//! the port looks the name up again. That it gets no other addresses then (rebinding) is what its block of
//! private networks is for (`[outbound_networking]` in its runtime configuration), and its list of
//! allowed hosts bounds everything.

use super::DidError;
use super::identifier::{LENGTH_MAX, of_multibase};
use crate::error::AuthError;
use crate::limits::{Charge, Client, Rule, charge};
use http::{Request, StatusCode, header};
use p256::ecdsa::VerifyingKey;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::{Host, Url};
use vwp_core::Environment;
use vwp_core::jose::Jwk;
use vwp_core::outbound::{Limits, Outbound};
use vwp_core::resolver::{self, Resolver};
use vwp_storage::Kv;

/// What a document may cost.
const LIMITS: Limits = Limits { body_bytes_max: 64 * 1024, time_max: Duration::from_secs(5) };
/// The most verification methods that are looked at.
const METHODS_MAX: usize = 64;
/// What a network may have the port look up.
const NETWORK: Rule = Rule { name: "resolve-network", burst: 30, period_us: 2_000_000, shares: 1 };
/// What everybody together may have it ask one host: nobody else's site is to suffer from this port.
const HOST: Rule = Rule { name: "resolve-host", burst: 300, period_us: 100_000, shares: 1 };
/// What everybody together may have it look up.
const ALL: Rule = Rule { name: "resolve", burst: 1_600, period_us: 10_000, shares: 16 };

/// A `did:web`, and where its document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDid {
    text: String,
    host: String,
    url: Url,
}

impl WebDid {
    /// Reads an identifier; none if it is of another method. A host has one spelling: lower case,
    /// without an escape.
    pub fn new(text: &str) -> Result<Option<Self>, DidError> {
        let Some(identifier) = text.strip_prefix("did:web:") else { return Ok(None) };
        if text.len() > LENGTH_MAX {
            return Err(DidError::Unsupported);
        }
        let mut segments = identifier.split(':');
        // A colon before a port is escaped.
        let authority = segments.next().unwrap_or_default();
        let (host, port) = match authority.split_once("%3A") {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let has_port = port.is_none_or(|port| {
            let is_plain = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
            is_plain && port.parse::<u16>().is_ok_and(|port| port != 443)
        });
        let path: Vec<&str> = segments.collect();
        if !has_port || !path.iter().all(|segment| is_segment(segment)) {
            return Err(DidError::Unsupported);
        }
        let authority = authority.replacen("%3A", ":", 1);
        let url = if path.is_empty() {
            format!("https://{authority}/.well-known/did.json")
        } else {
            format!("https://{authority}/{}/did.json", path.join("/"))
        };
        let url = Url::parse(&url).map_err(|_| DidError::Unsupported)?;
        // The method excludes addresses; the URL standard knows all of their spellings.
        let is_name = matches!(url.host(), Some(Host::Domain(domain)) if domain == host);
        if !is_name || !host.contains('.') || host.ends_with('.') {
            return Err(DidError::Unsupported);
        }
        Ok(Some(Self { text: text.to_owned(), host: host.to_owned(), url }))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where its document is.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks for the document, and finds the key in it that a proof names: as `did#key`, or as the
    /// identifier alone if there is one key.
    pub(super) async fn resolve(
        &self,
        kv: &impl Kv,
        outbound: &impl Outbound,
        (kid, client): (&str, &Client),
        environment: &Environment<'_>,
    ) -> Result<VerifyingKey, AuthError> {
        let url = resolver::url(environment.settings)?.ok_or(DidError::WebUnavailable)?;
        let network = client.network.map(|network| Charge::network(NETWORK, network));
        let charges = network.into_iter().chain([Charge::account(HOST, &self.host), Charge::all(ALL)]);
        charge(kv, &charges.collect::<Vec<_>>(), environment).await?;
        let is_public = Resolver { url: &url, outbound }.is_public(&self.host).await;
        // What went wrong is told nobody but the log: it would make the port a probe for others.
        if !is_public.map_err(|error| unresolved(&self.host, &error))? {
            return Err(DidError::Unresolved.into());
        }
        let request = Request::get(self.url.as_str())
            .header(header::ACCEPT, "application/did+json, application/json")
            .body(Vec::new())
            .map_err(|error| unresolved(&self.host, &error))?;
        let answer = outbound.send(request, LIMITS).await.map_err(|error| unresolved(&self.host, &error))?;
        if answer.status() != StatusCode::OK {
            return Err(DidError::Unresolved.into());
        }
        Ok(key_of(answer.body(), &self.text, kid).ok_or(DidError::Unresolved)?)
    }
}

fn unresolved(host: &str, why: &impl std::fmt::Display) -> DidError {
    eprintln!("the document of a DID at {host}: {why}");
    DidError::Unresolved
}

/// A part of a path that has one spelling, and leads nowhere else.
fn is_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !segment.is_empty() && segment.bytes().all(is_plain) && !matches!(segment, "." | "..")
}

/// A DID document (W3C, Decentralized Identifiers v1.0, section 5), as far as it is used.
#[derive(Deserialize)]
struct Document {
    id: String,
    #[serde(default, rename = "verificationMethod")]
    methods: Vec<Value>,
    /// What proves that somebody is the subject: methods, or their names.
    #[serde(default)]
    authentication: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Method {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    controller: String,
    #[serde(default)]
    public_key_jwk: Option<Jwk>,
    #[serde(default)]
    public_key_multibase: Option<String>,
}

/// The key of a document by which its subject authenticates. Methods for anything else are none.
fn key_of(document: &[u8], did: &str, kid: &str) -> Option<VerifyingKey> {
    let document: Document = serde_json::from_slice(document).ok()?;
    if document.id != did || document.methods.len().max(document.authentication.len()) > METHODS_MAX {
        return None;
    }
    let read = |value: &Value| Method::deserialize(value).ok().filter(|method| method.controller == did);
    let methods: Vec<Method> = document.methods.iter().filter_map(read).collect();
    let mut keys = Vec::new();
    for entry in &document.authentication {
        let embedded = read(entry);
        let method = match entry.as_str() {
            Some(name) => methods.iter().find(|method| absolute(&method.id, did) == absolute(name, did)),
            None => embedded.as_ref(),
        };
        let method = method.filter(|method| kid == did || absolute(&method.id, did) == kid);
        keys.extend(method.and_then(Method::key));
    }
    match keys.as_slice() {
        [key] => Some(*key),
        _ => None,
    }
}

/// The name of a method, which may leave the identifier out (section 3.2.2).
fn absolute(id: &str, did: &str) -> String {
    if id.starts_with('#') { format!("{did}{id}") } else { id.to_owned() }
}

impl Method {
    /// The key, if it is of P-256.
    fn key(&self) -> Option<VerifyingKey> {
        match (self.kind.as_str(), &self.public_key_jwk, &self.public_key_multibase) {
            ("JsonWebKey" | "JsonWebKey2020", Some(jwk), None) => jwk.to_key().ok(),
            ("Multikey", None, Some(multibase)) => of_multibase(multibase),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_says_where_its_document_is() {
        for (did, url) in [
            ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
            ("did:web:w3c-ccg.github.io:user:alice", "https://w3c-ccg.github.io/user/alice/did.json"),
            ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
            ("did:web:example.com%3A3000", "https://example.com:3000/.well-known/did.json"),
        ] {
            assert_eq!(WebDid::new(did).unwrap().unwrap().url().as_str(), url);
        }
        assert_eq!(WebDid::new("did:key:z1"), Ok(None));
    }

    #[test]
    fn addresses_escapes_and_other_spellings_are_no_hosts() {
        for identifier in [
            "",
            "localhost",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "1.2.3.4.",
            "[%3A%3A1]",
            "%5B%3A%3Affff%3A127.0.0.1%5D",
            "Example.com",
            "example.com.",
            "example%2Ecom",
            "exa%6Dple.com",
            "user@example.com",
            "user%40example.com",
            "example.com%2Fpath",
            "example.com/path",
            "example.com\\path",
            "example.com?query",
            "example.com#key",
            "example.com%3A",
            "example.com%3A0",
            "example.com%3A443",
            "example.com%3A080",
            "example.com%3A65536",
            "example.com%3a3000",
            "example.com%3A3000%3A1",
            "example.com%3A+80",
            "bücher.example",
            "example.com:..",
            "example.com:.",
            "example.com::alice",
            "example.com:%2e%2e",
            "example.com:a%2Fb",
            "example.com:a/b",
            "example.com:",
            " example.com",
        ] {
            let did = format!("did:web:{identifier}");
            assert_eq!(WebDid::new(&did), Err(DidError::Unsupported), "{did}");
        }
    }
}
