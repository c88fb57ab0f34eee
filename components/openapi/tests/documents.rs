//! The documents below `openapi/` are those of the tables.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vwp_openapi::{all, document, page};

const TITLE: &str = "VirtualWorldPort";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi")
}

/// Every file, and what has to be in it.
fn files() -> [(&'static str, String); 2] {
    let parts = all();
    [("vwp.json", document::text_of(TITLE, &parts)), ("docs.html", page::page(TITLE, &parts))]
}

#[test]
fn the_committed_documents_are_those_of_the_tables() {
    let is_written = std::env::var_os("VWP_OPENAPI_WRITE").is_some();
    for (name, text) in files() {
        let path = folder().join(name);
        if is_written {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "openapi/{name} has drifted: VWP_OPENAPI_WRITE=1 cargo test -p vwp-openapi"
        );
    }
}

#[test]
fn no_two_operations_have_one_name_and_no_two_schemas() {
    let parts = all();
    let mut ids = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for operation in parts.iter().flat_map(|part| &part.operations) {
        assert!(ids.insert(operation.id), "two operations are called {}", operation.id);
        let (method, path) = (operation.method, operation.path);
        assert!(paths.insert((method, path)), "{method} {path} is there twice");
        assert!(!operation.tag.is_empty() && !operation.answers.is_empty(), "{} is not whole", operation.id);
    }
    let schemas: Vec<_> = parts.iter().flat_map(|part| &part.schemas).collect();
    for (name, schema) in &schemas {
        let same = schemas.iter().filter(|(other, _)| other == name);
        assert!(same.into_iter().all(|(_, other)| other == schema), "two schemas are called {name}");
    }
}

#[test]
fn whatever_is_referred_to_is_there_and_each_parameter_of_a_path_is_described() {
    for api in all() {
        let document = document::document(TITLE, std::slice::from_ref(&api));
        let known = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(known.contains_key(name), "{} refers to {name}, which is not there", api.name);
        }
        for operation in &api.operations {
            let in_path: BTreeSet<&str> =
                operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
            let described: BTreeSet<&str> = operation
                .parameters
                .iter()
                .filter(|parameter| parameter.place == vwp_openapi::operation::Place::Path)
                .map(|parameter| parameter.name)
                .collect();
            assert_eq!(in_path, described, "the path of {}", operation.id);
        }
    }
}
