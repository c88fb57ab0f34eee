//! The certificate of TLS: whether it goes with its key, and for how long it is good.

use super::Finding;
use crate::tls;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use vwp_client::output::span;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// A certificate that ends within this time should have been renewed.
const RENEWED: Duration = Duration::from_hours(14 * 24);

pub(super) fn look(certificate: &Path, key: &Path, findings: &mut Vec<Finding>) {
    let check = "certificate";
    // What the server itself would say of them.
    if let Err(error) = tls::Certificate::read(certificate, key) {
        return findings.push(Finding::wrong(check, format!("{error:#}")));
    }
    let chain = CertificateDer::pem_file_iter(certificate).into_iter().flatten().filter_map(Result::ok);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for (at, der) in chain.enumerate() {
        let which = if at == 0 { "it".to_owned() } else { format!("certificate {} of its chain", at + 1) };
        findings.push(validity(check, &which, &der, now));
    }
}

fn validity(check: &str, which: &str, der: &[u8], now: Duration) -> Finding {
    let Ok(certificate) = Certificate::from_der(der) else {
        return Finding::wrong(check, format!("{which} is not one of X.509"));
    };
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    if now < from {
        return Finding::wrong(
            check,
            format!("{which} is good only in {}", span(from.saturating_sub(now).as_secs())),
        );
    }
    let Some(left) = until.checked_sub(now) else {
        return Finding::wrong(
            check,
            format!("{which} ended {} ago", span(now.saturating_sub(until).as_secs())),
        );
    };
    let text = format!("{which} is good for another {}", span(left.as_secs()));
    if left < RENEWED {
        Finding::warning(check, format!("{text}: renew it"))
    } else {
        Finding::ok(check, text)
    }
}
