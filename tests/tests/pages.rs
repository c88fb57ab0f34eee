//! The documents: what they refer to is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vwp_tests::project;

/// Where code and documents are.
const FOLDERS: [&str; 9] =
    ["components", "docs", "examples", "infra", "runtime", "templates", "tests", "wit", "xtask"];

/// The files below a folder that have an extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        // What is built or installed is not ours.
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && name != "node_modules" && name != "deps" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

/// All of the project's files with an extension.
fn all(extension: &str) -> Vec<PathBuf> {
    FOLDERS.iter().flat_map(|folder| files(&project().join(folder), extension)).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut broken = Vec::new();
    let root = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| project().join(page));
    for page in root.into_iter().chain(all("md")) {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !page.parent().expect("a folder").join(target).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_page_with_commands_is_executed_by_a_suite() {
    let suites: String = files(&project().join("tests/tests"), "rs").iter().map(|file| read(file)).collect();
    let pages = all("md").into_iter().chain([project().join("README.md")]);
    let with_commands = pages.filter(|page| read(page).lines().any(|line| line == "```sh"));
    let name = |page: PathBuf| page.strip_prefix(project()).expect("below the project").display().to_string();
    let left: Vec<String> =
        with_commands.map(name).filter(|page| !suites.contains(&format!("\"{page}"))).collect();
    assert_eq!(
        left,
        Vec::<String>::new(),
        "`sh` blocks that nothing executes; `console` is for what is only shown"
    );
}

#[test]
fn every_file_and_test_that_the_threat_model_names_is_there() {
    let page = read(&project().join("docs/threat-model.md"));
    let code: String = all("rs").iter().map(|file| read(file)).collect();
    let (_, threats) = page.split_once("## 4. Threats").expect("the threats");
    let (threats, _) = threats.split_once("## 5.").expect("what comes after them");
    let mut shown = BTreeSet::new();
    for row in threats.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| threat")) {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let named: Vec<&str> = quoted(last).collect();
        assert!(!named.is_empty(), "no test shows it: {row}");
        shown.extend(named);
    }
    let missing: Vec<_> = shown.iter().filter(|test| !code.contains(&format!("fn {test}("))).collect();
    assert_eq!(missing, Vec::<&&str>::new());
    let is_path = |text: &&str| FOLDERS.iter().any(|folder| text.starts_with(&format!("{folder}/")));
    let lost: Vec<&str> =
        quoted(&page).filter(is_path).filter(|path| !project().join(path).exists()).collect();
    assert_eq!(lost, Vec::<&str>::new());
}
