//! The port's HTTP API is what its OpenAPI document says, as programs see it that others wrote.

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::kind::Kind;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{libraries, project, tools};

/// A port whose limits per network go by what a proxy says, and that has a domain.
fn host() -> Host {
    let variables = ["issuer=https://port.example", "trusted_proxies=1"];
    let arguments: Vec<&str> = variables.iter().flat_map(|variable| ["--variable", variable]).collect();
    Host::start_with(&arguments)
}

#[test]
fn the_document_is_openapi_to_a_validator_that_others_wrote() {
    let Some((python, folder)) = libraries::openapi(&["validate.py"]) else { return };
    let documents = [project().join("openapi/vwp.json")];
    let mut client = Command::new(python);
    let found =
        libraries::answer(client.arg("validate.py").current_dir(folder), &json!({ "documents": documents }));
    let found = found.as_object().expect("faults by document");
    assert_eq!(found.len(), documents.len());
    for (document, faults) in found {
        assert_eq!(*faults, json!([]), "{document}");
    }
}

#[test]
fn the_port_serves_its_document_and_a_page_for_people() {
    let host = Host::shared();
    let served = host.http.send(&Call::get("/openapi.json")).expect(200);
    let committed = std::fs::read(project().join("openapi/vwp.json")).expect("the committed document");
    assert!(served.body == committed, "the port serves another document than is committed");
    let tag = served.header("etag").to_owned();
    let _ = host.http.send(&Call::get("/openapi.json").header("if-none-match", tag)).expect(304);
    let page = host.http.send(&Call::get("/docs")).expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let text = String::from_utf8(page.body).expect("the page is text");
    let document: Value = serde_json::from_slice(&committed).expect("the document is JSON");
    for path in document["paths"].as_object().expect("paths").keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "the page does not show {path}");
    }
    let _ = host.http.send(&Call::get("/docs/style.css")).expect(200);
}

#[test]
fn schemathesis_finds_no_server_error_and_nothing_that_is_not_documented() {
    // What answers is the same on every host, and asking takes a while.
    if !Kind::chosen().is_vwp() {
        return;
    }
    let Some((python, folder)) = libraries::openapi(&["hooks.py", "schemathesis.toml"]) else { return };
    let host = host();
    let (ada, leaver) = (Traveller::signed_in(&host), Traveller::signed_in(&host));
    let arena = Operator::registered(&host, "arena");
    let callers = json!({
        "traveller": ada.token,
        "leaver": leaver.token,
        "operator": arena.token(&host),
        "administrator": host.admin_token,
    });
    let mut run = Command::new(python.with_file_name("schemathesis"));
    run.args(["run", &format!("{}/openapi.json", host.url), "--url", &host.url, "--no-color"]);
    run.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", ".").env("VWP_CALLERS", callers.to_string());
    let output = tools::output(run.current_dir(folder).stdin(Stdio::null()));
    assert!(output.status.success(), "{}", tools::shown(&output));
}
