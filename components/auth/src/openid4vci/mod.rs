//! The port as a credential issuer (OpenID for Verifiable Credential Issuance 1.0): a wallet gets
//! passports with an access token of the provider's, by the same code that issues them to a
//! traveller's own session.
//!
//! - [`metadata`]: where the endpoints are, and what is issued there.
//! - [`details`]: `authorization_details`, which say the world that the passports are for.
//! - [`offers`]: what calls a wallet to get passports.
//! - [`nonce`]: what a wallet signs to show that its proofs were made now.
//! - [`credential`]: the endpoint that gives passports out, with [`error`] for its refusals.
//! - [`http`]: the paths.

pub mod credential;
pub mod details;
pub mod error;
pub mod http;
pub mod metadata;
pub mod nonce;
pub mod offers;

/// Where passports are given out (section 8).
pub(crate) const CREDENTIAL_PATH: &str = "/oauth/credential";
/// Where nonces are given out (section 7).
pub(crate) const NONCE_PATH: &str = "/oauth/nonce";
/// Where the metadata is (section 12.2.2).
pub(crate) const METADATA_PATH: &str = "/.well-known/openid-credential-issuer";
/// Where a traveller makes offers (section 4.1).
pub(crate) const OFFERING_PATH: &str = "/v1/passports/offers";
/// Below this wallets fetch offers (section 4.1.3).
pub(crate) const OFFERS_PATH: &str = "/oauth/offers/";
/// The name of the only credential configuration.
pub(crate) const CONFIGURATION: &str = "passport";
