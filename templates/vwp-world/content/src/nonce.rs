//! Nonces that nobody has to remember: a time, and an HMAC of it (RFC 2104). A nonce serves for some minutes and
//! for everybody; a world that takes each presentation once remembers what it was shown for as long.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How long a nonce serves, in seconds: as long as a presentation does.
pub const LIFETIME_S: u64 = 300;

/// A nonce of a time, in seconds since 1970-01-01T00:00:00Z.
pub fn make(secret: &[u8], now_s: u64) -> String {
    let tag = mac(secret, now_s).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
    let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{now_s}.{hex}")
}

/// Whether a nonce was made with this secret, not later than now and not too long ago.
pub fn is_fresh(secret: &[u8], nonce: &str, now_s: u64) -> bool {
    let Some((time, hex)) = nonce.split_once('.') else { return false };
    let (Ok(made_s), Some(tag)) = (time.parse::<u64>(), bytes(hex)) else { return false };
    let is_ours = mac(secret, made_s).is_some_and(|mac| mac.verify_slice(&tag).is_ok());
    is_ours && made_s <= now_s && now_s < made_s.saturating_add(LIFETIME_S)
}

fn mac(secret: &[u8], made_s: u64) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(b"world nonce\n").chain_update(made_s.to_be_bytes()))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || hex.len() != 64 {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}
