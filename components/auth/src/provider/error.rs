//! Refusals in the form that OAuth gives them (RFC 6749, section 5.2): clients look at `error`,
//! and people at `error_description`. What is no matter of the protocol stays a problem document.

use crate::AuthError;
use crate::openid4vp::AnswerError;
use ::http::{HeaderValue, Response, StatusCode, header};
use vwp_core::{Problem, reply};
use vwp_storage::StorageError;
use vwp_verifier::dcql::DcqlError;

/// Why a request to the provider was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OauthError {
    /// A parameter is missing, repeated or malformed.
    #[error("{0}")]
    Request(&'static str),
    /// The client is not known, or did not prove who it is.
    #[error("{0}")]
    Client(&'static str),
    /// The code, device code or refresh token is not good for this request.
    #[error("{0}")]
    Grant(&'static str),
    /// The client is not registered for this.
    #[error("{0}")]
    UnauthorisedClient(&'static str),
    /// A grant type that is not offered here.
    #[error("the grant types are authorization_code, refresh_token, device_code and pre-authorized_code")]
    GrantType,
    /// A response type other than `code`.
    #[error("the only response_type is code")]
    ResponseType,
    /// A scope that is not offered here.
    #[error("the scopes are openid, profile, offline_access and passport")]
    Scope,
    /// Details that are not offered here (RFC 9396, section 5).
    #[error("{0}")]
    AuthorizationDetails(&'static str),
    /// A DPoP proof that proves nothing (RFC 9449, section 5).
    #[error("{0}")]
    DpopProof(&'static str),
    /// A DPoP proof without a nonce of now (RFC 9449, section 8).
    #[error("make the DPoP proof again with the nonce of this answer")]
    DpopNonce,
    /// The person has not decided yet (RFC 8628, section 3.5).
    #[error("the person has not decided yet")]
    AuthorizationPending,
    /// The device asks too often (RFC 8628, section 3.5).
    #[error("ask less often")]
    SlowDown,
    /// The device code has ended (RFC 8628, section 3.5).
    #[error("the device code has ended")]
    ExpiredToken,
    /// The person said no.
    #[error("the person said no")]
    AccessDenied,
    /// Nobody is signed in, and the client wants no page (OpenID Connect Core, section 3.1.2.6).
    #[error("nobody is signed in")]
    LoginRequired,
    /// Nobody was asked yet, and the client wants no page.
    #[error("the person has not agreed to this")]
    ConsentRequired,
    /// Request objects are not taken (OpenID Connect Core, section 3.1.2.6).
    #[error("request objects are not taken; push the request instead")]
    RequestNotSupported,
    /// An access token that is not good here (RFC 6750, section 3.1).
    #[error("{0}")]
    Token(&'static str),
    /// An access token without the scope that this takes.
    #[error("the access token was not granted for this")]
    InsufficientScope,
    /// More requests than are kept at once.
    #[error("too many requests are open; try again later")]
    Busy,
    /// A query that cannot be asked, or an answer to one that is not believed (OpenID4VP 1.0).
    #[error("{0}")]
    Query(DcqlError),
    /// An answer that cannot be read, or is not encrypted as was asked for (OpenID4VP 1.0, section 8.3).
    #[error("{0}")]
    Answer(AnswerError),
    /// A refusal that all components share.
    #[error("{}", .0.detail)]
    Shared(Problem),
}

impl OauthError {
    /// The reason as it stands in `error`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Request(_) | Self::Query(_) | Self::Answer(_) => "invalid_request",
            Self::Client(_) => "invalid_client",
            Self::Grant(_) => "invalid_grant",
            Self::UnauthorisedClient(_) => "unauthorized_client",
            Self::GrantType => "unsupported_grant_type",
            Self::ResponseType => "unsupported_response_type",
            Self::Scope => "invalid_scope",
            Self::AuthorizationDetails(_) => "invalid_authorization_details",
            Self::DpopProof(_) => "invalid_dpop_proof",
            Self::DpopNonce => "use_dpop_nonce",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::Token(_) => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::Busy => "temporarily_unavailable",
            Self::Shared(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => {
                "temporarily_unavailable"
            }
            Self::Shared(_) => "server_error",
        }
    }

    /// The status that goes with it.
    fn status(&self) -> StatusCode {
        match self {
            Self::Client(_) | Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Shared(problem) => problem.status,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The refusal, where only those can come that all components share.
    pub(crate) fn shared(self) -> AuthError {
        match self {
            Self::Shared(problem) => problem.into(),
            _ => Problem::internal().into(),
        }
    }

    /// The answer of an endpoint that clients talk to.
    pub fn into_response(self) -> Response<Vec<u8>> {
        if let Self::Shared(problem) = self {
            return problem.into_response();
        }
        let body = serde_json::json!({ "error": self.code(), "error_description": self.to_string() });
        let mut response = reply::json(self.status(), &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Busy {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }

    /// The answer of a resource that takes access tokens: the reason stands in the challenge
    /// (RFC 6750, section 3, and RFC 9449, section 7.1).
    pub(crate) fn into_challenge(self) -> Response<Vec<u8>> {
        let code = self.code();
        let mut response = match self {
            Self::DpopNonce | Self::DpopProof(_) => {
                let mut response = self.into_response();
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response
            }
            other => other.into_response(),
        };
        let challenge = format!("DPoP algs=\"ES256\", error=\"{code}\", Bearer error=\"{code}\"");
        if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && let Ok(challenge) = HeaderValue::from_str(&challenge)
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Problem> for OauthError {
    fn from(problem: Problem) -> Self {
        Self::Shared(problem)
    }
}

impl From<AuthError> for OauthError {
    fn from(error: AuthError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<StorageError> for OauthError {
    fn from(error: StorageError) -> Self {
        Self::Shared(error.into())
    }
}
