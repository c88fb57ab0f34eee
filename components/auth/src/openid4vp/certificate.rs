//! The certificate that the port asks under, where it was given one: the prefix `x509_hash` of client identifiers
//! (OpenID4VP 1.0, section 5.9.3), which is the one that HAIP 1.0 (section 5) takes for signed requests.
//!
//! Wallets believe it because it leads to a trust anchor that they know. So there is nothing to publish, and all
//! worlds ask under the same identifier: a certificate is the deployment's, and not a world's.
//!
//! What cannot be a certificate for this is refused before the first request is made with it, because wallets would
//! refuse that without telling anybody why.

use crate::options::{given, misconfigured};
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::pkcs8::DecodePrivateKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::time::Duration;
use vwp_core::environment::Timestamp;
use vwp_core::jose::{self, Header};
use vwp_core::{Environment, Problem};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::referenced::OwnedToRef;

/// The option with the certificates, in PEM (RFC 7468, section 5): the port's own, then those up to the trust anchor.
pub(crate) const CERTIFICATES: &str = "presentation_certificates";
/// The option with the private key of the first of them: PKCS #8 in PEM (RFC 7468, section 10).
pub(crate) const KEY: &str = "presentation_key";
/// The prefix of the client identifier.
const PREFIX: &str = "x509_hash:";
/// The most certificates: every request carries them all.
const CERTIFICATES_MAX: usize = 4;
/// The longest certificates as text, in bytes: so a request with them stays far shorter than what wallets read.
const CERTIFICATES_LENGTH_MAX: usize = 16_384;
/// The longest private key as text, in bytes: one on P-256 has about 250.
const KEY_LENGTH_MAX: usize = 2048;

/// Why a certificate is not asked under. It has nothing of what was given, so that no log can have a part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum CertificateError {
    /// The key was given without certificates.
    #[error("is not set, and {KEY} is")]
    NoCertificates,
    /// Certificates were given without the key.
    #[error("is not set, and {CERTIFICATES} is")]
    NoKey,
    /// The certificates are longer than what is read.
    #[error(
        "is longer than {CERTIFICATES_LENGTH_MAX} bytes, or has more than {CERTIFICATES_MAX} certificates"
    )]
    TooMany,
    /// Not certificates.
    #[error("is not one or several certificates in PEM")]
    Malformed,
    /// One that signed itself.
    #[error(
        "has a certificate that signed itself; the first is another's to issue, and the last is left out"
    )]
    SelfSigned,
    /// Not a chain.
    #[error("is not in order: the port's certificate is first, and after each stands that of its issuer")]
    Order,
    /// Not valid yet, or not any more.
    #[error("has a certificate that has expired, or is not valid yet")]
    NotCurrent,
    /// Not for ES256.
    #[error("begins with a certificate whose key is not on P-256")]
    Curve,
    /// Not a private key for ES256.
    #[error("is not a private key on P-256 in PKCS #8, as PEM")]
    Key,
    /// The key of another certificate.
    #[error("is not the key of the first certificate")]
    Mismatch,
}

impl CertificateError {
    /// The option that is at fault.
    fn option(self) -> &'static str {
        match self {
            Self::NoKey | Self::Key | Self::Mismatch => KEY,
            _ => CERTIFICATES,
        }
    }
}

impl From<CertificateError> for Problem {
    fn from(error: CertificateError) -> Self {
        misconfigured(error.option(), error)
    }
}

/// A certificate that the port asks under, and its key.
pub(super) struct Certified {
    /// The hash of the port's own certificate, as that is sent.
    client_id: String,
    /// That certificate in DER, and after each the one of its issuer.
    chain: Vec<CertificateDer<'static>>,
    key: SigningKey,
}

impl Certified {
    /// The one that was given, if one was.
    pub(super) fn given(environment: &Environment<'_>) -> Result<Option<Self>, Problem> {
        let settings = environment.settings;
        Ok(match (given(settings, CERTIFICATES), given(settings, KEY)) {
            (None, None) => None,
            (None, Some(_)) => return Err(CertificateError::NoCertificates.into()),
            (Some(_), None) => return Err(CertificateError::NoKey.into()),
            (Some(certificates), Some(key)) => Some(Self::read(certificates, key, environment.now)?),
        })
    }

    fn read(certificates: &str, key: &str, now: Timestamp) -> Result<Self, CertificateError> {
        let chain = chain(certificates)?;
        let certified = check(&chain, now)?;
        if key.len() > KEY_LENGTH_MAX {
            return Err(CertificateError::Key);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(|_| CertificateError::Key)?;
        let key = SigningKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| CertificateError::Key)?;
        if *key.verifying_key() != certified {
            return Err(CertificateError::Mismatch);
        }
        let own = chain.first().ok_or(CertificateError::Malformed)?;
        let client_id = format!("{PREFIX}{}", jose::encode(Sha256::digest(own)));
        Ok(Self { client_id, chain, key })
    }

    /// The whole client identifier.
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Signs a request, which takes the certificates along. No `kid`: the key is that of the first of them.
    pub(super) fn sign(&self, typ: &str, payload: &[u8]) -> String {
        let header = Header::new(typ).with_certificates(self.chain.iter().map(AsRef::as_ref));
        jose::sign(&header, payload, &self.key)
    }
}

/// The certificates of a text. They are kept as they were encoded, because their hash is a name.
fn chain(text: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    if text.len() > CERTIFICATES_LENGTH_MAX {
        return Err(CertificateError::TooMany);
    }
    let read = CertificateDer::pem_slice_iter(text.as_bytes()).take(CERTIFICATES_MAX + 1);
    let chain: Vec<_> = read.collect::<Result<_, _>>().map_err(|_| CertificateError::Malformed)?;
    match chain.len() {
        0 => Err(CertificateError::Malformed),
        1..=CERTIFICATES_MAX => Ok(chain),
        _ => Err(CertificateError::TooMany),
    }
}

/// Requires that wallets can believe the certificates, as far as it shows without their trust anchors, and gives the
/// key of the first.
fn check(chain: &[CertificateDer<'_>], now: Timestamp) -> Result<VerifyingKey, CertificateError> {
    let certificates: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
    let certificates = certificates.map_err(|_| CertificateError::Malformed)?;
    let now = Duration::from_millis(now);
    for certificate in certificates.iter().map(Certificate::tbs_certificate) {
        // HAIP 1.0, section 5: the request is not signed by a self-signed certificate, and the trust anchor, which
        // is the one that usually signs itself, is not sent along.
        if certificate.issuer() == certificate.subject() {
            return Err(CertificateError::SelfSigned);
        }
        // RFC 5280, section 4.1.2.5: both ends are inside.
        let validity = certificate.validity();
        if !(validity.not_before.to_unix_duration()..=validity.not_after.to_unix_duration()).contains(&now) {
            return Err(CertificateError::NotCurrent);
        }
    }
    // RFC 7515, section 4.1.6: each certifies the one before it. Whether it did is for wallets to verify.
    let follows = |pair: &[Certificate]| match pair {
        [one, next] => one.tbs_certificate().issuer() == next.tbs_certificate().subject(),
        _ => true,
    };
    if !certificates.windows(2).all(follows) {
        return Err(CertificateError::Order);
    }
    let own = certificates.first().ok_or(CertificateError::Malformed)?.tbs_certificate();
    let key = own.subject_public_key_info().owned_to_ref();
    VerifyingKey::try_from(key).map_err(|_| CertificateError::Curve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384, date_time_ymd};

    /// In 2027, in milliseconds.
    const NOW: Timestamp = 1_800_000_000_000;

    /// Somebody with a certificate, or an authority.
    struct Party {
        about: CertificateParams,
        key: KeyPair,
    }

    impl Party {
        fn new(name: &str) -> Self {
            let mut about = CertificateParams::new(Vec::new()).unwrap();
            about.distinguished_name.push(DnType::CommonName, name);
            Self { about, key: KeyPair::generate().unwrap() }
        }

        /// Its certificate in PEM.
        fn by(&self, issuer: &Self) -> String {
            let issuer = Issuer::from_params(&issuer.about, &issuer.key);
            self.about.signed_by(&self.key, &issuer).unwrap().pem()
        }

        fn key(&self) -> String {
            self.key.serialize_pem()
        }
    }

    #[track_caller]
    fn assert_refused(certificates: &str, key: &str, expected: &str) {
        let error = Certified::read(certificates, key, NOW).err().expect("a refusal");
        assert_eq!(format!("{} {error}", error.option()), expected);
    }

    #[test]
    fn what_openssl_writes_around_a_certificate_is_no_part_of_it() {
        let (root, port) = (Party::new("root"), Party::new("port"));
        let own = port.by(&root);
        let plain = Certified::read(&own, &port.key(), NOW).unwrap();
        let text = format!("subject=CN = port\r\n{}\r\n\r\n", own.replace('\n', "\r\n"));
        let wrapped = Certified::read(&text, &format!("Bag Attributes\n{}", port.key()), NOW).unwrap();
        assert_eq!((wrapped.chain.len(), wrapped.client_id()), (1, plain.client_id()));
    }

    #[test]
    fn the_key_is_that_of_the_certificate_and_on_the_curve_of_es256() {
        let (root, port) = (Party::new("root"), Party::new("port"));
        let (own, key) = (port.by(&root), port.key());
        assert!(Certified::read(&own, &key, NOW).is_ok());
        assert_refused(&own, &root.key(), "presentation_key is not the key of the first certificate");
        let no_key = "presentation_key is not a private key on P-256 in PKCS #8, as PEM";
        let curve = Party {
            about: Party::new("port").about,
            key: KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        };
        for key in [&own, &curve.key(), &key.replace("PRIVATE KEY", "EC PRIVATE KEY"), &key.replace('\n', "")]
        {
            assert_refused(&own, key, no_key);
        }
        assert_refused(&own, &"A".repeat(KEY_LENGTH_MAX + 1), no_key);
        let expected = "presentation_certificates begins with a certificate whose key is not on P-256";
        assert_refused(&curve.by(&root), &curve.key(), expected);
    }

    #[test]
    fn a_certificate_that_has_expired_is_refused_and_so_is_one_that_is_not_valid_yet() {
        let (root, mut port) = (Party::new("root"), Party::new("port"));
        let expected = "presentation_certificates has a certificate that has expired, or is not valid yet";
        port.about.not_after = date_time_ymd(2026, 12, 31);
        assert_refused(&port.by(&root), &port.key(), expected);
        (port.about.not_before, port.about.not_after) =
            (date_time_ymd(2028, 1, 1), date_time_ymd(2029, 1, 1));
        assert_refused(&port.by(&root), &port.key(), expected);
        // So is one between.
        let (mut between, fresh) = (Party::new("between"), Party::new("port"));
        between.about.not_after = date_time_ymd(2026, 12, 31);
        let chain = format!("{}{}", fresh.by(&between), between.by(&root));
        assert_refused(&chain, &fresh.key(), expected);
    }

    #[test]
    fn a_chain_is_in_order_short_and_without_what_signed_itself() {
        let (root, between, port) = (Party::new("root"), Party::new("between"), Party::new("port"));
        let (own, next, anchor) = (port.by(&between), between.by(&root), root.by(&root));
        let key = port.key();
        assert_eq!(
            Certified::read(&format!("{own}{next}"), &key, NOW).map(|it| it.chain.len()).ok(),
            Some(2)
        );
        let of_itself = "presentation_certificates has a certificate that signed itself; the first is another's to \
                         issue, and the last is left out";
        assert_refused(&format!("{own}{next}{anchor}"), &key, of_itself);
        assert_refused(&port.by(&port), &key, of_itself);
        let order = "presentation_certificates is not in order: the port's certificate is first, and after each \
                     stands that of its issuer";
        assert_refused(&format!("{next}{own}"), &between.key(), order);
        assert_refused(&format!("{own}{own}"), &key, order);
        let many = "presentation_certificates is longer than 16384 bytes, or has more than 4 certificates";
        assert_refused(&format!("{own}{}", next.repeat(4)), &key, many);
        assert_refused(&" ".repeat(CERTIFICATES_LENGTH_MAX + 1), &key, many);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let (root, port) = (Party::new("root"), Party::new("port"));
        let own = port.by(&root);
        let block =
            |inner: &str| format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
        let longer = own.replace("-----END", "AAAA\n-----END");
        let cut = own.split_once("-----END").unwrap().0.to_owned();
        for text in ["rubbish".to_owned(), block(""), block("AAAA"), block("%%%%"), longer, cut, port.key()] {
            assert_refused(
                &text,
                &port.key(),
                "presentation_certificates is not one or several certificates in PEM",
            );
        }
    }
}
