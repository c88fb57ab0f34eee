//! Triggers: which component answers which requests.

use super::Resolver;
use crate::manifest::schema::{self, ComponentReference, Executor};
use crate::manifest::{ManifestError, Pattern, Route};
use std::collections::BTreeMap;

/// Moves components that are written inside their trigger to the others, with ids of their
/// own, as Spin does.
pub(super) fn name_inline_components(manifest: &mut schema::Manifest) {
    for trigger in manifest.triggers.values_mut().flatten() {
        let Some(reference) = &mut trigger.component else { continue };
        let ids = std::iter::once(format!("{}-component", trigger.id))
            .filter(|_| !trigger.id.is_empty())
            .chain((1..).map(|number| format!("inline-component{number}")));
        let free = ids.into_iter().find(|id| !manifest.components.contains_key(id));
        if let (ComponentReference::Inline(_), Some(id)) = (&*reference, free)
            && let ComponentReference::Inline(component) =
                std::mem::replace(reference, ComponentReference::Id(id.clone()))
        {
            manifest.components.insert(id, *component);
        }
    }
}

impl Resolver {
    pub(super) fn routes(
        &self,
        triggers: &BTreeMap<String, Vec<schema::Trigger>>,
    ) -> Result<Vec<Route>, ManifestError> {
        if let Some(kind) = triggers.keys().find(|kind| *kind != "http") {
            return self.refuse(format!("trigger.{kind}"), "only the http trigger is offered here");
        }
        let http = triggers.get("http").map(Vec::as_slice).unwrap_or_default();
        let mut routes: Vec<Route> = Vec::new();
        for (at, trigger) in http.iter().enumerate() {
            let route = self.route(&format!("trigger.http[{at}]"), trigger)?;
            if route.pattern.is_some() && routes.iter().any(|other| other.pattern == route.pattern) {
                return self
                    .refuse(format!("trigger.http[{at}].route"), "another trigger has the same route");
            }
            routes.push(route);
        }
        Ok(routes)
    }

    fn route(&self, key: &str, trigger: &schema::Trigger) -> Result<Route, ManifestError> {
        match &trigger.executor {
            None | Some(Executor::Http | Executor::Spin) => {}
            Some(Executor::Wagi) => {
                let reason = "WAGI is not offered here; build the component for wasi:http";
                return self.refuse(format!("{key}.executor"), reason);
            }
        }
        if trigger.components.is_some() {
            return self.refuse(format!("{key}.components"), "the http trigger takes one component");
        }
        let Some(ComponentReference::Id(component)) = &trigger.component else {
            return self.refuse(format!("{key}.component"), "name a component by its id");
        };
        self.known(&format!("{key}.component"), component)?;
        let pattern = match &trigger.route {
            Some(schema::Route::Path(path)) => match Pattern::parse(path) {
                Ok(pattern) => Some(pattern),
                Err(reason) => return self.refuse(format!("{key}.route"), reason),
            },
            Some(schema::Route::Private { private: true }) => None,
            _ => return self.refuse(format!("{key}.route"), "set a path, or { private = true }"),
        };
        let mut middleware = Vec::new();
        for (kind, dependencies) in &trigger.dependencies {
            if kind != "middleware" {
                return self.refuse(format!("{key}.dependencies.{kind}"), "only `middleware` is known here");
            }
            for (at, dependency) in dependencies.iter().enumerate() {
                let key = format!("{key}.dependencies.middleware[{at}]");
                middleware.push(self.dependency(&key, dependency, false)?);
            }
        }
        Ok(Route { pattern, component: component.clone(), middleware })
    }
}
