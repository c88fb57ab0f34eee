//! Where a name leads: to a world of this port, or to a subtree that another port serves.

use crate::error::DiscoveryError;
use crate::names;
use vwp_core::environment::Settings;
use vwp_core::name::WorldName;

/// What a name stands for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A world: one label in the port's zone, or a domain.
    World(WorldName),
    /// Something below a label of the port's zone, which only a delegation can hold.
    Below {
        /// The label directly below the zone.
        label: WorldName,
        /// The whole name in DNS, without a final dot.
        fqdn: String,
    },
}

/// The place of a name, written in any script, as a label or in full.
pub fn of(text: &str, settings: &Settings) -> Result<Place, DiscoveryError> {
    let bad = || DiscoveryError::BadName("the zone itself is not a world".to_owned());
    let zone = names::host(&settings.zone).ok_or_else(bad)?;
    // A name in the zone may be longer than a world's when it is written in full.
    let full = text.strip_suffix('.').unwrap_or(text);
    let Some(fqdn) = names::host(full).filter(|name| name.ends_with(&zone)) else {
        return names::world(full).map(Place::World);
    };
    if fqdn == zone {
        return Err(bad());
    }
    let Some(below) = fqdn.strip_suffix(&zone).and_then(|below| below.strip_suffix('.')) else {
        return names::world(full).map(Place::World);
    };
    match below.rsplit_once('.') {
        None => names::world(below).map(Place::World),
        Some((_, label)) => Ok(Place::Below { label: names::world(label)?, fqdn: fqdn.clone() }),
    }
}

/// The world of a name that no delegation is needed for.
pub fn world(text: &str, settings: &Settings) -> Result<WorldName, DiscoveryError> {
    match of(text, settings)? {
        Place::World(name) => Ok(name),
        Place::Below { .. } => {
            Err(DiscoveryError::BadName("a world's name has one label in the port's zone".to_owned()))
        }
    }
}

/// The name of a world that may be registered, see [`names::registrable`].
pub fn registrable(text: &str, settings: &Settings) -> Result<WorldName, DiscoveryError> {
    names::registrable(world(text, settings)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn place(text: &str) -> Result<Place, DiscoveryError> {
        let settings = Settings {
            zone: "vwp.test".into(),
            issuer: "https://port.example".into(),
            master_key: [0; 32],
            master_key_previous: None,
            admin_token: String::new(),
            options: BTreeMap::new(),
        };
        of(text, &settings)
    }

    fn name(text: &str) -> WorldName {
        text.parse().expect("a name")
    }

    #[test]
    fn a_name_in_the_zone_is_its_label_however_it_is_written() {
        let longest = "a".repeat(63);
        for (text, expected) in [
            ("arena", "arena"),
            ("Arena.VWP.test", "arena"),
            ("arena.vwp.test.", "arena"),
            ("bücher.vwp.test", "xn--bcher-kva"),
            (&format!("{longest}.vwp.test"), &longest),
        ] {
            assert_eq!(place(text), Ok(Place::World(name(expected))), "{text}");
        }
    }

    #[test]
    fn a_domain_elsewhere_is_itself() {
        for (text, expected) in [
            ("arena.example", "arena.example"),
            ("Bücher.example.", "xn--bcher-kva.example"),
            ("xvwp.test", "xvwp.test"),
            ("play.arena.example", "play.arena.example"),
        ] {
            assert_eq!(place(text), Ok(Place::World(name(expected))), "{text}");
        }
    }

    #[test]
    fn what_is_below_a_label_is_a_delegations() {
        let expected = Place::Below { label: name("sub"), fqdn: "arena.sub.vwp.test".to_owned() };
        assert_eq!(place("Arena.sub.vwp.test"), Ok(expected));
    }

    #[test]
    fn the_zone_itself_and_what_is_no_name_are_refused() {
        for text in ["vwp.test", "VWP.test.", "", ".", "a..vwp.test", "_vw.vwp.test", "192.0.2.1", "a/b"] {
            assert!(matches!(place(text), Err(DiscoveryError::BadName(_))), "{text:?}");
        }
    }
}
