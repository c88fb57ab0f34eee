//! `--runtime-config-file`: where databases and stores are, and what is refused.

use crate::support::{Host, MANIFEST, Start, folder, run_in};
use std::fs;

fn with_databases(labels: &str) -> String {
    MANIFEST.replace("sqlite_databases = [\"default\"]", &format!("sqlite_databases = [{labels}]"))
}

#[tokio::test]
async fn databases_and_stores_are_where_the_configuration_says() {
    let folder = folder(&with_databases("\"default\", \"other\", \"scratch\""));
    let config = "
        [sqlite_database.default]
        type = \"spin\"
        path = \"here/main.db\"
        [sqlite_database.other]
        type = \"spin\"
        path = \"here/other.db\"
        [sqlite_database.scratch]
        type = \"spin\"
        [key_value_store.second]
        type = \"spin\"
        path = \"apart\"
        [[variables_provider]]
        type = \"static\"
        values = { town = \"Weimar\" }
    ";
    fs::write(folder.path().join("runtime.toml"), config).expect("a file");
    let host = Host::start_in(folder).await;
    for label in ["default", "other"] {
        let made =
            host.call(&format!("/sqlite/sync/{label}"), "CREATE TABLE t (a)\nINSERT INTO t VALUES (1)").await;
        assert_eq!(made, " []\n []", "{label}");
    }
    assert_eq!(host.call("/sqlite/sync/scratch", "CREATE TABLE t (a)").await, " []");
    // A database in memory ends with its connection.
    assert_eq!(host.call("/sqlite/sync/scratch", "CREATE TABLE t (a)").await, " []");
    assert_eq!(host.call("/spin3/set/second/key", "value").await, "ok");
    assert_eq!(host.call("/settings/spin3/greeting", "").await, "Hello, Weimar");
    for file in ["here/main.db", "here/other.db", "apart"] {
        assert!(host.folder().join(file).exists(), "{file}");
    }
    assert!(!host.folder().join("state/sqlite/default.db").exists());
    let host = host.restart().await;
    assert_eq!(host.call("/sqlite/sync/other", "SELECT a FROM t").await, "a [[Integer(1)]]");
    assert_eq!(host.call("/spin3/get/second/key", "").await, "found value");
}

#[test]
fn a_database_that_is_not_configured_is_refused_at_start() {
    let manifest = with_databases("\"other\"");
    let folder = folder(&manifest.replace("{ required = true, secret = true }", "{ default = \"none\" }"));
    let output = run_in("up", folder.path(), &Start::default());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for text in [
        "spin.toml",
        "component.guest.sqlite_databases",
        "`other` is not configured",
        "--runtime-config-file",
    ] {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
}

#[test]
fn what_the_host_does_not_offer_is_refused_at_start_with_the_reason() {
    let folder = folder(MANIFEST);
    let config = "[sqlite_database.default]\ntype = \"libsql\"\nurl = \"http://a\"\ntoken = \"hush\"";
    fs::write(folder.path().join("runtime.toml"), config).expect("a file");
    let output = run_in("up", folder.path(), &Start::default());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for text in ["runtime.toml", "sqlite_database.default.type", "`libsql` is not offered here"] {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
    assert!(!said.contains("hush"), "{said}");
}
