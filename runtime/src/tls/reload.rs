//! A certificate that is replaced while the host serves: its files are read again on SIGHUP, and
//! when what stands in them has changed.
//!
//! They are read and compared, rather than watched: a secret of Kubernetes is a link to a folder
//! that is exchanged as a whole, others write one file after the other, and the times of files say
//! little about either. What is read is acted on when two looks in a row saw the same, so that no
//! key is tried with the certificate that its own is about to replace. SIGHUP says that all is in
//! place, and so is obeyed at once.

use super::{Certificate, Files, Fingerprint};
use crate::server::stopped;
use crate::telemetry::metrics::{Edge, Reload};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use vwp_client::output::span;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Replaces a certificate when its files change.
pub struct Reloader {
    certificate: Arc<Certificate>,
    /// From when it is made on, SIGHUP no longer ends the process.
    hangup: Signal,
}

/// What stands in the files: none if they cannot be read.
type Content = Option<Fingerprint>;

/// Which contents were seen and tried.
struct Seen {
    /// What was tried last, whether it was of use or not.
    tried: Content,
    /// What the last look saw.
    last: Content,
}

impl Seen {
    /// Whether what is seen now is to be tried.
    fn looked(&mut self, now: Content) -> bool {
        let has_settled = now == self.last && now != self.tried;
        self.last = now;
        has_settled
    }
}

impl Reloader {
    /// Reads a certificate and its key. See [`Certificate::read`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let certificate = Arc::new(Certificate::read(certificate, key)?);
        let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be waited for")?;
        Ok(Self { certificate, hangup })
    }

    /// The certificate.
    pub fn certificate(&self) -> Arc<Certificate> {
        self.certificate.clone()
    }

    /// Looks until `stop` turns true.
    pub async fn run(mut self, metrics: Option<Arc<Edge>>, mut stop: watch::Receiver<bool>) {
        let content = Some(self.certificate.current().fingerprint);
        let mut seen = Seen { tried: content, last: content };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Some(metrics) = &metrics {
            metrics.certificate_ends(self.certificate.not_after_s());
        }
        loop {
            let is_told = tokio::select! {
                _ = looks.tick() => false,
                Some(()) = self.hangup.recv() => true,
                () = stopped(&mut stop) => return,
            };
            let certificate = self.certificate.clone();
            let looked = tokio::task::spawn_blocking(move || certificate.files()).await;
            // Reading does not panic.
            let Ok(files) = looked else { continue };
            let content = files.as_ref().ok().map(Files::fingerprint);
            if seen.looked(content) || is_told {
                seen.tried = content;
                self.replace(files, metrics.as_deref());
            }
        }
    }

    fn replace(&self, files: Result<Files>, metrics: Option<&Edge>) {
        let outcome = match files.and_then(|files| self.certificate.replace(&files)) {
            Ok(()) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let left = self.certificate.not_after_s().saturating_sub(now.as_secs());
                tracing::info!("the certificate was read again; it is good for another {}", span(left));
                Reload::Loaded
            }
            Err(error) => {
                tracing::error!("the certificate was not replaced, and the old one is still used: {error:#}");
                Reload::Failed
            }
        };
        if let Some(metrics) = metrics {
            metrics.reloaded(outcome);
            metrics.certificate_ends(self.certificate.not_after_s());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_tried_once_it_stays_as_it_is() {
        let (old, half, new) = (Some([1; 32]), Some([2; 32]), Some([3; 32]));
        let mut seen = Seen { tried: old, last: old };
        let mut tries = |now| {
            let is_tried = seen.looked(now);
            if is_tried {
                seen.tried = now;
            }
            is_tried
        };
        assert!(!tries(old) && !tries(old), "nothing has changed");
        assert!(!tries(half) && !tries(new), "the second file follows the first");
        assert!(tries(new) && !tries(new), "once, whatever came of it");
        assert!(!tries(None) && tries(None) && !tries(None), "that they are gone is told once");
        assert!(!tries(new) && tries(new), "they are back");
    }
}
