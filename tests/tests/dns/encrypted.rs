//! Encrypted transports: DNS over TLS and over HTTPS, as `kdig` and a library for Node.js
//! speak them.

use super::started;
use std::process::Command;
use vwp_tests::certificate::Certificate;
use vwp_tests::people::Operator;
use vwp_tests::tools;

#[test]
fn kdig_asks_over_tls_and_https_and_is_answered_with_padding() {
    if !tools::require("kdig", "knot-dnsutils") {
        return;
    }
    let certificate = Certificate::new();
    let files = certificate.arguments();
    let mut arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    arguments.extend(["--dns-tls-listen", "127.0.0.1:0"]);
    let Some((host, _)) = started(&arguments) else { return };
    let arena = Operator::registered(&host, "arena");
    let name = format!("_vw.{}.{}", arena.world, host.zone);
    let authority = format!("+tls-ca={}", certificate.file().display());
    let https = host.url.trim_start_matches("https://").to_owned();
    let tls = host.dns_tls.expect("the host says where it answers over TLS").to_string();
    let get = ["+https", "+https-get"];
    for (address, transport) in [(&tls, &["+tls"][..]), (&https, &["+https"][..]), (&https, &get[..])] {
        let (ip, port) = address.rsplit_once(':').expect("an address and a port");
        let mut command = Command::new("kdig");
        command.args([
            &format!("@{ip}"),
            "-p",
            port,
            "+dnssec",
            "+padding",
            &authority,
            "+tls-hostname=localhost",
        ]);
        let printed = tools::run(command.args(transport).args(["SVCB", &name]));
        assert!(printed.contains("status: NOERROR") && printed.contains("RRSIG\tSVCB 13"), "{printed}");
        // RFC 8467, section 4.1: a block of 468 bytes, so that lengths tell nothing.
        assert!(printed.contains("PADDING"), "{transport:?} is not padded: {printed}");
        assert!(printed.contains("Received 468 B"), "{transport:?} is not a whole block: {printed}");
    }
}
