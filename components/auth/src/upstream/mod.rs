//! Signing in with an account at another OpenID provider (OpenID Connect Core 1.0), with the
//! authorization code and PKCE (RFC 9700).
//!
//! - [`providers`]: which ones the deployment configured.
//! - [`metadata`]: what a provider says of itself (OpenID Connect Discovery 1.0).
//! - [`keys`] and [`jws`]: its keys, and what they signed.
//! - [`id_token`]: believing an ID Token.
//! - [`token`]: what a code is exchanged for.
//! - [`browser`]: the cookie that binds a sign-in to the browser in which it began.
//! - [`transactions`]: sign-ins that were begun.
//! - [`registrations`]: accounts that were proved, and that nobody has linked.
//! - [`links`]: which traveller an account belongs to.
//! - [`sign_in`]: all of it in its order.
//! - [`http`]: the same as HTTP resources.
//!
//! An account is an issuer and a subject, and nothing else: an e-mail address is neither asked for
//! nor looked at, because another provider may give the same one to somebody else.

mod ask;
pub mod browser;
pub mod http;
pub mod id_token;
pub mod jws;
pub mod keys;
pub mod links;
pub mod metadata;
pub mod providers;
pub mod registrations;
pub mod sign_in;
pub mod token;
pub mod transactions;

use ::http::StatusCode;
use id_token::IdTokenError;
use jws::JwsError;
use vwp_core::Problem;

/// Why an account at another provider was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The deployment names no such provider.
    #[error("this port knows no such provider")]
    NoProvider,
    /// Whoever is between the port and a browser could take the code.
    #[error("accounts of other providers need a port that is reached over https")]
    Insecure,
    /// The provider cannot be asked, or answers what it should not. Why is in the log.
    #[error("the provider does not answer as it should; try again later")]
    Failed,
    /// The sign-in was used, is too old, was never begun, or was begun in another browser.
    #[error("the sign-in has ended, or was not begun in this browser; begin another one")]
    Ended,
    /// The provider said no.
    #[error("the provider did not sign anybody in")]
    Refused,
    /// The answer is not from the provider that was asked (RFC 9207).
    #[error("the answer is from another provider than the one that was asked")]
    MixedUp,
    /// The ID Token's signature is not to be believed.
    #[error("the provider's ID Token was not accepted: {0}")]
    Signature(#[from] JwsError),
    /// The ID Token says something else than it must.
    #[error("the provider's ID Token was not accepted: {0}")]
    IdToken(#[from] IdTokenError),
    /// The account was proved too long ago, elsewhere, or has been linked since.
    #[error("the account was proved too long ago, or in another browser; sign in with it again")]
    RegistrationEnded,
    /// The account belongs to a traveller already.
    #[error("the account is linked already")]
    Linked,
    /// There is no room for another one.
    #[error("a traveller links at most {} accounts of other providers", links::LINKS_MAX)]
    TooMany,
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        let (status, slug) = match error {
            UpstreamError::NoProvider => (StatusCode::NOT_FOUND, "upstream-unknown"),
            UpstreamError::Insecure => (StatusCode::NOT_IMPLEMENTED, "upstream-insecure"),
            UpstreamError::Failed => (StatusCode::BAD_GATEWAY, "upstream-failed"),
            UpstreamError::Ended => (StatusCode::CONFLICT, "sign-in-ended"),
            UpstreamError::Refused => (StatusCode::UNAUTHORIZED, "upstream-refused"),
            UpstreamError::MixedUp => (StatusCode::UNAUTHORIZED, "upstream-mixed-up"),
            UpstreamError::Signature(_) | UpstreamError::IdToken(_) => {
                (StatusCode::UNAUTHORIZED, "id-token-refused")
            }
            UpstreamError::RegistrationEnded => (StatusCode::CONFLICT, "registration-ended"),
            UpstreamError::Linked => (StatusCode::CONFLICT, "upstream-linked"),
            UpstreamError::TooMany => (StatusCode::CONFLICT, "too-many-upstream-links"),
        };
        Self::new(status, slug, "The account was not accepted", error.to_string())
    }
}
