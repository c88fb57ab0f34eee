//! An authenticator in software, and the client in front of it: what a browser and a phone do in a
//! ceremony (Web Authentication Level 3, sections 6 and 7), honestly or not.

use ciborium::Value as Cbor;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose;

/// The flags of authenticator data (section 6.1).
pub(crate) const USER_PRESENT: u8 = 0x01;
pub(crate) const USER_VERIFIED: u8 = 0x04;
pub(crate) const BACKUP_ELIGIBLE: u8 = 0x08;
pub(crate) const BACKED_UP: u8 = 0x10;
const ATTESTED: u8 = 0x40;

/// An authenticator with one passkey. What it claims can be changed.
#[derive(Clone)]
pub(crate) struct Authenticator {
    key: SigningKey,
    id: Vec<u8>,
    user: Vec<u8>,
    pub(crate) origin: String,
    pub(crate) relying_party: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    /// Answers to this challenge, whatever it was asked.
    pub(crate) challenge: Option<String>,
}

impl Authenticator {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_slice(&[seed; 32]).unwrap(),
            id: vec![seed; 32],
            user: Vec::new(),
            origin: "https://port.example".into(),
            relying_party: "port.example".into(),
            flags: USER_PRESENT | USER_VERIFIED,
            counter: 1,
            challenge: None,
        }
    }

    /// Answers to `navigator.credentials.create`.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        self.user = jose::decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let client_data = self.client_data("webauthn.create", options);
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(encoded(&self.public_key()));
        let attestation = Cbor::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Cbor::Map(Vec::new())),
            ("authData".into(), Cbor::Bytes(data)),
        ]);
        self.credential(&json!({
            "clientDataJSON": jose::encode(client_data),
            "attestationObject": jose::encode(encoded(&attestation)),
            "transports": ["internal"],
        }))
    }

    /// Answers to `navigator.credentials.get`.
    pub(crate) fn get(&mut self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(0);
        let signed = [data.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature: Signature = self.key.sign(&signed);
        self.credential(&json!({
            "clientDataJSON": jose::encode(client_data),
            "authenticatorData": jose::encode(data),
            "signature": jose::encode(signature.to_der().as_bytes()),
            "userHandle": jose::encode(&self.user),
        }))
    }

    fn credential(&self, response: &Value) -> Value {
        let id = jose::encode(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response,
            "clientExtensionResults": {}, "authenticatorAttachment": "platform" })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let asked = options["challenge"].as_str().unwrap().to_owned();
        let challenge = self.challenge.clone().unwrap_or(asked);
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
            .into_bytes()
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.relying_party.as_bytes()).to_vec();
        data.push(self.flags | flags);
        data.extend(self.counter.to_be_bytes());
        self.counter += 1;
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

fn encoded(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}
