//! Encryption for the port: JSON Web Encryption in its compact form (RFC 7516), and of what that allows one way
//! alone. The key is agreed upon directly, by ECDH-ES on P-256 (RFC 7518, section 4.6), and the content is
//! encrypted with AES in Galois/Counter Mode (section 5.3).
//!
//! What a token names is compared with that and chooses nothing else, but for the length of the key. Framing is
//! done here because it is base64url and four dots; the cryptography is that of `p256`, `one-step-kdf` and
//! `aes-gcm`.

use crate::strict_json;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit, Nonce};
use p256::{PublicKey, SecretKey};
use serde_json::{Map, Value};
use sha2::Sha256;
use vwp_core::jose::{self, Jwk};

/// The one algorithm (RFC 7518, section 4.6).
pub(super) const ALGORITHM: &str = "ECDH-ES";
/// The encryptions of content that are taken (RFC 7518, section 5.3).
pub(super) const ENCRYPTIONS: [&str; 2] = [A128GCM, A256GCM];
const A128GCM: &str = "A128GCM";
const A256GCM: &str = "A256GCM";
/// The longest header, in characters: one has a key, and little else.
const HEADER_LENGTH_MAX: usize = 4096;
/// How long an initialisation vector is, in bytes (RFC 7518, section 5.3).
const IV_LENGTH: usize = 12;
/// How long an authentication tag is, in bytes (RFC 7518, section 5.3).
const TAG_LENGTH: usize = 16;

/// Why a token was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// Not a compact JWE that names its key.
    #[error("not a compact JWE: {0}")]
    Malformed(&'static str),
    /// Another algorithm.
    #[error("alg is not ECDH-ES")]
    Algorithm,
    /// Another encryption of the content.
    #[error("enc is neither A128GCM nor A256GCM")]
    Encryption,
    /// The header asks for what is not done, or says it in no way that can be read.
    #[error("the header of the JWE is not acceptable: {0}")]
    Header(&'static str),
    /// The sender's key is none.
    #[error("epk is not a public key on P-256")]
    EphemeralKey,
    /// It was changed, or is for another key.
    #[error("it was encrypted to another key, or was changed")]
    Integrity,
}

impl JweError {
    /// The reason as a world reads it.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Malformed(_) => "jwe-malformed",
            Self::Algorithm => "jwe-algorithm",
            Self::Encryption => "jwe-encryption",
            Self::Header(_) => "jwe-header",
            Self::EphemeralKey => "jwe-key",
            Self::Integrity => "jwe-integrity",
        }
    }
}

/// A token of which nothing but the header was read. What it says is believed once it is opened.
pub(super) struct Unopened<'a> {
    /// The header, the encrypted key, the initialisation vector, the ciphertext and the tag.
    parts: [&'a str; 5],
    header: Map<String, Value>,
    kid: String,
}

impl<'a> Unopened<'a> {
    /// Takes a token apart. Whoever calls bounds its length.
    pub(super) fn parse(compact: &'a str) -> Result<Self, JweError> {
        let mut parts = [""; 5];
        let mut given = compact.split('.');
        for part in &mut parts {
            *part = given.next().ok_or(JweError::Malformed("it has not five parts"))?;
        }
        if given.next().is_some() {
            return Err(JweError::Malformed("it has more than five parts"));
        }
        if parts[0].len() > HEADER_LENGTH_MAX {
            return Err(JweError::Malformed("its header is too long"));
        }
        // RFC 7516, section 5.2, step 4: no member occurs twice.
        let header = strict_json::parse_object(&decoded(parts[0])?);
        let header = header.map_err(|_| JweError::Malformed("its header is not a JSON object"))?;
        let kid = text(&header, "kid").ok_or(JweError::Malformed("kid is missing"))?.to_owned();
        Ok(Self { parts, header, kid })
    }

    /// The key that it says it is for.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Opens it with a key.
    pub(super) fn open(&self, key: &SecretKey) -> Result<Vec<u8>, JweError> {
        if text(&self.header, "alg") != Some(ALGORITHM) {
            return Err(JweError::Algorithm);
        }
        // RFC 7516, section 4.1.13: no extension is understood here.
        if self.header.contains_key("crit") {
            return Err(JweError::Header("crit"));
        }
        // RFC 8725, section 3.6: nothing is compressed before it is encrypted. And what is small stays small.
        if self.header.contains_key("zip") {
            return Err(JweError::Header("zip"));
        }
        let is_short = match text(&self.header, "enc") {
            Some(A128GCM) => true,
            Some(A256GCM) => false,
            _ => return Err(JweError::Encryption),
        };
        let [encoded, encrypted_key, iv, ciphertext, tag] = self.parts;
        // RFC 7516, section 5.2, step 10: where a key is agreed upon directly, none is sent.
        if !encrypted_key.is_empty() {
            return Err(JweError::Malformed("it has an encrypted key"));
        }
        let iv: [u8; IV_LENGTH] =
            decoded(iv)?.try_into().map_err(|_| JweError::Malformed("its iv is not of 96 bits"))?;
        let (mut ciphertext, tag) = (decoded(ciphertext)?, decoded(tag)?);
        // A shorter one would be easier to guess.
        if tag.len() != TAG_LENGTH {
            return Err(JweError::Malformed("its tag is not of 128 bits"));
        }
        ciphertext.extend(tag);
        // RFC 7516, section 5.2, step 15: the header is authenticated as it came.
        let payload = Payload { msg: &ciphertext, aad: encoded.as_bytes() };
        let nonce = Nonce::from(iv);
        let opened = if is_short {
            Aes128Gcm::new(&self.content_key::<16>(A128GCM, key)?.into()).decrypt(&nonce, payload)
        } else {
            Aes256Gcm::new(&self.content_key::<32>(A256GCM, key)?.into()).decrypt(&nonce, payload)
        };
        opened.map_err(|_| JweError::Integrity)
    }

    /// The key that the content is encrypted with: the agreed secret through the Concat KDF (NIST SP 800-56A,
    /// section 5.8.1, as RFC 7518, section 4.6.2 uses it).
    fn content_key<const N: usize>(&self, encryption: &str, key: &SecretKey) -> Result<[u8; N], JweError> {
        let agreed = key.diffie_hellman(&self.sender()?);
        let (info, mut derived) = (self.other_info(encryption, N * 8)?, [0; N]);
        one_step_kdf::derive_key_into::<Sha256>(agreed.raw_secret_bytes(), &info, &mut derived)
            .map_err(|_| JweError::Integrity)?;
        Ok(derived)
    }

    /// The sender's key (RFC 7518, section 4.6.1.1). With a point that is not on the curve, answers would tell
    /// of the port's key (RFC 8725, section 3.4): it does not become a key.
    fn sender(&self) -> Result<PublicKey, JweError> {
        let epk = self.header.get("epk").cloned().unwrap_or_default();
        let jwk: Jwk = serde_json::from_value(epk).map_err(|_| JweError::EphemeralKey)?;
        Ok(jwk.to_key().map_err(|_| JweError::EphemeralKey)?.into())
    }

    /// What goes into the key beside the secret (RFC 7518, section 4.6.2): what the key is for, who the two
    /// are, if the sender says so, and how many bits it has.
    fn other_info(&self, encryption: &str, bits: usize) -> Result<Vec<u8>, JweError> {
        let party = |name: &'static str| match self.header.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => jose::decode(text).map_err(|_| JweError::Header(name)),
            Some(_) => Err(JweError::Header(name)),
        };
        // A header is too short for a length that does not fit.
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        let mut info = Vec::new();
        for field in [encryption.as_bytes(), &party("apu")?, &party("apv")?] {
            info.extend(number(field.len()));
            info.extend(field);
        }
        info.extend(number(bits));
        Ok(info)
    }
}

fn text<'a>(header: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    header.get(name).and_then(Value::as_str)
}

fn decoded(part: &str) -> Result<Vec<u8>, JweError> {
    jose::decode(part).map_err(|_| JweError::Malformed("a part is not base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Of RFC 7518, appendix C.
    const ALICE: [&str; 2] =
        ["gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"];
    const BOB: &str = "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw";

    fn bob() -> SecretKey {
        SecretKey::from_slice(&jose::decode(BOB).unwrap()).unwrap()
    }

    /// The header of the appendix under a key's id; `more` goes over its members.
    fn header(more: &Value) -> Value {
        let mut header = json!({
            "alg": "ECDH-ES", "enc": "A128GCM", "kid": "bob", "apu": "QWxpY2U", "apv": "Qm9i",
            "epk": {"kty": "EC", "crv": "P-256", "x": ALICE[0], "y": ALICE[1]},
        });
        for (name, value) in more.as_object().unwrap() {
            header[name] = value.clone();
        }
        header
    }

    /// A token for Bob, with the key of the appendix for its content.
    fn token(more: &Value) -> String {
        let encoded = jose::encode(header(more).to_string());
        let key: [u8; 16] = jose::decode("VqqN6vgjbSBcIijNcacQGg").unwrap().try_into().unwrap();
        let payload = Payload { msg: b"{}", aad: encoded.as_bytes() };
        let sealed = Aes128Gcm::new(&key.into()).encrypt(&Nonce::from([7; IV_LENGTH]), payload).unwrap();
        let (ciphertext, tag) = sealed.split_at(2);
        let [iv, ciphertext, tag] = [&[7; IV_LENGTH], ciphertext, tag].map(jose::encode);
        format!("{encoded}..{iv}.{ciphertext}.{tag}")
    }

    fn opened(token: &str) -> Result<Vec<u8>, JweError> {
        Unopened::parse(token)?.open(&bob())
    }

    #[test]
    fn the_key_is_the_one_of_rfc_7518_appendix_c() {
        let token = token(&json!({}));
        let key = Unopened::parse(&token).unwrap().content_key::<16>(A128GCM, &bob()).unwrap();
        assert_eq!(jose::encode(key), "VqqN6vgjbSBcIijNcacQGg");
        assert_eq!(opened(&token).unwrap(), b"{}");
    }

    #[test]
    fn a_token_with_one_bit_changed_is_refused() {
        let token = token(&json!({}));
        for (place, bit) in (0..token.len()).flat_map(|place| (0..7).map(move |bit| (place, bit))) {
            let mut changed = token.clone().into_bytes();
            changed[place] ^= 1 << bit;
            let changed = String::from_utf8(changed).unwrap();
            assert!(opened(&changed).is_err(), "{place}, {bit}: {changed}");
        }
        for length in 0..token.len() {
            assert!(opened(&token[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_header_chooses_nothing() {
        let refusal = |more: Value| opened(&token(&more)).unwrap_err();
        for alg in ["ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir", "none", "ecdh-es", "RSA-OAEP-256"] {
            assert_eq!(refusal(json!({ "alg": alg })), JweError::Algorithm, "{alg}");
        }
        for enc in ["A192GCM", "A128CBC-HS256", "A256CBC-HS512", "a128gcm", ""] {
            assert_eq!(refusal(json!({ "enc": enc })), JweError::Encryption, "{enc}");
        }
        assert_eq!(refusal(json!({"enc": "A256GCM"})), JweError::Integrity, "another key follows");
        assert_eq!(refusal(json!({"zip": "DEF"})), JweError::Header("zip"));
        assert_eq!(refusal(json!({"zip": null})), JweError::Header("zip"));
        assert_eq!(refusal(json!({"crit": ["exp"], "exp": 1})), JweError::Header("crit"));
        assert_eq!(refusal(json!({"apu": "QWxpY2V"})), JweError::Header("apu"), "bits that say nothing");
        assert_eq!(refusal(json!({"apv": 1})), JweError::Header("apv"));
        assert_eq!(refusal(json!({"apu": "Qm9i"})), JweError::Integrity);
        assert_eq!(refusal(json!({"apv": ""})), JweError::Integrity);
    }

    #[test]
    fn a_key_that_is_no_point_of_the_curve_is_refused() {
        let epk = |crv: &str, x: &str, y: &str| json!({"kty": "EC", "crv": crv, "x": x, "y": y});
        let zero = jose::encode([0; 32]);
        let private = json!({"kty": "EC", "crv": "P-256", "x": ALICE[0], "y": ALICE[1], "d": BOB});
        let wrong = [
            epk("P-256", ALICE[1], ALICE[0]),
            epk("P-256", &zero, &zero),
            epk("P-256", ALICE[0], ""),
            epk("P-384", ALICE[0], ALICE[1]),
            json!({"kty": "OKP", "crv": "X25519", "x": ALICE[0]}),
            private,
            json!("a key"),
            Value::Null,
        ];
        for wrong in wrong {
            assert_eq!(opened(&token(&json!({ "epk": wrong }))), Err(JweError::EphemeralKey), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_framed_as_a_token_is_refused() {
        let good = token(&json!({}));
        let mut parts: Vec<&str> = good.split('.').collect();
        let malformed = |parts: &[&str]| matches!(opened(&parts.join(".")), Err(JweError::Malformed(_)));
        assert!(malformed(&[]) && malformed(&parts[..4]) && malformed(&[&parts[..], &["e"]].concat()));
        let twice = jose::encode(r#"{"alg":"ECDH-ES","kid":"bob","kid":"alice"}"#);
        let long = jose::encode("{".repeat(HEADER_LENGTH_MAX));
        let nameless = jose::encode(r#"{"alg":"ECDH-ES","enc":"A128GCM"}"#);
        let short_tag = &parts[4][..16];
        for (place, wrong) in [
            (0, "."),
            (0, &*twice),
            (0, &*long),
            (0, &*nameless),
            (0, "e30"),
            (1, "AAAA"),
            (2, ""),
            (2, "AAAA"),
            (3, "="),
            (4, ""),
            (4, short_tag),
        ] {
            let right = std::mem::replace(&mut parts[place], wrong);
            assert!(malformed(&parts), "{place}: {wrong}");
            parts[place] = right;
        }
    }
}
