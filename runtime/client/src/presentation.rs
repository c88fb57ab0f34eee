//! Passports in a traveller's and a verifier's hands: SD-JWT presentations with key
//! binding (RFC 9901), made here and verified offline.

use crate::input::{self, now_s};
use crate::key::Key;
use crate::port;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vwp_core::jose::{self, Header};
use vwp_verifier::keys::{KeySet, SET_LENGTH_MAX};
use vwp_verifier::sd_jwt::{self, Presentation};
use vwp_verifier::verify::{self, Expected, KEY_BINDING_TYPE, Passport};

/// What `vwp present` is given.
#[derive(Debug, Args)]
pub struct PresentArguments {
    /// The key file that the passport is bound to
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who verifies
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// The verifier's nonce
    #[arg(long, value_name = "NONCE")]
    nonce: String,
    /// The claims to disclose, such as handle,traveller; nothing unless named
    #[arg(long, value_name = "CLAIMS", value_delimiter = ',')]
    reveal: Vec<String>,
    /// The passport in a file, or - for the standard input
    passport: PathBuf,
}

/// What `vwp verify` is given.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The issuer's published keys: a file, or a URL
    #[arg(long, value_name = "FILE|URL")]
    jwks: String,
    /// The URL of the port that issued the passport
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Who verifies
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// The nonce that the traveller was given
    #[arg(long, value_name = "NONCE")]
    nonce: String,
    /// The presentation in a file, or - for the standard input
    presentation: PathBuf,
}

/// Makes a presentation of a passport: what the issuer signed, the disclosures of the
/// named claims, and a key-binding JWT for one audience and nonce.
pub fn present(
    key: &Key,
    passport: &str,
    audience: &str,
    nonce: &str,
    reveal: &[&str],
) -> anyhow::Result<String> {
    let parts = Presentation::parse(passport).context("the passport")?;
    let mut disclosed = format!("{}~", parts.issuer_jwt);
    let mut named = Vec::new();
    for encoded in &parts.disclosures {
        let name = claim_name(encoded)?;
        if reveal.contains(&name.as_str()) {
            disclosed.push_str(encoded);
            disclosed.push('~');
        }
        named.push(name);
    }
    if let Some(missing) = reveal.iter().find(|name| !named.iter().any(|given| given == *name)) {
        bail!("the passport does not disclose {missing}; it can disclose {}", named.join(", "));
    }
    // RFC 9901, section 4.3: the hash covers everything up to and with the last tilde.
    let claims = json!({
        "iat": now_s(),
        "aud": audience,
        "nonce": nonce,
        "sd_hash": sd_jwt::digest(&disclosed),
    });
    let key_binding = key.sign(&Header::new(KEY_BINDING_TYPE), claims.to_string().as_bytes());
    Ok(disclosed + &key_binding)
}

/// Verifies a presentation offline.
pub fn verify(
    presentation: &str,
    keys: &KeySet,
    issuer: &str,
    audience: &str,
    nonce: &str,
) -> Result<Passport, verify::PresentationError> {
    let now = now_s().saturating_mul(1000);
    let expected = Expected { issuer, audience, world: audience, nonce, now };
    verify::verify(presentation, keys, &expected)
}

/// The name of the claim that a disclosure discloses (RFC 9901, section 4.2.1).
fn claim_name(encoded: &str) -> anyhow::Result<String> {
    let bytes = jose::decode(encoded).context("a disclosure is not base64url")?;
    let parts: Vec<Value> = serde_json::from_slice(&bytes).context("a disclosure is not a JSON array")?;
    match parts.as_slice() {
        [_, Value::String(name), _] => Ok(name.clone()),
        _ => bail!("a disclosure is not an array of salt, name and value"),
    }
}

fn key_set(source: &str) -> anyhow::Result<KeySet> {
    let text = if source.starts_with("http://") || source.starts_with("https://") {
        port::fetch(source, SET_LENGTH_MAX).with_context(|| source.to_owned())?
    } else {
        input::read(Path::new(source), SET_LENGTH_MAX)?
    };
    let text = String::from_utf8(text).context("the JWK Set is not text")?;
    KeySet::from_json(&text).with_context(|| source.to_owned())
}

pub(crate) fn run_present(arguments: &PresentArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.key)?;
    let passport = input::read_text(&arguments.passport)?;
    let reveal: Vec<&str> = arguments.reveal.iter().map(String::as_str).collect();
    println!("{}", present(&key, &passport, &arguments.audience, &arguments.nonce, &reveal)?);
    Ok(())
}

pub(crate) fn run_verify(arguments: &VerifyArguments) -> anyhow::Result<()> {
    let keys = key_set(&arguments.jwks)?;
    let presentation = input::read_text(&arguments.presentation)?;
    let passport = verify(&presentation, &keys, &arguments.issuer, &arguments.audience, &arguments.nonce)?;
    println!("{}", serde_json::to_string_pretty(&passport.claims)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use vwp_verifier::verify::{PASSPORT_TOKEN_TYPE, PASSPORT_TYPE, PresentationError};

    const ISSUER: &str = "http://port.example";
    const WORLD: &str = "http://world.example";

    /// A passport as a port issues it, and the keys to verify it with.
    fn passport(holder: &Key) -> (String, KeySet) {
        let issuer = Key::generate().unwrap();
        let disclosures =
            [jose::encode(r#"["c2FsdA","handle","ada"]"#), jose::encode(r#"["c2FsdB","traveller","t1"]"#)];
        let mut claims: Map<String, Value> = Map::new();
        let iat = now_s();
        claims.extend([
            ("iss".to_owned(), ISSUER.into()),
            ("vct".to_owned(), PASSPORT_TYPE.into()),
            ("iat".to_owned(), iat.into()),
            ("exp".to_owned(), (iat + 60).into()),
            ("cnf".to_owned(), json!({ "jwk": holder.jwk() })),
        ]);
        sd_jwt::conceal(&mut claims, &disclosures);
        let header = Header::new(PASSPORT_TOKEN_TYPE).with_kid(issuer.id());
        let signed = issuer.sign(&header, Value::Object(claims).to_string().as_bytes());
        let keys = KeySet::new(vec![issuer.jwk().with_kid(issuer.id())]);
        (format!("{signed}~{}~", disclosures.join("~")), keys)
    }

    #[test]
    fn a_verifier_sees_what_was_revealed_and_nothing_else() {
        let holder = Key::generate().unwrap();
        let (passport, keys) = passport(&holder);
        let shown = present(&holder, &passport, WORLD, "n1", &["handle"]).unwrap();
        let believed = verify(&shown, &keys, ISSUER, WORLD, "n1").unwrap();
        assert_eq!(believed.handle.as_deref(), Some("ada"));
        assert_eq!(believed.traveller, None);
        assert_eq!(believed.holder, holder.id());
        let nothing = present(&holder, &passport, WORLD, "n1", &[]).unwrap();
        assert_eq!(verify(&nothing, &keys, ISSUER, WORLD, "n1").unwrap().handle, None);
    }

    #[test]
    fn a_presentation_is_for_one_verifier_and_one_nonce() {
        let holder = Key::generate().unwrap();
        let (passport, keys) = passport(&holder);
        let shown = present(&holder, &passport, WORLD, "n1", &[]).unwrap();
        let refusal = |audience, nonce| verify(&shown, &keys, ISSUER, audience, nonce).unwrap_err();
        assert_eq!(refusal("http://other.example", "n1"), PresentationError::Audience);
        assert_eq!(refusal(WORLD, "n2"), PresentationError::Nonce);
    }

    #[test]
    fn a_passport_is_worth_nothing_without_its_key() {
        let holder = Key::generate().unwrap();
        let (passport, keys) = passport(&holder);
        let stolen = present(&Key::generate().unwrap(), &passport, WORLD, "n1", &[]).unwrap();
        assert_eq!(verify(&stolen, &keys, ISSUER, WORLD, "n1"), Err(PresentationError::KeyBindingSignature));
    }

    #[test]
    fn revealing_what_a_passport_does_not_have_is_an_error() {
        let holder = Key::generate().unwrap();
        let (passport, _) = passport(&holder);
        let error = present(&holder, &passport, WORLD, "n1", &["birthday"]).unwrap_err();
        assert!(error.to_string().contains("handle, traveller"), "{error}");
        assert!(present(&holder, "not a passport", WORLD, "n1", &[]).is_err());
    }
}
