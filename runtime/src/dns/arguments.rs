//! What `vwp up` takes for the DNS service.

use super::service::Identity;
use super::{Options, Sockets};
use crate::manifest::DnsLimits;
use crate::networks::BlockedNetworks;
use crate::operate::activation::Activation;
use crate::proxy::Proxies;
use crate::telemetry::Telemetry;
use crate::tls::Certificate;
use crate::{arguments, secrets};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use vwp_core::jose;
use vwp_dns::edge::{COOKIE_SECRET_LENGTH, NSID_LENGTH_MAX};

/// The file of the cookies' secret. It is kept, so that cookies outlive a restart; copied
/// to the other servers of a name, it makes theirs the same (RFC 9018, section 3).
const COOKIE_SECRET: &str = "dns-cookie";

/// The options of the DNS service.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to serve DNS, over UDP and TCP; port 0 takes a free one
    #[arg(id = "dns_listen", long = "dns-listen", value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:5300", value_parser = arguments::address)]
    listen: SocketAddr,
    /// Where to serve DNS over TLS, with the certificate of --tls-cert; port 0 takes a free one
    #[arg(id = "dns_tls_listen", long = "dns-tls-listen", value_name = "ADDRESS:PORT",
        requires = "tls_cert", value_parser = arguments::address)]
    tls_listen: Option<SocketAddr>,
    /// The name of this server, for DNS clients that ask for it (NSID)
    #[arg(id = "dns_nsid", long = "dns-nsid", value_name = "TEXT", value_parser = nsid)]
    nsid: Option<String>,
}

impl Arguments {
    /// Takes the sockets that were passed on, and binds what else was asked for.
    pub async fn bind(&self, passed: &mut Activation, tls: Option<Arc<Certificate>>) -> Result<Sockets> {
        let mut sockets = match (passed.tcp("dns")?, passed.udp("dns")) {
            (Some(tcp), udp) if !udp.is_empty() => Sockets::passed(tcp, udp)?,
            (None, udp) if udp.is_empty() => Sockets::bind(self.listen).await?,
            _ => bail!("of the sockets `dns`, one for TCP and one for UDP are passed on, or none"),
        };
        let passed = passed.tcp("dns-tls")?;
        if passed.is_some() || self.tls_listen.is_some() {
            let certificate = tls.context("DNS over TLS needs a certificate: --tls-cert and --tls-key")?;
            match (passed, self.tls_listen) {
                (Some(listener), _) => sockets.use_tls(listener, certificate),
                (None, Some(address)) => sockets.bind_tls(address, certificate).await?,
                (None, None) => {}
            }
        }
        Ok(sockets)
    }

    /// Where DNS is to be served: over UDP and TCP, and over TLS.
    pub fn addresses(&self) -> (SocketAddr, Option<SocketAddr>) {
        (self.listen, self.tls_listen)
    }

    /// How the service is run, with the secrets of this folder.
    pub fn options(
        &self,
        limits: DnsLimits,
        blocked: BlockedNetworks,
        proxies: Proxies,
        secrets: &Path,
        telemetry: &Telemetry,
    ) -> Result<Options> {
        let nsid = self.nsid.clone().unwrap_or_default().into_bytes();
        let text = secrets::obtain(secrets, COOKIE_SECRET, COOKIE_SECRET_LENGTH)?;
        let secret = jose::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
        let cookie_secret = secret.with_context(|| {
            format!("{}/{COOKIE_SECRET} is not {COOKIE_SECRET_LENGTH} bytes in base64url", secrets.display())
        })?;
        let metrics = telemetry.metrics.as_ref().map(|metrics| metrics.dns.clone());
        let edge = telemetry.metrics.as_ref().map(|metrics| metrics.edge());
        Ok(Options { identity: Identity { nsid, cookie_secret }, limits, blocked, proxies, metrics, edge })
    }
}

fn nsid(text: &str) -> Result<String, String> {
    if (1..=NSID_LENGTH_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(format!("it has 1 to {NSID_LENGTH_MAX} bytes"))
}
