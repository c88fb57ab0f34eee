//! What `vwp up` is told on its command line and in its environment, in the forms that
//! `spin up` takes.

use crate::support::{Host, Start, folder, run_in};
use tempfile::TempDir;

const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "options"
    [variables]
    greeting = { default = "from the manifest" }
    password = { required = true, secret = true }
    [[trigger.http]]
    route = "/..."
    component = "edges"
    [[trigger.http]]
    route = "/settings/..."
    component = "settings"
    [component.edges]
    source = "EDGES"
    environment = { KEPT = "from the manifest", REPLACED = "from the manifest" }
    [component.settings]
    source = "GUEST"
    variables = { greeting = "{{ greeting }}", password = "{{ password }}" }
"#;

/// The folder with these files in it.
fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = folder(MANIFEST);
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("a file");
    }
    folder
}

/// The variables that a guest sees.
async fn seen(files: &[(&str, &str)], start: &Start) -> [String; 2] {
    let host = Host::start_with(folder_with(files), start).await;
    let greeting = host.call("/settings/spin3/greeting", "").await;
    [greeting, host.call("/settings/spin3/password", "").await]
}

#[tokio::test]
async fn variables_come_from_the_command_line_and_from_files() {
    let files = [("both.json", r#"{"greeting": "json", "password": "jason"}"#), ("secret", "open\nsesame\n")];
    let start = Start::with(&["--variable", "@both.json"]);
    assert_eq!(seen(&files, &start).await, ["json", "jason"]);
    let start = Start::with(&["--variable", "@both.json", "--variable", "password=@secret"]);
    assert_eq!(seen(&files, &start).await, ["json", "open\nsesame\n"], "the last one stands");
    let files = [("both.toml", "greeting = 'toml'\npassword = 'tom'")];
    let start = Start::with(&["--variable", "@both.toml", "--variable", "greeting=a=b"]);
    assert_eq!(seen(&files, &start).await, ["a=b", "tom"]);
}

#[tokio::test]
async fn variables_come_from_the_environment_and_from_dotenv_behind_it() {
    let dotenv = [(".env", "# a comment\nSPIN_VARIABLE_PASSWORD='dot env'\nSPIN_VARIABLE_GREETING=dotenv\n")];
    assert_eq!(seen(&dotenv, &Start::default()).await, ["dotenv", "dot env"]);
    let environment = vec![("SPIN_VARIABLE_GREETING", "environment".to_owned())];
    let start = Start { environment: environment.clone(), ..Start::default() };
    assert_eq!(seen(&dotenv, &start).await, ["environment", "dot env"]);
    let start = Start { environment, ..Start::with(&["--variable", "password=command line"]) };
    assert_eq!(seen(&[], &start).await, ["environment", "command line"]);
}

#[tokio::test]
async fn every_component_gets_the_environment_that_is_given() {
    let arguments = ["--variable", "password=x", "-e", "REPLACED=a=b", "--env", "ADDED="];
    let host = Host::start_with(folder_with(&[]), &Start::with(&arguments)).await;
    let environment = async |name: &str| host.call(&format!("/environment/{name}"), "").await;
    assert_eq!(environment("KEPT").await, r#"Some("from the manifest")"#);
    assert_eq!(environment("REPLACED").await, r#"Some("a=b")"#);
    assert_eq!(environment("ADDED").await, r#"Some("")"#);
    assert_eq!(environment("PATH").await, "None", "the host's own environment is not the guest's");
}

#[test]
fn options_that_are_malformed_are_refused_without_repeating_values() {
    let folder = folder_with(&[
        ("numbers.json", r#"{"password": 4711}"#),
        ("broken.toml", "password = '4711"),
        (".env", "not a variable 4711"),
    ]);
    let cases: [(&[&str], &str); 11] = [
        (&["--variable", "4711"], "NAME=VALUE"),
        (&["--variable", "=4711"], "NAME=VALUE"),
        (&["--variable", "pasword=4711"], "--variable pasword: "),
        (&["--variable", "password=@missing"], "missing"),
        (&["--variable", "@numbers.json"], "numbers.json is not a JSON object of texts: line 1"),
        (&["--variable", "@broken.toml"], "broken.toml is not a TOML table of texts: line 1"),
        (&["--variable", "@variables.yaml"], "ends in .json or .toml"),
        (&["--env", "4711"], "--env takes NAME=VALUE"),
        (&["--variables", "password=x"], "--variables"),
        (&["--listen", "nowhere"], "--listen"),
        (&[], ".env in the current folder is malformed"),
    ];
    for (arguments, says) in cases {
        let output = run_in("up", folder.path(), &Start::with(arguments));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} was taken");
        assert!(said.contains(says), "{arguments:?}: `{says}` is missing: {said}");
        assert!(!said.contains("4711"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_required_variable_that_is_not_given_is_named_with_each_way_to_give_it() {
    let folder = folder_with(&[]);
    let output = run_in("up", folder.path(), &Start::default());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let file = folder.path().join("spin.toml").display().to_string();
    for text in [
        &*file,
        "variables.password",
        "variable `password` is required",
        "--variable password=VALUE",
        "--variable password=@FILE",
        "SPIN_VARIABLE_PASSWORD",
        ".env",
    ] {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
}
