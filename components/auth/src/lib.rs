//! Travellers, their sessions and their passports.
//!
//! - [`handle`] and [`password`]: what a traveller signs in with.
//! - [`accounts`] and [`attempts`]: signing up, signing in, and how often one may fail.
//! - [`limits`] and [`devices`]: how much strangers may ask for, and who is none.
//! - [`passkeys`], [`recovery`] and [`dids`]: other ways to sign in.
//! - [`upstream`]: signing in with an account at another OpenID provider.
//! - `methods`: that the last way to sign in stays.
//! - [`sign_ins`]: what all of them end with.
//! - [`sessions`]: access tokens, and their end.
//! - [`profile`]: what a traveller says of themselves.
//! - [`passports`]: issuing credentials that are bound to the traveller's keys.
//! - [`openid4vci`]: the same for wallets, with OpenID for Verifiable Credential Issuance.
//! - `openid4vp`: showing them to worlds, with OpenID for Verifiable Presentations.
//! - [`status`]: which passports were revoked.
//! - [`tickets`] and [`bans`]: travelling from world to world, and who is not let in.
//! - [`verify`], [`sd_jwt`] and [`strict_json`]: believing one, from `vwp-verifier`.
//! - [`keys`]: the issuer's keys, and how others find them.
//! - [`provider`]: logging in to worlds, with OAuth 2.1 and OpenID Connect.
//! - [`audit`]: what happened, in chains that show if an entry was changed.
//! - [`data`]: what a traveller may ask for: everything that is kept, or that nothing is.
//! - [`http`]: the same functions as HTTP resources.
//! - [`pages`]: the page on which a person signs in.
//! - [`options`]: the component's own variables.
//! - [`error`]: every refusal, and the problem that it becomes.

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod bans;
pub mod data;
pub mod devices;
pub mod dids;
pub mod error;
pub mod handle;
pub mod http;
pub mod keys;
pub mod limits;
mod methods;
pub mod openid4vci;
mod openid4vp;
pub mod options;
pub mod pages;
pub mod passkeys;
pub mod passports;
pub mod password;
pub mod profile;
pub mod provider;
pub mod recovery;
pub mod sessions;
pub mod sign_ins;
pub mod status;
pub mod tickets;
pub mod upstream;

pub use error::AuthError;
pub use vwp_verifier::{sd_jwt, strict_json, verify};
