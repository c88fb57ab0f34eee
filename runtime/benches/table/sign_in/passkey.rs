//! A passkey in software: what a browser and a phone do in a ceremony (Web Authentication Level 3,
//! sections 6 and 7).

use super::{HANDLE, ISSUER};
use crate::client::Client;
use anyhow::{Context, Result};
use ciborium::Value as Cbor;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose;

/// The name that the port's passkeys are for.
const RELYING_PARTY: &str = "port.example";
/// The user is present and was verified (section 6.1).
const FLAGS: u8 = 0x01 | 0x04;
/// Data of a new credential follow.
const ATTESTED: u8 = 0x40;

/// A traveller's passkey.
pub(super) struct Passkey {
    key: SigningKey,
    id: Vec<u8>,
    user: Vec<u8>,
    counter: u32,
}

impl Passkey {
    /// Registers one for the traveller with a token.
    pub(super) fn register(client: &Client, token: &str) -> Result<Self> {
        let begun = client.post("/v1/passkeys/options", Some(token), &json!({ "name": HANDLE }))?;
        let options = begun.member(200, "publicKey")?;
        let user = jose::decode(text(&options["user"]["id"])?).ok().context("no user")?;
        let key = SigningKey::from_slice(&[7; 32])?;
        let mut passkey = Self { key, id: vec![7; 32], user, counter: 0 };
        let credential = passkey.create(&options)?;
        let body = json!({ "ceremony": begun.member(200, "ceremony")?, "credential": credential });
        client.post("/v1/passkeys", Some(token), &body)?.member(201, "id")?;
        Ok(passkey)
    }

    /// Signs in: fetches a challenge, and answers to it.
    pub(super) fn sign_in(&mut self, client: &Client) -> Result<()> {
        let begun = client.post("/v1/passkeys/sessions/options", None, &json!({}))?;
        let client_data = client_data("webauthn.get", &begun.member(200, "publicKey")?)?;
        let data = self.data(0);
        let signature: Signature = self.key.sign(&[data.as_slice(), &Sha256::digest(&client_data)].concat());
        let credential = self.credential(&json!({
            "clientDataJSON": jose::encode(client_data),
            "authenticatorData": jose::encode(data),
            "signature": jose::encode(signature.to_der().as_bytes()),
            "userHandle": jose::encode(&self.user),
        }));
        let body = json!({ "ceremony": begun.member(200, "ceremony")?, "credential": credential });
        client.post("/v1/passkeys/sessions", None, &body)?.member(200, "access_token")?;
        Ok(())
    }

    fn create(&mut self, options: &Value) -> Result<Value> {
        let client_data = client_data("webauthn.create", options)?;
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len())?.to_be_bytes());
        data.extend(&self.id);
        data.extend(encoded(&self.public_key())?);
        let attestation = Cbor::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Cbor::Map(Vec::new())),
            ("authData".into(), Cbor::Bytes(data)),
        ]);
        Ok(self.credential(&json!({
            "clientDataJSON": jose::encode(client_data),
            "attestationObject": jose::encode(encoded(&attestation)?),
            "transports": ["internal"],
        })))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = jose::encode(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform" })
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(RELYING_PARTY.as_bytes()).to_vec();
        self.counter += 1;
        data.push(FLAGS | flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The key as COSE has it (RFC 9053, section 7.1.1).
    fn public_key(&self) -> Cbor {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = (point.as_bytes()[1..33].to_vec(), point.as_bytes()[33..65].to_vec());
        let pair = |name: i64, value: Cbor| (Cbor::from(name), value);
        Cbor::Map(vec![
            pair(1, 2.into()),
            pair(3, (-7).into()),
            pair(-1, 1.into()),
            pair(-2, Cbor::Bytes(x)),
            pair(-3, Cbor::Bytes(y)),
        ])
    }
}

fn client_data(kind: &str, options: &Value) -> Result<Vec<u8>> {
    let challenge = text(&options["challenge"])?;
    let data = json!({ "type": kind, "challenge": challenge, "origin": ISSUER, "crossOrigin": false });
    Ok(data.to_string().into_bytes())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

fn encoded(value: &Cbor) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes)?;
    Ok(bytes)
}
