//! Policies in files, as people write them.

use vwp_policy::file::{FILE_LENGTH_MAX, split};
use vwp_policy::set::check;

const FILE: &str = r#"
// Everybody may come in
@id("enter")
permit (principal, action == Action::"enter", resource);

@id("adults-trade")
permit (principal is Traveller, action == Action::"trade", resource)
when { principal has age_over && principal.age_over >= 18 };
"#;

#[test]
fn a_file_is_taken_apart_by_ids_and_each_policy_stays_what_it_was() {
    let texts = split(FILE).unwrap();
    assert_eq!(texts.keys().collect::<Vec<_>>(), ["adults-trade", "enter"]);
    assert!(texts["enter"].contains("Action::\"enter\""));
    assert_eq!(check(&texts), []);
}

#[test]
fn a_policy_needs_an_id_of_its_own() {
    let nameless = split("permit (principal, action, resource);").unwrap_err();
    assert!(nameless[0].message.contains("@id"));
    let twice = split(
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);",
    );
    assert!(twice.unwrap_err()[0].message.contains("two policies"));
    let template = split("@id(\"a\") permit (principal == ?principal, action, resource);").unwrap_err();
    assert!(template[0].message.contains("templates"));
}

#[test]
fn what_is_no_policy_is_said_to_be_none() {
    assert!(!split("permit everything").unwrap_err().is_empty());
    assert!(split("").unwrap().is_empty());
}

#[test]
fn a_file_that_is_one_deep_policy_ends_in_a_refusal() {
    let deep =
        format!("@id(\"a\") permit (principal, action, resource) when {{ true{} }};", "&&true".repeat(4000));
    if let Ok(texts) = split(&deep) {
        assert!(!check(&texts).is_empty(), "a single policy may not be as long");
    }
    assert!(split(&"(".repeat(8193)).is_err());
    assert!(split(&" ".repeat(FILE_LENGTH_MAX + 1)).is_err());
}
