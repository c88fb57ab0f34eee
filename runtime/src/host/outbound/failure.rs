//! What a guest is told when a request fails: WASI's error for it.

use rustls::AlertDescription;
use std::error::Error as StdError;
use wasmtime_wasi_http::Error;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the host has no address")]
    NotFound,
    #[error("all addresses of the host are in blocked networks")]
    Prohibited,
    #[error("the host refused the connection")]
    Refused,
    #[error("there is no route to the host")]
    Unroutable,
    #[error("the host cannot be connected to")]
    Unavailable,
    #[error("the connection took too long")]
    TimedOut,
}

impl Failure {
    fn explain(self) -> Error {
        match self {
            Self::NotFound => {
                Error::DnsError { rcode: Some("address not available".to_owned()), info_code: None }
            }
            Self::Prohibited => Error::DestinationIpProhibited,
            Self::Refused => Error::ConnectionRefused,
            Self::Unroutable => Error::DestinationIpUnroutable,
            Self::Unavailable => Error::DestinationUnavailable,
            Self::TimedOut => Error::ConnectionTimeout,
        }
    }
}

/// Looks for the error's cause that says most. What is not known is an error of the protocol.
pub(super) fn explain(error: &(dyn StdError + 'static)) -> Error {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(known) = explain_one(cause) {
            return known;
        }
        // An I/O error hides the error that it wraps from `source`.
        let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = wrapped.map_or_else(|| cause.source(), |wrapped| Some(wrapped));
    }
    Error::HttpProtocolError
}

/// The same for what breaks off an answer's body.
pub(super) fn explain_body(error: hyper::Error) -> Error {
    if error.is_incomplete_message() || error.is_closed() {
        return Error::HttpResponseIncomplete;
    }
    match explain(&error) {
        Error::HttpProtocolError => Error::Hyper(error),
        known => known,
    }
}

fn explain_one(cause: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.explain());
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(explain_tls(error));
    }
    // What the guest's own body ended with.
    if let Some(Error::HttpRequestBodySize(size)) = cause.downcast_ref::<Error>() {
        return Some(Error::HttpRequestBodySize(*size));
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return explain_http(error);
    }
    let error = cause.downcast_ref::<std::io::Error>()?;
    // One that wraps another error is explained by that.
    error.get_ref().is_none().then_some(Error::ConnectionTerminated)
}

fn explain_http(error: &hyper::Error) -> Option<Error> {
    if error.is_timeout() {
        Some(Error::ConnectionReadTimeout)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some(Error::ConnectionTerminated)
    } else if error.is_parse_too_large() {
        Some(Error::HttpResponseHeaderSectionSize(None))
    } else {
        None
    }
}

fn explain_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Error::TlsCertificateError
        }
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(name(*alert)) }
        }
        _ => Error::TlsProtocolError,
    }
}

fn name(alert: AlertDescription) -> String {
    format!("{alert:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_cause_is_found_behind_what_wraps_it() {
        let error = io::Error::other(io::Error::other(Failure::Refused));
        assert!(matches!(explain(&error), Error::ConnectionRefused));
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert!(matches!(explain(&io::Error::other(certificate)), Error::TlsCertificateError));
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(explain(&reset), Error::ConnectionTerminated));
        assert!(matches!(explain(&io::Error::other("odd")), Error::HttpProtocolError));
    }
}
