//! What manifests are held to.

/// Everything wrong with a manifest.
pub(super) fn faults(path: &str, text: &str) -> Vec<String> {
    let has = |section: &str| text.lines().any(|line| line.trim() == section);
    // Guests that tests and benchmarks compile, and the fuzz targets, are workspaces of their own,
    // which have nothing to inherit.
    let is_fixture = path.contains("/guests/") || path.contains("/fuzz/");
    if !has("[package]") || is_fixture || inherits_lints(text) {
        return Vec::new();
    }
    vec![format!("{path} does not inherit the workspace's [lints]: one set of rules is in force everywhere")]
}

fn inherits_lints(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.find(|line| !line.is_empty() && !line.starts_with('#')) == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_inherits_the_lints_of_the_workspace() {
        assert!(faults("components/auth/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n").is_empty());
        assert_eq!(faults("components/auth/Cargo.toml", "[package]\n").len(), 1);
        assert_eq!(faults("components/auth/Cargo.toml", "[package]\n[lints.rust]\n").len(), 1);
    }

    #[test]
    fn the_workspace_itself_has_none_to_inherit() {
        assert!(faults("Cargo.toml", "[workspace]\nresolver = \"3\"\n").is_empty());
        assert!(faults("runtime/tests/guests/fixture/Cargo.toml", "[package]\n[workspace]\n").is_empty());
        assert_eq!(faults("runtime/Cargo.toml", "[package]\n[workspace]\n").len(), 1);
    }
}
