//! Devices and networks from which a traveller has signed in before.
//!
//! Neither proves anything: they only tell the owner of an account from strangers who fail to
//! sign in to it, so that the strangers' failures are not held against the owner. A device is
//! recognised by a cookie, of which the hash is kept; a network by the hash of its prefix.

use crate::limits::Client;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use vwp_core::{Environment, Problem, jose};
use vwp_storage::kv::Write;

/// The cookie by which a device is recognised. The prefix binds it to this host and to TLS
/// (RFC 6265bis, section 4.1.3.2).
pub const COOKIE: &str = "__Host-vwp-device";
/// How long a device and a network are remembered after a sign-in, in seconds.
pub const REMEMBERED_S: u64 = 90 * 24 * 3600;
/// How many cookies of a request are looked at.
const COOKIES_MAX: usize = 64;
/// The length of what a device shows: 256 bits, base64url.
const TOKEN_LENGTH: usize = 43;

/// Who tries to sign in to an account, as far as its failures are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What failures are counted by: the device, else the network, else that neither is known.
    pub key: String,
    /// Whether it is a device that was signed in before.
    pub is_device: bool,
    /// Whether it is a network in which the owner has never signed in. Those that are not known share
    /// one count already.
    pub is_stranger: bool,
}

/// The keys that tell whether a traveller has been seen with this device, and from this network.
pub(crate) fn keys(client: &Client, traveller: &str) -> [Vec<u8>; 2] {
    [device_key(traveller, client.device.as_deref()), network_key(traveller, client)]
}

/// Who a client is to the traveller whose keys are there or not.
pub(crate) fn source(client: &Client, has_device: bool, has_network: bool) -> Source {
    match (&client.device, client.network) {
        (Some(device), _) if has_device => {
            Source { key: format!("device {}", hash(device)), is_device: true, is_stranger: false }
        }
        (_, Some(network)) => {
            Source { key: format!("network {network}"), is_device: false, is_stranger: !has_network }
        }
        (_, None) => Source { key: "unknown".to_owned(), is_device: false, is_stranger: false },
    }
}

/// What a sign-in remembers. A device that is not known yet is given something to show.
pub(crate) fn remember(
    client: &Client,
    source: &Source,
    traveller: &str,
    environment: &Environment<'_>,
) -> (Option<String>, Vec<Write>) {
    let expires_at = Some(environment.now.saturating_add(REMEMBERED_S * 1000));
    let put = |key| Write::Put { key, value: Vec::new(), expires_at };
    let mut writes = Vec::new();
    if client.network.is_some() {
        writes.push(put(network_key(traveller, client)));
    }
    if source.is_device {
        return (None, writes);
    }
    let device = jose::encode(environment.random_bytes::<32>());
    writes.push(put(device_key(traveller, Some(&device))));
    (Some(device), writes)
}

/// What a device is given to show.
pub fn cookie(device: &str) -> Result<HeaderValue, Problem> {
    let cookie = format!("{COOKIE}={device}; Max-Age={REMEMBERED_S}; Path=/; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())
}

/// What a client shows to be recognised, if it looks like it.
pub(crate) fn shown(headers: &HeaderMap) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).take(COOKIES_MAX);
    let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    values.find(|value| value.len() == TOKEN_LENGTH).map(str::to_owned)
}

fn device_key(traveller: &str, device: Option<&str>) -> Vec<u8> {
    // Without a device the key is one that nothing is ever written to, so that all sign-ins read
    // alike.
    let hash = device.map_or_else(|| "none".to_owned(), hash);
    format!("auth/device/{traveller}/{hash}").into_bytes()
}

fn network_key(traveller: &str, client: &Client) -> Vec<u8> {
    let network = client.network.map_or_else(|| "none".to_owned(), |network| network.to_string());
    format!("auth/familiar/{traveller}/{}", hash(&format!("{traveller} {network}"))).into_bytes()
}

fn hash(text: &str) -> String {
    jose::encode(Sha256::digest(text.as_bytes()))
}
