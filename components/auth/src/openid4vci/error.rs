//! Refusals of the credential endpoint (OpenID4VCI 1.0, section 8.3.1).

use crate::error::AuthError;
use crate::passports::{PassportError, ProofError};
use crate::provider::error::OauthError;
use ::http::{HeaderValue, Response, StatusCode, header};
use vwp_core::{Problem, reply};

/// Why a passport was not given out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CredentialError {
    /// The request is malformed, or contradicts itself.
    #[error("{0}")]
    Request(&'static str),
    /// A configuration that there is not, or that the token is not for.
    #[error("the access token is not for this credential configuration")]
    Configuration,
    /// An identifier that there is not, or that the token is not for.
    #[error("the access token is not for this credential identifier")]
    Identifier,
    /// The answer is not encrypted here beyond TLS (section 10).
    #[error("this issuer does not encrypt answers: leave credential_response_encryption out")]
    Encryption,
    /// The access token is not good here.
    #[error("{0}")]
    Token(OauthError),
    /// What the issuing itself refused.
    #[error("{0}")]
    Issue(AuthError),
}

impl CredentialError {
    /// The reason as it stands in `error`; none if it is no matter of this protocol.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Request(_) => Some("invalid_credential_request"),
            Self::Configuration => Some("unknown_credential_configuration"),
            Self::Identifier => Some("unknown_credential_identifier"),
            Self::Encryption => Some("invalid_encryption_parameters"),
            Self::Issue(AuthError::Proof(ProofError::Nonce)) => Some("invalid_nonce"),
            Self::Issue(AuthError::Proof(_) | AuthError::Passport(PassportError::Copies)) => {
                Some("invalid_proof")
            }
            Self::Token(_) | Self::Issue(_) => None,
        }
    }

    /// The answer.
    pub fn into_response(self) -> Response<Vec<u8>> {
        let Some(code) = self.code() else {
            return match self {
                Self::Token(error) => error.into_challenge(),
                Self::Issue(error) => Problem::from(error).into_response(),
                _ => Problem::internal().into_response(),
            };
        };
        let body = serde_json::json!({ "error": code, "error_description": self.to_string() });
        let mut response = reply::json(StatusCode::BAD_REQUEST, &body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<OauthError> for CredentialError {
    fn from(error: OauthError) -> Self {
        Self::Token(error)
    }
}

impl From<AuthError> for CredentialError {
    fn from(error: AuthError) -> Self {
        Self::Issue(error)
    }
}
