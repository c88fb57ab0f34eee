//! What the index knows of a world, whatever shape the record has that says it.

use crate::names;
use crate::registry::World;

/// What a world can be found by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The world's name, as in the registry.
    pub name: String,
    /// What people call it: its name in its own script, and its names in languages.
    pub titles: Vec<String>,
    /// What else is said about it in words.
    pub texts: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The languages spoken there (BCP 47).
    pub languages: Vec<String>,
    /// The regions where it can be entered.
    pub regions: Vec<String>,
    /// The software that it runs.
    pub software: Vec<String>,
    /// What is spoken at its endpoints.
    pub protocols: Vec<String>,
    /// The level of its content rating.
    pub rating: Option<u8>,
    /// Its latitude and longitude, in degrees.
    pub position: Option<(f64, f64)>,
}

impl Facts {
    /// What a registered world says.
    pub fn of(world: &World) -> Self {
        let record = &world.fields;
        let unicode = record.name.parse().map(|name| names::to_unicode(&name)).unwrap_or_default();
        Self {
            name: record.name.clone(),
            titles: vec![unicode, record.name.clone(), record.title.clone()],
            texts: record.description.iter().cloned().collect(),
            tags: record.tags.clone(),
            protocols: record.endpoints.iter().map(|endpoint| endpoint.transport.clone()).collect(),
            ..Self::default()
        }
    }
}
