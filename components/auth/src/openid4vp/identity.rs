//! Who asks for a presentation: a DID of the world's at this port (`did:web`), with the prefix
//! `decentralized_identifier` (OpenID4VP 1.0, section 5.9.3).
//!
//! Of the prefixes, this is the one whose requests are signed without certificates by a key that any
//! wallet can find. `redirect_uri` forbids signatures; `verifier_attestation` needs an issuer that
//! wallets trust; the ones with `x509` need certificates, of which [`super::certificate`] takes one.
//!
//! Each world has a DID of its own, so that what was shown to one has another audience than what is
//! shown to the next. The keys in its document are the port's, and they are there for `authentication`
//! alone: whoever pins a DID as an issuer reads `assertionMethod`, and no world issues passports.

use super::VERIFIERS_PATH;
use crate::error::AuthError;
use crate::keys;
use serde_json::{Value, json};
use url::Url;
use vwp_core::directory;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// The prefix of the client identifier.
const PREFIX: &str = "decentralized_identifier:";

/// A world's DID (did:web, section 3.1: the host, with its port encoded, and the path).
pub(super) fn did(world: &str, environment: &Environment<'_>) -> Result<String, Problem> {
    let issuer = Url::parse(&environment.settings.issuer).map_err(|_| Problem::internal())?;
    let host = issuer.host_str().ok_or_else(Problem::internal)?;
    let authority = issuer.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = format!("{}{VERIFIERS_PATH}{world}", issuer.path().trim_end_matches('/'));
    let parts = std::iter::once(authority.as_str()).chain(path.split('/').filter(|part| !part.is_empty()));
    let parts: Vec<String> = parts.map(encoded).collect();
    Ok(format!("did:web:{}", parts.join(":")))
}

/// What stands between the colons of a DID (DID Core 1.0, section 3.1).
fn encoded(part: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'%');
    let encode = |byte: u8| {
        if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    part.bytes().map(encode).collect()
}

/// The whole client identifier of a world.
pub(super) fn client_id(world: &str, environment: &Environment<'_>) -> Result<String, Problem> {
    Ok(format!("{PREFIX}{}", did(world, environment)?))
}

/// The document of a world's DID, if there is such a world (DID Core 1.0, section 5).
pub(super) async fn document(
    kv: &impl Kv,
    world: &str,
    environment: &Environment<'_>,
) -> Result<Option<Value>, AuthError> {
    let Ok(name) = world.parse::<WorldName>() else { return Ok(None) };
    if kv.get(&directory::world_key(&name)).await?.is_none() {
        return Ok(None);
    }
    let did = did(name.as_str(), environment)?;
    let keys = keys::published(kv, environment).await?;
    let named = keys.keys().iter().filter_map(|jwk| Some((method(&did, jwk.kid.as_deref()?), jwk)));
    let named: Vec<_> = named.collect();
    let methods = named.iter().map(
        |(id, jwk)| json!({ "id": id, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": jwk }),
    );
    let ids = named.iter().map(|(id, _)| id);
    Ok(Some(json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
        "id": did,
        "verificationMethod": methods.collect::<Vec<_>>(),
        "authentication": ids.collect::<Vec<_>>(),
    })))
}

/// The id of a key in the document.
pub(super) fn method(did: &str, kid: &str) -> String {
    format!("{did}#{kid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_core::environment::{Random, Settings};

    struct Nothing;

    impl Random for Nothing {
        fn fill(&self, _: &mut [u8]) {}
    }

    fn did_at(issuer: &str, world: &str) -> String {
        let settings = Settings {
            zone: String::new(),
            issuer: issuer.into(),
            master_key: [0; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: std::collections::BTreeMap::new(),
        };
        did(world, &Environment { now: 0, random: &Nothing, settings: &settings }).unwrap()
    }

    #[test]
    fn a_did_leads_to_where_its_document_is() {
        assert_eq!(did_at("https://port.example", "arena"), "did:web:port.example:oauth:verifiers:arena");
        assert_eq!(
            did_at("https://port.example:8443/", "play.example"),
            "did:web:port.example%3A8443:oauth:verifiers:play.example"
        );
        assert_eq!(did_at("https://a.example/port/", "b"), "did:web:a.example:port:oauth:verifiers:b");
        assert_eq!(did_at("http://[::1]:3000", "b"), "did:web:%5B%3A%3A1%5D%3A3000:oauth:verifiers:b");
    }
}
