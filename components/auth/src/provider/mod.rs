//! The port as an OAuth 2.1 authorization server and OpenID provider: travellers log in to
//! worlds with their account here.
//!
//! - [`clients`] and [`redirect_uri`]: what an operator registers for a world.
//! - [`authorize`], [`flow`], [`sign_in`], [`consents`] and [`par`]: the authorization endpoint, with
//!   what a person sees in [`pages`], in a session of [`browser`].
//! - [`token`]: the token endpoint, over [`codes`], [`grants`], [`device`] and [`pre_authorized`].
//! - [`tokens`]: access and ID tokens; [`pairwise`]: the name of a traveller in one world.
//! - [`client_auth`], [`dpop`] and [`replay`]: who asks, and with which key.
//! - [`resources`]: UserInfo, introspection and revocation; [`metadata`]: where all that is.
//! - [`devices`]: the page for consoles and headsets; [`sessions`]: what a traveller can end.
//! - [`http`]: the paths.
//!
//! Nothing is kept for a browser in which nobody signed in: a page carries its request in its own
//! address, and what binds a form to a browser is derived from the browser's cookie. What clients
//! make the port remember ends by itself, after minutes where anybody could send it.

mod authorize;
pub mod browser;
pub(crate) mod client_auth;
pub mod clients;
mod codes;
mod consents;
mod device;
mod devices;
pub(crate) mod dpop;
pub mod error;
mod flow;
pub(crate) mod grants;
pub mod http;
mod metadata;
mod pages;
pub mod pairwise;
mod par;
pub(crate) mod params;
mod pre_authorized;
pub(crate) mod quota;
pub mod redirect_uri;
mod replay;
pub(crate) mod resources;
pub(crate) mod scope;
pub(crate) mod secret;
mod sessions;
mod sign_in;
mod token;
pub(crate) mod tokens;

use sha2::{Digest, Sha256};
use vwp_core::{Environment, jose};

/// What of a secret is kept: its SHA-256, as base64url.
pub(crate) fn hashed(secret: impl AsRef<[u8]>) -> String {
    jose::encode(Sha256::digest(secret.as_ref()))
}

/// The URL of a path of this port.
pub(crate) fn url(path: &str, environment: &Environment<'_>) -> String {
    format!("{}{path}", environment.settings.issuer.trim_end_matches('/'))
}
