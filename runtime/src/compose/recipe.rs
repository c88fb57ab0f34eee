//! What a composition is made of, as a digest: the same for the same binaries, put together the same
//! way.

use super::Binaries;
use crate::compiled::Digest;
use crate::manifest::{App, Component, Dependency, Route};
use anyhow::Result;
use sha2::{Digest as _, Sha256};

/// What [`super::component`] composes.
pub fn component(binaries: &mut Binaries, component: &Component) -> Result<Digest> {
    let mut recipe = Sha256::new();
    put(&mut recipe, component.id.as_bytes());
    put(&mut recipe, &binaries.digest(&component.source)?);
    for (name, dependency) in &component.dependencies {
        put(&mut recipe, name.as_bytes());
        put_dependency(&mut recipe, binaries, dependency)?;
    }
    Ok(recipe.finalize().into())
}

/// What [`super::route`] composes.
pub fn route(binaries: &mut Binaries, app: &App, route: &Route) -> Result<Digest> {
    let innermost = component(binaries, &app.components[&route.component])?;
    let mut recipe = Sha256::new();
    put(&mut recipe, &innermost);
    for middleware in &route.middleware {
        put_dependency(&mut recipe, binaries, middleware)?;
    }
    Ok(recipe.finalize().into())
}

fn put_dependency(recipe: &mut Sha256, binaries: &mut Binaries, dependency: &Dependency) -> Result<()> {
    let Dependency { source, export, inherit } = dependency;
    put(recipe, &binaries.digest(source)?);
    put(recipe, format!("{export:?} {inherit:?}").as_bytes());
    Ok(())
}

/// A part with its length, so that no two lists of parts are the same bytes.
fn put(recipe: &mut Sha256, part: &[u8]) {
    recipe.update((part.len() as u64).to_be_bytes());
    recipe.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Inherit;
    use tempfile::TempDir;

    #[test]
    fn whatever_changes_a_composition_changes_its_recipe() {
        let folder = TempDir::new().expect("a folder");
        let file = |name: &str| {
            std::fs::write(folder.path().join(name), name).expect("written");
            folder.path().join(name)
        };
        let dependency = |source: &str, inherit| Dependency { source: file(source), export: None, inherit };
        let recipe = |source: &str, dependency: Dependency| {
            let dependencies = [("a:b".to_owned(), dependency)].into();
            let main = Component { source: file(source), dependencies, ..Component::default() };
            component(&mut Binaries::default(), &main).expect("a recipe")
        };
        let first = recipe("main", dependency("dependency", Inherit::All));
        assert_eq!(first, recipe("main", dependency("dependency", Inherit::All)));
        assert_ne!(first, recipe("another", dependency("dependency", Inherit::All)));
        assert_ne!(first, recipe("main", dependency("another", Inherit::All)));
        assert_ne!(first, recipe("main", dependency("dependency", Inherit::Some(Vec::new()))));
        let renamed =
            Dependency { export: Some("c:d/e".to_owned()), ..dependency("dependency", Inherit::All) };
        assert_ne!(first, recipe("main", renamed));
    }
}
