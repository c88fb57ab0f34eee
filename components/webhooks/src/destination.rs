//! Where the port sends at all.
//!
//! Whoever registers an endpoint has the port send requests there, and may want what only this machine can reach. So
//! the administrator says where webhooks go (`webhook_hosts`, which is also what the host lets this component reach).
//! A host that it names, it vouches for. Of the hosts that a pattern of its allows, only those with a name are
//! asked, over https, after a resolver that the administrator chose has said that all addresses of the name are
//! public ones; no redirect is followed. The host of the port looks the name up again: that it gets no other addresses
//! then is what its block of private networks is for (`[outbound_networking]` in its runtime configuration).

use crate::WebhookError;
use url::{Host, Url};
use vwp_core::environment::Settings;
use vwp_core::resolver;

/// The variable that says where webhooks go: a host as `https://hooks.example`, or a pattern as `https://*` or
/// `https://*.example`. Without it the port sends none.
pub const HOSTS: &str = "webhook_hosts";
/// The longest URL, in bytes.
pub const URL_LENGTH_MAX: usize = 512;
/// What the names of other components of the application end in.
const CHAINED: &str = ".spin.internal";

/// Where something is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The URL.
    pub url: Url,
    /// The name whose addresses have to be public; none if the administrator vouches for the host.
    pub looked_up: Option<String>,
}

/// Requires that a URL is one that the port sends to.
pub fn require(settings: &Settings, text: &str) -> Result<Destination, WebhookError> {
    let refused = |why: &'static str| Err(WebhookError::Destination(why));
    if text.len() > URL_LENGTH_MAX {
        return Err(WebhookError::Invalid(format!("a URL has at most {URL_LENGTH_MAX} bytes")));
    }
    let url = Url::parse(text).map_err(|_| WebhookError::Invalid("the URL is not one".to_owned()))?;
    let has_secret = !url.username().is_empty() || url.password().is_some();
    if has_secret || url.fragment().is_some() || url.host().is_none() {
        return Err(WebhookError::Invalid(
            "the URL has a host, and no user, password or fragment".to_owned(),
        ));
    }
    let hosts = settings.options.get(HOSTS).map(|hosts| hosts.trim()).unwrap_or_default();
    if hosts.is_empty() {
        return refused("this port sends no webhooks");
    }
    if is_named(hosts, &url) {
        return Ok(Destination { url, looked_up: None });
    }
    if url.scheme() != "https" {
        return refused("webhooks go over https");
    }
    let Some(Host::Domain(name)) = url.host() else {
        return refused("webhooks go to hosts with a name");
    };
    if !name.contains('.') || name.ends_with('.') || name.ends_with(CHAINED) || !is_like(hosts, name) {
        return refused("this port sends no webhooks to this host");
    }
    if resolver::url(settings)?.is_none() {
        return refused("this port sends webhooks only to hosts that its administrator named");
    }
    let name = name.to_owned();
    Ok(Destination { url, looked_up: Some(name) })
}

/// Whether the administrator named the host of a URL, its scheme and its port.
fn is_named(hosts: &str, url: &Url) -> bool {
    let named = if hosts.contains('*') { None } else { Url::parse(hosts).ok() };
    named.is_some_and(|named| {
        named.scheme() == url.scheme()
            && matches!(url.scheme(), "http" | "https")
            && named.host() == url.host()
            && named.port_or_known_default() == url.port_or_known_default()
    })
}

/// Whether a pattern is one of a name. What it says of ports the host looks at.
fn is_like(hosts: &str, name: &str) -> bool {
    let Some((_, pattern)) = hosts.split_once("://") else { return false };
    let pattern = pattern.split(':').next().unwrap_or_default().trim_end_matches('/');
    match pattern.strip_prefix('*') {
        Some(end) => end.is_empty() || end.starts_with('.') && name.ends_with(end),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hosts: &str, resolver: &str) -> Settings {
        Settings {
            zone: String::new(),
            issuer: String::new(),
            master_key: [1; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: [(HOSTS, hosts.to_owned()), (resolver::URL, resolver.to_owned())].into(),
        }
    }

    const RESOLVER: &str = "https://dns.example";

    #[test]
    fn a_host_that_is_named_is_vouched_for_and_others_are_looked_up() {
        let named = settings("http://127.0.0.1:8080", "");
        assert_eq!(require(&named, "http://127.0.0.1:8080/hooks?a=b").unwrap().looked_up, None);
        let exact = settings("https://hooks.example", "");
        assert_eq!(require(&exact, "https://hooks.example:443/x").unwrap().looked_up, None);
        let any = settings("https://*", RESOLVER);
        assert_eq!(require(&any, "https://a.example/x").unwrap().looked_up.as_deref(), Some("a.example"));
        let under = settings("https://*.example:*", RESOLVER);
        assert!(require(&under, "https://a.b.example/").is_ok());
    }

    #[test]
    fn nothing_is_sent_anywhere_else() {
        for (hosts, resolver, url) in [
            ("", RESOLVER, "https://a.example/"),
            ("https://*", "", "https://a.example/"),
            ("https://*", RESOLVER, "http://a.example/"),
            ("https://*", RESOLVER, "https://127.0.0.1/"),
            ("https://*", RESOLVER, "https://2130706433/"),
            ("https://*", RESOLVER, "https://[::1]/"),
            ("https://*", RESOLVER, "https://localhost/"),
            ("https://*", RESOLVER, "https://a.example./"),
            ("https://*", RESOLVER, "https://stripe.spin.internal/"),
            ("https://*.example", RESOLVER, "https://example/"),
            ("https://*.example", RESOLVER, "https://an-example/"),
            ("https://*.example", RESOLVER, "https://a.test/"),
            ("https://hooks.example", RESOLVER, "https://other.example/"),
            ("https://hooks.example", RESOLVER, "https://hooks.example:8443/"),
            ("https://hooks.example", RESOLVER, "http://hooks.example/"),
            ("ftp://hooks.example", RESOLVER, "ftp://hooks.example/"),
        ] {
            let refused = require(&settings(hosts, resolver), url);
            assert!(matches!(refused, Err(WebhookError::Destination(_))), "{hosts} {url}: {refused:?}");
        }
    }

    #[test]
    fn what_is_no_url_or_has_more_in_it_is_refused() {
        let any = settings("https://*", RESOLVER);
        let long = format!("https://a.example/{}", "a".repeat(URL_LENGTH_MAX));
        for url in [
            "",
            "a.example",
            "https://",
            "https://u@a.example/",
            "https://:p@a.example/",
            "https://a.example/#f",
            &long,
        ] {
            assert!(matches!(require(&any, url), Err(WebhookError::Invalid(_))), "{url}");
        }
    }
}
