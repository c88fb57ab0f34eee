//! What Rust files are held to.

/// The longest file, in lines.
const LINES_MAX: usize = 800;

/// What names generated bindings.
const BINDINGS: &[&str] = &["wit_bindgen", "bindings::", "spin_sdk"];

/// What is bindings throughout, so that the rest need not be: what components share, what middleware shares,
/// Spin's storage, and what calls the password hasher from within.
const BINDINGS_PATHS: [&str; 9] = [
    "components/adapter/",
    "components/guest/",
    "components/middleware/src/lib.rs",
    "components/middleware/src/message.rs",
    "components/middleware/src/settings.rs",
    "components/storage-adapter/",
    "components/storage-postgres/",
    "components/storage-sqlite/",
    "components/auth/src/password/composed.rs",
];

/// Everything wrong with a Rust file.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!(
            "{path} has {lines} lines, more than {LINES_MAX}: a file holds one idea, and this one holds several"
        ));
    }
    if is_domain(path) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for name in BINDINGS.iter().filter(|name| code.contains(*name)) {
                faults.push(format!(
                    "{path}:{} names {name}: only the component beside it does, so that the rest is tested natively",
                    index + 1
                ));
            }
        }
    }
    faults
}

/// Whether the file is part of a component, and not the part that meets the host.
fn is_domain(path: &str) -> bool {
    let is_component = path.starts_with("components/") && path.contains("/src/");
    is_component
        && !path.contains("/component/src/")
        && !BINDINGS_PATHS.iter().any(|bound| path.starts_with(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_name_bindings() {
        let text = "use spin_sdk::http;\n";
        assert!(faults("components/auth/component/src/lib.rs", text).is_empty());
        assert!(faults("components/guest/src/serve.rs", text).is_empty());
        assert!(faults("runtime/src/main.rs", text).is_empty());
        assert_eq!(faults("components/auth/src/http.rs", text).len(), 1);
        assert_eq!(faults("components/ledger/src/lib.rs", "crate::bindings::apply();\n").len(), 1);
    }

    #[test]
    fn a_comment_may_name_bindings() {
        assert!(faults("components/auth/src/http.rs", "// spin_sdk calls this.\n").is_empty());
    }

    #[test]
    fn a_file_may_have_800_lines_and_no_more() {
        assert!(faults("runtime/src/dns.rs", &"line\n".repeat(800)).is_empty());
        assert_eq!(faults("runtime/src/dns.rs", &"line\n".repeat(801)).len(), 1);
    }
}
