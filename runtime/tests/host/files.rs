//! The files of a component, and what its dependencies have of it.

use crate::support::{Host, folder, run};
use tempfile::TempDir;

const MANIFEST: &str = r#"
    spin_manifest_version = 2
    [application]
    name = "files"
    [variables]
    password = { default = "none", secret = true }
    [[trigger.http]]
    route = "/..."
    component = "guest"
    [component.guest]
    source = "OUTBOUND"
    environment = { NAME = "guest" }
    files = ["*.txt", { source = "site", destination = "/pages" }]
    exclude_files = ["site/draft.html"]
"#;

/// The application's folder: what the manifest lists, and what it does not.
fn application(manifest: &str) -> TempDir {
    let folder = folder(manifest);
    std::fs::create_dir(folder.path().join("site")).expect("a folder");
    for file in ["notes.txt", "site/index.html", "site/draft.html", "key.pem"] {
        std::fs::write(folder.path().join(file), format!("this is {file}")).expect("a file");
    }
    folder
}

#[tokio::test]
async fn a_component_reads_its_files_and_nothing_else() {
    let host = Host::start_in(application(MANIFEST)).await;
    assert_eq!(host.call("/read/notes.txt", "").await, "this is notes.txt");
    assert_eq!(host.call("/read/pages/index.html", "").await, "this is site/index.html");
    for path in ["pages/draft.html", "site/index.html", "key.pem", "spin.toml", "etc/passwd"] {
        assert_eq!(host.call(&format!("/read/{path}"), "").await, "error NotFound", "{path}");
    }
    // Leading out of the folder is refused, not answered with what is there.
    let outside = host.call("/read/pages/../../key.pem", "").await;
    assert!(outside.starts_with("error "), "{outside}");
}

#[tokio::test]
async fn a_component_cannot_change_its_files() {
    let host = Host::start_in(application(MANIFEST)).await;
    for change in ["/write/notes.txt", "/write/new.txt", "/remove/notes.txt"] {
        let said = host.call(change, "").await;
        assert!(said.starts_with("error "), "{change}: {said}");
    }
    assert_eq!(host.call("/read/notes.txt", "").await, "this is notes.txt");
}

#[tokio::test]
async fn a_component_without_files_has_none() {
    let manifest =
        MANIFEST.replace("files = [\"*.txt\", { source = \"site\", destination = \"/pages\" }]", "");
    let host = Host::start_in(application(&manifest)).await;
    let said = host.call("/read/notes.txt", "").await;
    assert!(said.starts_with("error "), "{said}");
}

#[test]
fn files_outside_of_the_folder_are_refused() {
    for (entry, reason) in [("../x", "not below"), ("/etc/passwd", "not below"), ("missing.txt", "no file")] {
        let manifest = MANIFEST.replace("*.txt", entry);
        let output = run("up", &manifest);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{entry}");
        assert!(said.contains("component.guest.files") && said.contains(reason), "{entry}: {said}");
    }
}

#[tokio::test]
async fn a_dependency_has_neither_environment_nor_files_unless_it_inherits_them() {
    let dependency = |inherit: &str| {
        let middleware = format!("dependencies.middleware = [{{ path = \"MIDDLEWARE\"{inherit} }}]");
        MANIFEST.replace("[component.guest]", &format!("{middleware}\n    [component.guest]"))
    };
    let host = Host::start_in(application(&dependency(""))).await;
    assert_eq!(host.call("/middleware/environment", "").await, "[]");
    let files = host.call("/middleware/files", "").await;
    assert!(files.starts_with("Err("), "{files}");
    // What stands behind it has its own.
    assert_eq!(host.call("/environment", "").await, "NAME=guest");
    assert_eq!(host.call("/read/notes.txt", "").await, "this is notes.txt");

    let inherits = ", inherit_configuration = [\"environment\"]";
    let host = Host::start_in(application(&dependency(inherits))).await;
    assert_eq!(host.call("/middleware/environment", "").await, r#"[("NAME", "guest")]"#);
    let files = host.call("/middleware/files", "").await;
    assert!(files.starts_with("Err("), "{files}");

    let inherits = ", inherit_configuration = true";
    let host = Host::start_in(application(&dependency(inherits))).await;
    let files = host.call("/middleware/files", "").await;
    assert!(files.contains("notes.txt"), "{files}");
}
