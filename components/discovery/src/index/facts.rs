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
        let titles = record.title.values().map(str::to_owned);
        let transports = record.endpoints.iter().map(|endpoint| endpoint.transport.clone());
        Self {
            name: record.name.clone(),
            titles: [unicode, record.name.clone()].into_iter().chain(titles).collect(),
            texts: record.description.values().map(str::to_owned).collect(),
            tags: record.tags.clone(),
            languages: record.languages.clone(),
            regions: record.endpoints.iter().filter_map(|endpoint| endpoint.region.clone()).collect(),
            software: record.software.iter().map(|software| software.name.clone()).collect(),
            protocols: transports.chain(record.protocols.iter().cloned()).collect(),
            rating: record.rating.as_ref().map(|rating| rating.level),
            position: record.location.map(|location| (location.latitude, location.longitude)),
        }
    }
}
