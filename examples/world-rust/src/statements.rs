//! What the arena signs as its operator: JWS in compact form (RFC 7515) with ES256, as
//! docs/protocol/discovery.md and docs/transfers.md describe them. Over HTTP the same would be bodies of
//! requests; here they are arguments.

use crate::settings::Settings;
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::caller::{OPERATOR_TOKEN_LIFETIME_MAX_S, OPERATOR_TOKEN_TYPE};
use vwp_core::jose::{self, Header, Jwk};

/// The type of a world's record.
pub const RECORD_TYPE: &str = "vwp-world+jws";

/// How long a record holds, in seconds.
const RECORD_LIFETIME_S: u64 = 30 * 86_400;

/// How many prizes the arena is founded with.
const PRIZES_FOUNDED: u128 = 1_000;

/// The key of the world's operator. It is shown nowhere, `Debug` included.
pub struct OperatorKey {
    signing: SigningKey,
    public: Jwk,
}

impl std::fmt::Debug for OperatorKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the key of {}", self.id())
    }
}

impl OperatorKey {
    /// Reads a private JWK (RFC 7518, section 6.2.2), as `vwp key new` makes it.
    pub fn from_jwk(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct PrivateJwk {
            kty: String,
            crv: String,
            d: String,
        }
        let jwk: PrivateJwk = serde_json::from_str(text).ok()?;
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return None;
        }
        let signing = SigningKey::from_slice(&jose::decode(&jwk.d).ok()?).ok()?;
        let public = Jwk::from_key(signing.verifying_key());
        Some(Self { signing, public })
    }

    /// The operator's id: the thumbprint of its first key (RFC 7638).
    pub fn id(&self) -> String {
        self.public.thumbprint()
    }

    /// Whether who paid with this hold wins. Nobody can tell beforehand who has not the key, and it is the
    /// same whenever it is asked, because the signatures are deterministic (RFC 6979).
    pub fn draws(&self, hold: &str) -> bool {
        let signature: p256::ecdsa::Signature = self.signing.sign(format!("arena duel\n{hold}").as_bytes());
        Sha256::digest(signature.to_bytes())[0] & 1 == 1
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jose::sign(header, claims.to_string().as_bytes(), &self.signing)
    }
}

/// The arena's statements at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Statements<'a> {
    settings: &'a Settings,
    /// Seconds since 1970-01-01T00:00:00Z.
    now_s: u64,
}

impl<'a> Statements<'a> {
    /// Statements at a time, in seconds since 1970-01-01T00:00:00Z.
    pub fn new(settings: &'a Settings, now_s: u64) -> Self {
        Self { settings, now_s }
    }

    /// The world's record. It is numbered by the time, so that a later one is always newer.
    pub fn record(&self) -> String {
        let key = &self.settings.key;
        let mut claims = self.settings.record.clone();
        claims.insert("seq".to_owned(), self.now_s.into());
        claims.insert("exp".to_owned(), (self.now_s + RECORD_LIFETIME_S).into());
        // With the key, because the port may not know the operator yet.
        let header = Header::new(RECORD_TYPE).with_kid(key.id()).with_jwk(key.public.clone());
        key.sign(&header, &self.dated(Value::Object(claims)))
    }

    /// The asset that the arena's fees and prizes are paid in.
    pub fn asset(&self) -> String {
        let claims = json!({ "asset": self.settings.asset(), "scale": 2, "title": "Arena coins" });
        self.signed("vwp-asset+jws", claims)
    }

    /// Gives the arena what its first prizes are paid from. Once, because the key is always the same.
    pub fn founding(&self) -> String {
        let asset = self.settings.asset();
        let amount = self.settings.prize.saturating_mul(PRIZES_FOUNDED);
        self.order(json!({
            "idempotency_key": "founding", "from": format!("issuance:{asset}"),
            "to": self.settings.account(), "asset": asset, "amount": amount.to_string(),
        }))
    }

    /// Takes the fee that a traveller holds for the arena.
    pub fn take_fee(&self, hold: &str) -> String {
        self.order(json!({ "idempotency_key": format!("entry-{hold}"), "kind": "post", "origin": hold }))
    }

    /// Pays the prize to who entered with a hold.
    pub fn pay_prize(&self, hold: &str, winner: &str) -> String {
        self.order(json!({
            "idempotency_key": format!("prize-{hold}"), "from": self.settings.account(), "to": winner,
            "asset": self.settings.asset(), "amount": self.settings.prize.to_string(),
        }))
    }

    /// Says for five minutes who is asking, where nothing is signed.
    pub fn assertion(&self) -> String {
        let id = self.settings.key.id();
        let exp = self.now_s + OPERATOR_TOKEN_LIFETIME_MAX_S;
        self.signed(OPERATOR_TOKEN_TYPE, json!({ "iss": id, "sub": id, "exp": exp }))
    }

    fn order(&self, claims: Value) -> String {
        self.signed("vwp-transfer+jws", claims)
    }

    fn signed(&self, typ: &str, claims: Value) -> String {
        let key = &self.settings.key;
        key.sign(&Header::new(typ).with_kid(key.id()), &self.dated(claims))
    }

    /// The claims with when they were made, and for whom.
    fn dated(&self, mut claims: Value) -> Value {
        claims["iat"] = self.now_s.into();
        claims["aud"] = self.settings.issuer.clone().into();
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;
    use vwp_core::jose::Unverified;

    #[test]
    fn what_the_arena_signs_verifies_and_says_for_whom_and_when() {
        let settings = settings();
        let statements = Statements::new(&settings, 1_800_000_000);
        let public = settings.key.public.to_key().expect("a public key");
        for (signed, typ) in [
            (statements.record(), RECORD_TYPE),
            (statements.asset(), "vwp-asset+jws"),
            (statements.founding(), "vwp-transfer+jws"),
            (statements.take_fee("hold"), "vwp-transfer+jws"),
            (statements.pay_prize("hold", "traveller:ada"), "vwp-transfer+jws"),
            (statements.assertion(), OPERATOR_TOKEN_TYPE),
        ] {
            let token = Unverified::parse(&signed, typ).expect("a compact JWS of the type");
            assert_eq!(token.header.kid, Some(settings.key.id()));
            assert_eq!(token.header.jwk.is_some(), typ == RECORD_TYPE, "a record introduces the key");
            let claims: Value =
                serde_json::from_slice(&token.verify(&public).expect("signed")).expect("JSON");
            assert_eq!(
                (&claims["aud"], &claims["iat"]),
                (&json!("https://port.example"), &json!(1_800_000_000))
            );
        }
    }

    #[test]
    fn a_draw_is_the_same_however_often_and_not_the_same_for_everybody() {
        let key = settings().key;
        let draws: Vec<bool> = (0..64).map(|hold| key.draws(&format!("{hold:032x}"))).collect();
        let again: Vec<bool> = (0..64).map(|hold| key.draws(&format!("{hold:032x}"))).collect();
        assert_eq!(draws, again);
        assert!(draws.contains(&true) && draws.contains(&false));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = settings().key;
        assert_eq!(format!("{key:?}"), format!("the key of {}", key.id()));
    }
}
