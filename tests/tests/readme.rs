//! The README's journey, the pages for operators and the runbook, executed as they stand there. Where Spin serves, or we
//! serve as Spin would, the questions over DNS are left out, because Spin has no listener for them;
//! so is the runbook, which is about `vwp up`.

use std::path::Path;
use vwp_client::key::Key;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::kind::Kind;
use vwp_tests::pages::Pages;
use vwp_tests::people::Operator;
use vwp_tests::{project, tools, unique};

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
        r#"{"items":[{"quote_id":""#,
        r#"{"items":[{"schedule_id":""#,
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
fn every_command_of_pages_for_administrators_and_teams_works_with_what_they_speak_of() {
    if !tools::require("curl", "curl") {
        return;
    }
    let host = Host::start_own();
    let Some(admin) = &host.admin_token else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    let page = std::fs::read_to_string(project().join("docs/policies.md")).expect("the page");
    let block = |start: &str| {
        let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("a block begins with {start}"));
        format!("{start}{}", rest.split("```").next().unwrap_or_default())
    };
    write("arena.cedar", &block("// arena.cedar"));
    write("request.json", &block(r#"{"principal""#));
    let key = Key::create(&folder.path().join("operator.jwk")).expect("a key");
    let operator = Operator { world: unique("arena"), key };
    let _ = host.http.send(&Call::jose("/v1/worlds", operator.record(&host, 1))).expect(201);

    let run = |pages: &[&str], name_server: &str| {
        Pages::read(pages, &[])
            .at(&host, folder.path())
            .inside(folder.path())
            .with("https://port.example", &host.url)
            .with("ns1", name_server)
            .variable("PORT", &host.url)
            .variable("ID", &operator.key.id())
            .variable("VWP_URL", &host.url)
            .variable("VWP_ADMIN_TOKEN", admin)
            .run()
    };
    let told = run(&["docs/policies.md", "docs/protocol/login.md", "docs/zone.md"], "ns1");
    // The other page has the same name server.
    let _ = run(&["infra/dns/README.md"], "ns2");
    // The request of the page is permitted, what was packed is taken, and the wallet is registered.
    for expected in ["operator/enter", r#""version":1"#, r#""client_name":"My wallet""#, "ns1.example"] {
        assert!(told.contains(expected), "{expected} is not in what was printed:\n{told}");
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
