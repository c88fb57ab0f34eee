//! The README's journey, the pages for operators and the runbook, executed as they stand there. Where Spin serves, or we
//! serve as Spin would, the questions over DNS are left out, because Spin has no listener for them;
//! so is the runbook, which is about `vwp up`.

use std::path::Path;
use vwp_tests::host::Host;
use vwp_tests::kind::Kind;
use vwp_tests::pages::Pages;
use vwp_tests::tools;

/// Executes the commands of pages, one after the other, with a deployment.
fn executed(pages: &[&str], host: &Host, journey: &Path) -> String {
    let dns = host.dns.map(|address| address.port()).unwrap_or_default();
    let state = host.state_folder().expect("an own deployment has a state").display().to_string();
    let left_out: &[&str] = if host.dns.is_some() { &[] } else { &["dig "] };
    // Pages speak of the default addresses and folders; this deployment has its own.
    Pages::read(pages, left_out)
        .at(host, journey)
        .with("-p 5300", &format!("-p {dns}"))
        .with("127.0.0.1:5300", &format!("127.0.0.1:{dns}"))
        .with("data/secrets", &format!("{state}/secrets"))
        .with("--state-dir data", &format!("--state-dir {state}"))
        .run()
}

#[test]
fn every_command_of_the_runbook_works_in_order() {
    if !Kind::chosen().is_vwp() {
        return;
    }
    let host = Host::start_own();
    let journey = tempfile::tempdir().expect("a folder");
    let printed = executed(&["docs/operations.md"], &host, journey.path());
    for expected in
        ["a process serves what it was given", "a process serves from it", "without secrets", "signs"]
    {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    let file = |name: &str| std::fs::read(journey.path().join(name)).expect("it was written");
    let findings = String::from_utf8(file("doctor.jsonl")).expect("text");
    let is_finding =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|it| it["state"] != "wrong");
    assert!(findings.lines().count() > 8 && findings.lines().all(is_finding), "{findings}");
    assert!(file("streamed.backup").starts_with(b"VWPBACK"));
    assert!(journey.path().join("restored/store/FORMAT").is_file());
}

#[test]
fn every_command_about_exchange_and_schedules_works_in_order_and_shows_what_it_says() {
    if !tools::require("curl", "curl") {
        return;
    }
    let host = Host::start_own();
    let journey = tempfile::tempdir().expect("a folder");
    let printed = executed(&["docs/exchange.md", "docs/schedules.md"], &host, journey.path());
    let exchanged = r#""paid":"102","fee":"2","received":"66","rounding":"1""#;
    for expected in [
        r#""price":{"paid":"102","fee":"2","received":"66"}"#,
        exchanged,
        r#""asset":"gems@exchange","balance":"66""#,
        r#"{"to":"world:mint","amount":"34""#,
        r#"{"to":"issuance:gold@mint","amount":"33""#,
        r#""state":"cancelled""#,
        r#""number":1,"due_at":"#,
        r#""failed":0,"next_ms":"#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    assert_eq!(printed.matches(exchanged).count(), 2, "a repeat gets the same answer:\n{printed}");
}

#[test]
fn every_command_for_operators_works_in_order_and_shows_what_it_says() {
    if !tools::require("dig", "bind9-dnsutils") || !tools::require("curl", "curl") {
        return;
    }
    let host = Host::start_own();
    let journey = tempfile::tempdir().expect("a folder");
    let printed = executed(&["docs/operators.md"], &host, journey.path());
    let over_dns = "1 0 25565 play.harbour.example.";
    assert_eq!(printed.contains(over_dns), host.dns.is_some(), "{printed}");
    for expected in [
        "harbour  The harbour  trade",
        r#""is_revived":false"#,
        r#""handle": "cleo""#,
        r#""claims":{"handle":"cleo"}"#,
        r#""kind":"post""#,
        r#""owner":"world:harbour","asset":"pearl@harbour","balance":"1200""#,
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
}

#[test]
fn every_command_of_the_readme_works_in_order_and_shows_what_it_says() {
    if !tools::require("dig", "bind9-dnsutils") || !tools::require("curl", "curl") {
        return;
    }
    let with_dns = Kind::chosen().is_vwp();
    let host = Host::start_own();
    let journey = tempfile::tempdir().expect("a folder");
    assert_eq!(host.dns.is_some(), with_dns, "our runtime answers DNS, and no other host does");
    let printed = executed(&["README.md"], &host, journey.path());
    let over_dns = [
        r#"1 play.arena.example. port=25565 key65280="minecraft""#,
        "1 0 25565 play.arena.example.",
        r#""v=vw1" "title=Arena""#,
    ];
    for expected in over_dns.into_iter().filter(|_| with_dns) {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    for expected in [
        r#"{"name":"arena","fqdn":"arena.vwp.test""#,
        r#""type":"urn:vwp:problem:record-replayed""#,
        r#""handle":"ada""#,
        r#""vct":"urn:vwp:passport:1""#,
        r#""vct": "urn:vwp:passport:1""#,
        r#""balance":"9750","debits":"250","credits":"10000""#,
        r#""amount":"40","repeated":false"#,
        r#""type":"urn:vwp:problem:insufficient-funds""#,
        "routes composed",
    ] {
        assert!(printed.contains(expected), "{expected} is not in what was printed:\n{printed}");
    }
    // A hundred requests with one key: one receipt, and the money moved once.
    assert_eq!(printed.matches(r#""to":"world:arena""#).count(), 1, "{printed}");
}
