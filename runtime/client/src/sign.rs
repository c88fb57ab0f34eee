//! Signed statements: what operators and travellers say, as compact JWS (RFC 7515).

use crate::input::{self, now_s};
use crate::key::Key;
use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;
use vwp_core::caller::{OPERATOR_TOKEN_LIFETIME_MAX_S, OPERATOR_TOKEN_TYPE, OperatorClaims, content_digest};
use vwp_core::jose::Header;
use vwp_core::reply::BODY_LENGTH_MAX;
use vwp_verifier::verify::PROOF_TYPE;

/// What `vwp sign` is given.
#[derive(Debug, Args)]
pub struct SignArguments {
    /// The signer's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The type of the statement, such as vwp-world+jws
    #[arg(long = "type", value_name = "TYPE")]
    typ: String,
    /// How long it holds, such as 30d or 5m: sets exp
    #[arg(long, value_name = "TIME", value_parser = input::duration)]
    valid: Option<Duration>,
    /// Whom it is for: sets aud
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Put the public key into the header, for a port that does not know the signer yet
    #[arg(long)]
    introduce: bool,
    /// Whose key it is, if not the one that the operator began with: sets kid
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Set a claim: name=text, or name:=JSON
    #[arg(long, value_name = "CLAIM", value_parser = claim)]
    set: Vec<(String, Value)>,
    /// The claims, as a JSON object in a file, or - for the standard input
    payload: PathBuf,
}

/// What `vwp token` is given.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// The operator's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The port's URL
    #[arg(long, value_name = "URL")]
    audience: String,
    /// The file with the request's body (- for standard input): the assertion is for this body alone
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The operator's id, if the key is not the one that the operator began with
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    operator: Option<String>,
}

/// What `vwp prove` is given.
#[derive(Debug, Args)]
pub struct ProveArguments {
    /// The traveller's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The URL of the port that issues the passport
    #[arg(long, value_name = "URL")]
    audience: String,
}

/// A statement to sign.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    /// Its type.
    pub typ: String,
    /// Its claims. `iat`, `exp` and `aud` are set by what follows.
    pub claims: Map<String, Value>,
    /// How long it holds from now on; for ever if none.
    pub valid: Option<Duration>,
    /// Whom it is for.
    pub audience: Option<String>,
    /// Whether the header carries the public key.
    pub introduce: bool,
    /// The key's id in the header; its thumbprint if none.
    pub kid: Option<String>,
}

impl Statement {
    /// A statement of a type with some claims, for a port.
    pub fn new(typ: &str, audience: &str, claims: Value) -> Self {
        let claims = match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        };
        Self { typ: typ.into(), claims, audience: Some(audience.into()), ..Self::default() }
    }

    /// Signs the statement, made now.
    pub fn sign(&self, key: &Key) -> String {
        let mut claims = self.claims.clone();
        let iat = now_s();
        // What the caller set stays, so that `--set` has the last word.
        claims.entry("iat").or_insert_with(|| iat.into());
        if let Some(valid) = self.valid {
            claims.entry("exp").or_insert_with(|| iat.saturating_add(valid.as_secs()).into());
        }
        if let Some(audience) = &self.audience {
            claims.entry("aud").or_insert_with(|| audience.clone().into());
        }
        let kid = self.kid.clone().unwrap_or_else(|| key.id());
        let mut header = Header::new(&self.typ).with_kid(kid);
        if self.introduce {
            header = header.with_jwk(key.jwk());
        }
        key.sign(&header, Value::Object(claims).to_string().as_bytes())
    }
}

/// An operator's assertion: who is calling, for some minutes (RFC 7523, section 3). With a body it is
/// for that one, which a request takes that changes something.
pub fn operator_token(key: &Key, operator: Option<&str>, audience: &str, body: Option<&[u8]>) -> String {
    let id = operator.map_or_else(|| key.id(), str::to_owned);
    let iat = now_s();
    let claims = OperatorClaims {
        iss: id.clone(),
        sub: id.clone(),
        aud: audience.to_owned(),
        iat,
        exp: iat.saturating_add(OPERATOR_TOKEN_LIFETIME_MAX_S),
        content_digest: body.map(content_digest),
    };
    let header = Header::new(OPERATOR_TOKEN_TYPE).with_kid(id);
    // Claims are texts and numbers, whose serialisation cannot fail.
    key.sign(&header, &serde_json::to_vec(&claims).unwrap_or_default())
}

/// A proof that a traveller has a key (OpenID for Verifiable Credential Issuance 1.0,
/// appendix F.1). A port takes each proof once, so every one has a `jti` of its own.
pub fn proof_of_possession(key: &Key, issuer: &str) -> anyhow::Result<String> {
    let mut unique = [0; 16];
    getrandom::fill(&mut unique).context("the system gives no randomness")?;
    let claims = json!({ "aud": issuer, "iat": now_s(), "jti": vwp_core::jose::encode(unique) });
    let header = Header::new(PROOF_TYPE).with_jwk(key.jwk());
    Ok(key.sign(&header, claims.to_string().as_bytes()))
}

pub(crate) fn run_sign(arguments: &SignArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.key)?;
    let payload = input::read(&arguments.payload, input::TEXT_LENGTH_MAX)?;
    let claims: Map<String, Value> =
        serde_json::from_slice(&payload).context("the payload is not a JSON object")?;
    println!("{}", statement(arguments, claims).sign(&key));
    Ok(())
}

fn statement(arguments: &SignArguments, mut claims: Map<String, Value>) -> Statement {
    // A file may have been signed from before; its times and audience are not today's.
    claims.remove("iat");
    if arguments.valid.is_some() {
        claims.remove("exp");
    }
    if arguments.audience.is_some() {
        claims.remove("aud");
    }
    claims.extend(arguments.set.iter().cloned());
    Statement {
        typ: arguments.typ.clone(),
        claims,
        valid: arguments.valid,
        audience: arguments.audience.clone(),
        introduce: arguments.introduce,
        kid: arguments.kid.clone(),
    }
}

pub(crate) fn run_token(arguments: &TokenArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.key)?;
    let body = arguments.body.as_deref().map(|body| input::read(body, BODY_LENGTH_MAX)).transpose()?;
    let operator = arguments.operator.as_deref();
    println!("{}", operator_token(&key, operator, &arguments.audience, body.as_deref()));
    Ok(())
}

pub(crate) fn run_prove(arguments: &ProveArguments) -> anyhow::Result<()> {
    let key = Key::load(&arguments.key)?;
    println!("{}", proof_of_possession(&key, &arguments.audience)?);
    Ok(())
}

/// Reads `name=text` or `name:=JSON`. Text is the plain form, because amounts are texts.
pub(crate) fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is name=text or name:=JSON")?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => (name, serde_json::from_str(value).map_err(|error| format!("{name}: {error}"))?),
        None => (name, Value::from(value)),
    };
    if name.is_empty() { Err("a claim has a name".into()) } else { Ok((name.to_owned(), value)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use vwp_core::jose::{JoseError, Unverified};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SignArguments,
    }

    fn parsed(line: &str) -> SignArguments {
        Line::parse_from(line.split(' ')).arguments
    }

    fn verified(compact: &str, typ: &str, key: &Key) -> (Header, Value) {
        let token = Unverified::parse(compact, typ).unwrap();
        let header = token.header.clone();
        let payload = token.verify(key.as_ref().verifying_key()).unwrap();
        (header, serde_json::from_slice(&payload).unwrap())
    }

    #[test]
    fn a_statement_says_when_it_was_made_until_when_it_holds_and_for_whom() {
        let key = Key::generate().unwrap();
        let arguments =
            parsed("sign --key k --type t --valid 2h --audience http://a --set seq:=7 --set n=7 -");
        let old = json!({"title": "T", "iat": 1, "exp": 2, "aud": "http://b"});
        let statement = statement(&arguments, old.as_object().unwrap().clone());
        let (header, claims) = verified(&statement.sign(&key), "t", &key);
        assert_eq!(header.kid, Some(key.id()));
        assert_eq!(header.jwk, None);
        let iat = claims["iat"].as_u64().unwrap();
        assert!(now_s() - iat < 60);
        let expected =
            json!({"title": "T", "iat": iat, "exp": iat + 7200, "aud": "http://a", "seq": 7, "n": "7"});
        assert_eq!(claims, expected);
    }

    #[test]
    fn a_claim_that_was_set_has_the_last_word() {
        let key = Key::generate().unwrap();
        let arguments = parsed("sign --key k --type t --valid 2h --set iat:=5 --set exp:=6 --kid me -");
        let (header, claims) = verified(&statement(&arguments, Map::new()).sign(&key), "t", &key);
        assert_eq!(claims, json!({"iat": 5, "exp": 6}));
        assert_eq!(header.kid.as_deref(), Some("me"));
    }

    #[test]
    fn an_introduction_carries_the_public_key_and_never_the_private_one() {
        let key = Key::generate().unwrap();
        let statement = Statement { introduce: true, ..Statement::new("t", "http://a", json!({})) };
        let compact = statement.sign(&key);
        let (header, _) = verified(&compact, "t", &key);
        assert_eq!(header.jwk, Some(key.jwk()));
        let header = vwp_core::jose::decode(compact.split('.').next().unwrap()).unwrap();
        assert!(!String::from_utf8(header).unwrap().contains("\"d\""));
    }

    #[test]
    fn a_statement_of_one_type_is_not_taken_for_another() {
        let key = Key::generate().unwrap();
        let compact = Statement::new("t", "http://a", json!({})).sign(&key);
        assert!(matches!(Unverified::parse(&compact, "u"), Err(JoseError::Header(_))));
    }

    #[test]
    fn an_operators_assertion_names_the_operator_and_lasts_five_minutes() {
        let key = Key::generate().unwrap();
        let (_, claims) = verified(&operator_token(&key, None, "http://a", None), OPERATOR_TOKEN_TYPE, &key);
        let claims: OperatorClaims = serde_json::from_value(claims).unwrap();
        assert_eq!((&claims.iss, &claims.sub, claims.aud.as_str()), (&key.id(), &key.id(), "http://a"));
        assert_eq!(claims.exp - claims.iat, OPERATOR_TOKEN_LIFETIME_MAX_S);
    }

    #[test]
    fn two_proofs_for_the_same_key_differ() {
        let key = Key::generate().unwrap();
        let proof = || proof_of_possession(&key, "http://a").unwrap();
        assert_ne!(proof(), proof());
        let (header, claims) = verified(&proof(), PROOF_TYPE, &key);
        assert_eq!((header.kid, header.jwk), (None, Some(key.jwk())));
        assert_eq!(claims["aud"], "http://a");
    }

    #[test]
    fn a_claim_is_text_unless_it_is_said_to_be_json() {
        assert_eq!(claim("amount=10"), Ok(("amount".into(), "10".into())));
        assert_eq!(claim("seq:=10"), Ok(("seq".into(), 10.into())));
        assert_eq!(claim("memo=a=b"), Ok(("memo".into(), "a=b".into())));
        for text in ["amount", "=10", "seq:=ten"] {
            assert!(claim(text).is_err(), "{text:?} was accepted");
        }
    }
}
