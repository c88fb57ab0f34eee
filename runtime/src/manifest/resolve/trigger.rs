//! Triggers: which component answers which requests.

use super::{Resolver, TIME_MS_MAX};
use crate::admission::REQUESTS_MAX;
use crate::manifest::schema::{self, ComponentReference};
use crate::manifest::{ManifestError, Pattern, Route, RouteLimits};
use std::collections::BTreeMap;
use std::time::Duration;

/// Moves components that are written inside their trigger to the others, with ids of their
/// own, as Spin does.
pub(super) fn name_inline_components(
    triggers: &mut [schema::Trigger],
    components: &mut BTreeMap<String, schema::Component>,
) {
    for trigger in triggers {
        let Some(reference) = &mut trigger.component else { continue };
        let ids = std::iter::once(format!("{}-component", trigger.id))
            .filter(|_| !trigger.id.is_empty())
            .chain((1..).map(|number| format!("inline-component{number}")));
        let free = ids.into_iter().find(|id| !components.contains_key(id));
        if let (ComponentReference::Inline(_), Some(id)) = (&*reference, free)
            && let ComponentReference::Inline(component) =
                std::mem::replace(reference, ComponentReference::Id(id.clone()))
        {
            components.insert(id, *component);
        }
    }
}

impl Resolver {
    /// The HTTP triggers, which are read only now, because the fields of a trigger are its
    /// kind's.
    pub(super) fn http_triggers(
        &self,
        mut triggers: BTreeMap<String, toml::Value>,
    ) -> Result<Vec<schema::Trigger>, ManifestError> {
        let http = triggers.remove("http");
        if let Some(kind) = triggers.keys().next() {
            return self.refuse(format!("trigger.{kind}"), "only the http trigger is offered here");
        }
        match http.map(toml::Value::try_into) {
            Some(Ok(http)) => Ok(http),
            Some(Err(error)) => self.refuse("trigger.http", error.message()),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn routes(
        &self,
        http: &[schema::Trigger],
        limits: &BTreeMap<String, schema::RouteTool>,
    ) -> Result<Vec<Route>, ManifestError> {
        let mut routes: Vec<Route> = Vec::new();
        for (at, trigger) in http.iter().enumerate() {
            let route = self.route(&format!("trigger.http[{at}]"), trigger)?;
            if route.pattern.is_some() && routes.iter().any(|other| other.pattern == route.pattern) {
                return self
                    .refuse(format!("trigger.http[{at}].route"), "another trigger has the same route");
            }
            routes.push(route);
        }
        for (route, tool) in limits {
            let limits = self.route_limits(route, tool)?;
            let pattern = Pattern::parse(route).ok();
            match routes.iter_mut().find(|known| known.pattern.is_some() && known.pattern == pattern) {
                Some(known) => (known.limits, known.cache) = (limits, tool.cache),
                None => return self.refuse(limits_key(route), "no trigger has this route"),
            }
        }
        Ok(routes)
    }

    fn route_limits(&self, route: &str, tool: &schema::RouteTool) -> Result<RouteLimits, ManifestError> {
        let key = limits_key(route);
        if let Some(requests) = tool.requests_max.filter(|requests| !(1..=REQUESTS_MAX).contains(requests)) {
            let reason = format!("{requests} is not between 1 and {REQUESTS_MAX}");
            return self.refuse(format!("{key}.requests_max"), reason);
        }
        if tool.wait_ms_max.is_some_and(|ms| ms > TIME_MS_MAX) {
            return self.refuse(format!("{key}.wait_ms_max"), format!("at most {TIME_MS_MAX}"));
        }
        Ok(RouteLimits { requests_max: tool.requests_max, wait: tool.wait_ms_max.map(Duration::from_millis) })
    }

    fn route(&self, key: &str, trigger: &schema::Trigger) -> Result<Route, ManifestError> {
        if let Some(executor) = &trigger.executor
            && !["http", "spin"].contains(&executor.kind.as_str())
        {
            let reason = format!("`{}` is not run here, only components are: \"http\"", executor.kind);
            return self.refuse(format!("{key}.executor"), reason);
        }
        if trigger.static_response.is_some() {
            let reason = "only a component answers here; let one answer this";
            return self.refuse(format!("{key}.static_response"), reason);
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
        Ok(Route {
            pattern,
            component: component.clone(),
            middleware,
            limits: RouteLimits::default(),
            cache: false,
        })
    }
}

/// Where the limits of a route stand.
fn limits_key(route: &str) -> String {
    format!("application.tool.vwp.routes.\"{route}\"")
}
