//! What a request needs from outside besides storage: the time, randomness and
//! the operator's settings. The handler passes it in, so the domain stays pure.

use std::collections::BTreeMap;
use std::fmt;

/// Milliseconds since the Unix epoch.
pub type Timestamp = u64;

/// How far a signer's clock may be from ours, in milliseconds.
pub const CLOCK_SKEW_MAX_MS: u64 = 5 * 60 * 1000;

/// Bytes that nobody can guess. The host's generator in a component; a seeded one
/// in tests.
pub trait Random {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// The settings of the application, from its variables.
#[derive(Clone)]
pub struct Settings {
    /// The DNS zone that worlds are served under, without a final dot.
    pub zone: String,
    /// The port's public URL: the issuer of its tokens and the audience of requests.
    pub issuer: String,
    /// The key that seals other keys at rest.
    pub master_key: [u8; 32],
    /// The key that did so before, while something that it sealed may be left.
    pub master_key_previous: Option<[u8; 32]>,
    /// The secret that an administrator shows.
    pub admin_token: String,
    /// Further variables, of one component alone, by name. Never printed: one may be secret.
    pub options: BTreeMap<&'static str, String>,
}

impl fmt::Debug for Settings {
    /// Leaves out the secrets, so that no log can hold them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("zone", &self.zone)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Everything that one request needs from outside besides storage.
pub struct Environment<'a> {
    /// When the request arrived.
    pub now: Timestamp,
    /// Where randomness comes from.
    pub random: &'a dyn Random,
    /// The application's settings.
    pub settings: &'a Settings,
}

impl Environment<'_> {
    /// `N` random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// The time in whole seconds, as JWT claims carry it (RFC 7519, NumericDate).
    pub fn now_seconds(&self) -> u64 {
        self.now / 1000
    }
}

/// Whether a claimed time in seconds is within the allowed skew of now.
pub fn is_current(claimed_seconds: u64, now: Timestamp) -> bool {
    claimed_seconds.saturating_mul(1000).abs_diff(now) <= CLOCK_SKEW_MAX_MS
}
