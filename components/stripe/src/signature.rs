//! Whether a webhook is Stripe's: `Stripe-Signature: t=<seconds>,v1=<hex>`, where `v1` is an HMAC-SHA256 over the
//! time, a dot and the body (<https://docs.stripe.com/webhooks#verify-manually>).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use vwp_processor::Fault;

/// How far the time of a webhook may be from ours, in seconds: what is older may be an attacker's copy.
pub const TOLERANCE_S: u64 = 300;
/// The most signatures that are looked at. While a secret is replaced, there are two.
const SIGNATURES_MAX: usize = 8;
/// The length of a signature, in bytes.
const LENGTH: usize = 32;

/// Requires that one of the secrets signed this body, at a time that is about now (in seconds since the Unix
/// epoch).
pub fn verify(secrets: &[String], headers: &[(String, String)], body: &str, now: u64) -> Result<(), Fault> {
    let forged = |why: &str| Fault::Forged(why.to_owned());
    let mut found = headers.iter().filter(|(name, _)| name == "stripe-signature").map(|(_, value)| value);
    let (Some(header), None) = (found.next(), found.next()) else {
        return Err(forged("it has not one Stripe-Signature"));
    };
    let pairs = || header.split(',').filter_map(|pair| pair.trim().split_once('='));
    let time = pairs().find(|(name, _)| *name == "t").map(|(_, time)| time);
    let time = time.ok_or_else(|| forged("its signature has no time"))?;
    let signed_at: u64 = time.parse().map_err(|_| forged("the time of its signature is none"))?;
    if signed_at.abs_diff(now) > TOLERANCE_S {
        return Err(forged("it was signed more than five minutes ago, or will be"));
    }
    let signatures = pairs().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| {
        let mut bytes = [0; LENGTH];
        base16ct::mixed::decode(hex, &mut bytes).is_ok_and(|read| read.len() == LENGTH).then_some(bytes)
    });
    for signature in signatures.take(SIGNATURES_MAX) {
        for secret in secrets {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
                .map_err(|_| forged("there is no secret to verify it with"))?;
            for part in [time, ".", body] {
                mac.update(part.as_bytes());
            }
            // In constant time.
            if mac.verify_slice(&signature).is_ok() {
                return Ok(());
            }
        }
    }
    Err(forged("no secret of ours made its signature"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the official library for Python signs: `stripe.WebhookSignature._compute_signature` over
    /// `1795372619.{"id": "evt_1"}` with `whsec_test`.
    const SIGNED: &str = "9e00f3a0acfc354916195d9d82aa39ea4fb9c450fe60d9a565b2833435317842";
    const BODY: &str = r#"{"id": "evt_1"}"#;
    const TIME: u64 = 1_795_372_619;

    fn check(secret: &str, header: &str, body: &str, now: u64) -> Result<(), Fault> {
        let headers = [("stripe-signature".to_owned(), header.to_owned())];
        verify(&["old".to_owned(), secret.to_owned()], &headers, body, now)
    }

    #[test]
    fn what_the_official_library_signs_is_believed_and_nothing_else() {
        let header = format!("t={TIME},v1={},v1={SIGNED},v0=00", "0".repeat(64));
        assert_eq!(check("whsec_test", &header, BODY, TIME + TOLERANCE_S), Ok(()));
        assert_eq!(check("whsec_test", &header, BODY, TIME - TOLERANCE_S), Ok(()));
        let refused = [
            ("whsec_test", header.clone(), BODY, TIME + TOLERANCE_S + 1),
            ("whsec_test", header.clone(), BODY, TIME - TOLERANCE_S - 1),
            ("whsec_other", header.clone(), BODY, TIME),
            ("whsec_test", header.clone(), r#"{"id": "evt_2"}"#, TIME),
            ("whsec_test", header.replace("t=", "t=1"), BODY, TIME),
            ("whsec_test", header.replace("v1=", "v0="), BODY, TIME),
            ("whsec_test", format!("v1={SIGNED}"), BODY, TIME),
            ("whsec_test", format!("t={TIME},v1={}", &SIGNED[1..]), BODY, TIME),
            ("whsec_test", String::new(), BODY, TIME),
        ];
        for (number, (secret, header, body, now)) in refused.into_iter().enumerate() {
            assert!(matches!(check(secret, &header, body, now), Err(Fault::Forged(_))), "{number}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_believed() {
        let headers = [("stripe-signature".to_owned(), format!("t={TIME},v1={SIGNED}"))];
        assert!(verify(&[], &headers, BODY, TIME).is_err());
    }
}
