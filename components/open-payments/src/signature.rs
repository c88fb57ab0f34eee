//! HTTP Message Signatures (RFC 9421) with Ed25519, as far as a client of Open Payments makes them
//! (<https://openpayments.dev/identity/http-message-signatures/>): the method, the target and the authorization are
//! signed and, with a body, its digest (RFC 9530), length and type.

use base64ct::{Base64, Encoding};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request};
use sha2::{Digest, Sha512};
use vwp_processor::Fault;

/// The longest private key as text, in bytes: PKCS #8 of Ed25519 has about 50.
const KEY_LENGTH_MAX: usize = 1024;
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Reads a private key: PKCS #8 in DER (RFC 8410, section 7) in base64, with the lines of PEM around it or without.
pub(crate) fn read_key(text: &str) -> Result<SigningKey, Fault> {
    // What is wrong with it is not said, so that no log can have a part of it.
    let malformed = || Fault::Unknown("open_payments_key is no private key of Ed25519".to_owned());
    if text.len() > KEY_LENGTH_MAX {
        return Err(malformed());
    }
    let inner = text.split("-----").filter(|part| !part.contains("PRIVATE KEY"));
    let base64: String = inner.flat_map(str::chars).filter(|letter| !letter.is_ascii_whitespace()).collect();
    let der = Base64::decode_vec(&base64).map_err(|_| malformed())?;
    SigningKey::from_pkcs8_der(&der).map_err(|_| malformed())
}

/// Signs a request. `now` is in seconds since the Unix epoch; `key_id` is what the wallet publishes the public key
/// as.
pub(crate) fn sign(
    request: &mut Request<Vec<u8>>,
    key: &SigningKey,
    key_id: &str,
    now: u64,
) -> Result<(), Fault> {
    let mut covered = vec!["@method", "@target-uri"];
    if request.headers().contains_key(AUTHORIZATION) {
        covered.push("authorization");
    }
    if !request.body().is_empty() {
        // RFC 9530, section 2: a dictionary whose member is named after the algorithm, and is a byte sequence.
        let digest = format!("sha-512=:{}:", Base64::encode_string(&Sha512::digest(request.body())));
        let length = request.body().len();
        let headers = request.headers_mut();
        headers.insert(CONTENT_DIGEST, value(&digest)?);
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        covered.extend(["content-digest", "content-length", "content-type"]);
    }
    let is_fit = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if key_id.is_empty() || !key_id.bytes().all(is_fit) {
        return Err(Fault::Unknown("open_payments_key_id is missing or malformed".to_owned()));
    }
    let parameters = format!(r#";created={now};keyid="{key_id}""#);
    let (base, input) = base(request, &covered, &parameters)?;
    let signature = Base64::encode_string(&key.sign(base.as_bytes()).to_bytes());
    let headers = request.headers_mut();
    // Section 4: both are dictionaries with the same label. That of Open Payments' clients is `sig1`.
    headers.insert("signature-input", value(&format!("sig1={input}"))?);
    headers.insert("signature", value(&format!("sig1=:{signature}:"))?);
    Ok(())
}

/// The signature base of RFC 9421, section 2.5, and the signature's input, which is its last line.
fn base(request: &Request<Vec<u8>>, covered: &[&str], parameters: &str) -> Result<(String, String), Fault> {
    let (mut lines, mut names) = (Vec::new(), Vec::new());
    for name in covered {
        let value = match *name {
            "@method" => request.method().to_string(),
            // Section 2.2.2: the target as an absolute URI.
            "@target-uri" => request.uri().to_string(),
            "@authority" => request.uri().authority().map(ToString::to_string).unwrap_or_default(),
            field => {
                // Section 2.1: each field is there once here, and so there is nothing to combine.
                let value = request.headers().get(field).and_then(|value| value.to_str().ok());
                value.ok_or_else(|| Fault::Unknown(format!("{field} cannot be signed")))?.trim().to_owned()
            }
        };
        lines.push(format!("\"{name}\": {value}"));
        names.push(format!("\"{name}\""));
    }
    // Section 2.3: the inner list of what is covered, with the parameters in their order.
    let input = format!("({}){parameters}", names.join(" "));
    lines.push(format!("\"@signature-params\": {input}"));
    Ok((lines.join("\n"), input))
}

fn value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|_| Fault::Unknown("a signature is no header".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `test-key-ed25519` of RFC 9421, appendix B.1.4.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
        -----END PRIVATE KEY-----\n";

    /// The request of appendix B.2.
    fn request() -> Request<Vec<u8>> {
        Request::post("https://example.com/foo?param=Value&Pet=dog")
            .header("date", "Tue, 20 Apr 2021 02:07:55 GMT")
            .header("content-type", "application/json")
            .header("content-length", "18")
            .body(br#"{"hello": "world"}"#.to_vec())
            .expect("a request")
    }

    #[test]
    fn the_signature_of_the_standards_example_comes_out() {
        let covered = ["date", "@method", "@path", "@authority", "content-type", "content-length"];
        let parameters = r#";created=1618884473;keyid="test-key-ed25519""#;
        // Appendix B.2.6 covers the path, which no request of ours does.
        let mut asked = request();
        asked.headers_mut().insert("x-path", HeaderValue::from_static("/foo"));
        let named = covered.map(|name| if name == "@path" { "x-path" } else { name });
        let (base, _) = base(&asked, &named, parameters).expect("a base");
        let base = base.replace("x-path", "@path");
        let key = read_key(KEY).expect("a key");
        assert_eq!(
            Base64::encode_string(&key.sign(base.as_bytes()).to_bytes()),
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
        );
    }

    #[test]
    fn the_digest_of_the_standards_example_comes_out() {
        let mut asked = request();
        sign(&mut asked, &read_key(KEY).expect("a key"), "k", 1).expect("it is signed");
        // RFC 9421, appendix B.2.
        assert_eq!(
            asked.headers()["content-digest"],
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
        );
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_not_repeated() {
        for text in
            ["", "secret", "-----BEGIN PRIVATE KEY-----", &KEY.replace("MC4C", "MC4D"), &"A".repeat(2000)]
        {
            let Err(Fault::Unknown(why)) = read_key(text) else { panic!("{text} is a key") };
            assert_eq!(why, "open_payments_key is no private key of Ed25519");
        }
    }
}
