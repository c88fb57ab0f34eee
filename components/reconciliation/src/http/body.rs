//! Statements in bodies: which format, and whether the body is compressed.

use crate::Error;
use crate::import::Format;
use ::http::{HeaderMap, Request, StatusCode, header};
use miniz_oxide::inflate;
use std::borrow::Cow;
use vwp_core::{Problem, reply};

/// The longest statement, in bytes, after it was decompressed.
const STATEMENT_LENGTH_MAX: usize = 4 * 1024 * 1024;

/// The media types of statements. SWIFT has none registered.
const TYPES: &[(&str, Format)] = &[
    ("application/xml", Format::Camt053),
    ("text/xml", Format::Camt053),
    ("application/vnd.swift.mt940", Format::Mt940),
    ("text/plain", Format::Mt940),
    // RFC 7111.
    ("text/csv", Format::Csv),
];

/// The statement in a body.
pub(super) fn statement(request: &Request<Vec<u8>>) -> Result<(Format, Cow<'_, [u8]>), Error> {
    let known = TYPES.iter().find(|(name, _)| reply::require_media_type(request.headers(), name).is_ok());
    let Some((_, format)) = known else {
        return Err(unsupported(
            "send Content-Type: application/xml (camt.053), application/vnd.swift.mt940 or text/csv",
        ));
    };
    let bytes = match coding(request.headers())? {
        Coding::Identity => Cow::Borrowed(request.body().as_slice()),
        Coding::Deflate => Cow::Owned(
            inflate::decompress_to_vec_zlib_with_limit(request.body(), STATEMENT_LENGTH_MAX).map_err(
                |error| match error.status {
                    inflate::TINFLStatus::HasMoreOutput => reply::too_large(STATEMENT_LENGTH_MAX),
                    _ => Problem::bad_request("the body is not in the zlib format that deflate means"),
                },
            )?,
        ),
    };
    if bytes.len() > STATEMENT_LENGTH_MAX {
        return Err(reply::too_large(STATEMENT_LENGTH_MAX).into());
    }
    Ok((*format, bytes))
}

enum Coding {
    Identity,
    /// RFC 9110, section 8.4.1.2: the zlib format.
    Deflate,
}

fn coding(headers: &HeaderMap) -> Result<Coding, Error> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Coding::Identity) };
    match value.to_str().unwrap_or_default().to_ascii_lowercase().as_str() {
        "identity" => Ok(Coding::Identity),
        "deflate" => Ok(Coding::Deflate),
        _ => Err(unsupported("of content codings only deflate is taken")),
    }
}

fn unsupported(detail: &str) -> Error {
    let title = "The body has another type than this resource takes";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail).into()
}
