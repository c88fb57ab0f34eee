//! `--portable`: the application as Spin would run it.

use crate::support::{Host, Start, folder, run};
use std::process::Output;

const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "portable"
    [application.tool.vwp]
    resolver = "guest"
    machines = { ledger = "guest" }
    generated_secrets = { key = 32 }
    served_url_variable = "url"
    [variables]
    password = { default = "none", secret = true }
    key = { required = true, secret = true }
    url = { default = "nowhere" }
    [[trigger.http]]
    route = "/..."
    component = "guest"
    [component.guest]
    source = "GUEST"
    variables = { secret = "{{ key }}", greeting = "{{ url }}" }
    [component.guest.tool.vwp]
    source = "another-build.wasm"
    machines = ["ledger"]
"#;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn what_is_for_this_host_alone_is_left_out_and_the_rest_starts_with_one_command() {
    let refused = run("up", MANIFEST);
    assert!(said(&refused).contains("another-build.wasm"), "{}", said(&refused));

    // The guest is no state machine and answers no DNS messages, so it would not start if
    // it were taken for either.
    let start = Start::with(&["--portable", "--variable", "password=open sesame"]);
    let host = Host::start_with(folder(MANIFEST), &start).await;
    assert_eq!(host.call("/hello", "").await, "hello");
    assert_eq!(host.call("/settings/spin3/greeting", "").await, host.url());
    assert_eq!(host.call("/settings/spin3/secret", "").await.len(), 43);
}

#[test]
fn storage_comes_from_the_dependencies() {
    let dependency = "[component.guest.dependencies]\n    \"vwp:storage\" = { path = \"GUEST\" }\n    [component.guest.tool.vwp]";
    let manifest = MANIFEST.replace("[component.guest.tool.vwp]", dependency);
    let output = crate::support::run_with("check", &manifest, &["--portable"]);
    // It is composed, and so it is noticed that the guest imports none.
    assert!(!output.status.success());
    assert!(said(&output).contains("dependency `vwp:storage` matches no import"), "{}", said(&output));
}
