//! What goes into a container: the program, linked statically, and what it serves.

use crate::lint::{self, Linted};
use crate::project::Project;
use crate::steps::Steps;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Links the program statically and lays it and the application out in a folder, which is then
/// all that a container needs: `vwp`, and `app` with the manifest and the components.
pub(crate) fn lay_out(project: &Project, folder: &Path) -> Result<()> {
    let manifest = fs::read_to_string(project.root.join("spin.toml")).context("spin.toml")?;
    let app = folder.join("app");
    for source in sources(&manifest).values() {
        let (from, to) = (project.root.join(source), app.join(source));
        if !from.is_file() {
            bail!("{source} is not there: run `cargo xtask build` first");
        }
        copy(&from, &to)?;
    }
    copy(&project.root.join("spin.toml"), &app.join("spin.toml"))?;
    // The flag is for the program alone: its libraries are those of the build.
    let mut link = project.cargo("rustc --release -p vwp-runtime --bin vwp");
    if lint::is_inside_a_test() {
        // Then they are those of the tests.
        link = Linted::find(project)?.native(link);
    }
    // In a place of its own: where the build puts it, somebody may be running that one.
    let linked = project.target().join("image");
    link.env("CARGO_TARGET_DIR", &linked).env("CARGO_BUILD_BUILD_DIR", project.target());
    link.args(["--", "-C", "target-feature=+crt-static"]);
    Steps::new(1).run("the program, linked statically", link)?;
    copy(&linked.join("release/vwp"), &folder.join("vwp"))
}

/// The binary of each component, as our runtime chooses it: what stands under `tool.vwp` comes
/// after what stands for every host.
fn sources(manifest: &str) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut component = None;
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let name = header.strip_prefix("component.").and_then(|rest| rest.split(['.', ']']).next());
            component = name.map(str::to_owned);
        }
        let source = line.strip_prefix("source = \"").and_then(|rest| rest.strip_suffix('"'));
        if let (Some(component), Some(source)) = (&component, source) {
            sources.insert(component.clone(), source.to_owned());
        }
    }
    sources
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(from, to));
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_taken_as_our_runtime_takes_it() {
        let manifest = "[component.a]\nsource = \"a.wasm\"\n[component.a.build]\ncommand = \"b\"\n\
                        [component.a.tool.vwp]\nsource = \"wide/a.wasm\"\n[component.b]\nsource = \"b.wasm\"\n\
                        [variables]\nsource = \"no.wasm\"\n";
        let expected = [("a", "wide/a.wasm"), ("b", "b.wasm")];
        let expected = expected.map(|(name, source)| (name.to_owned(), source.to_owned()));
        assert_eq!(sources(manifest), expected.into());
    }
}
