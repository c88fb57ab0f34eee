//! Places among many worlds, where cells are read in place of worlds: against a look at each.

use crate::support::{self, Port, record};
use futures::executor::block_on;
use h3o::LatLng;
use std::collections::BTreeMap;
use vwp_discovery::index::bulk::Builder;
use vwp_discovery::index::facts::Facts;
use vwp_discovery::keys;
use vwp_discovery::record::{Location, Record};
use vwp_discovery::registry::World;
use vwp_discovery::search::{self, LIMIT_MAX, Place, Question, Sort};
use vwp_discovery::terms;
use vwp_storage::Kv;
use vwp_storage::kv::{COMMIT_ITEMS_MAX, Write};

const WORLDS: u32 = 3000;

/// Evenly over the globe, and every third one in a town: so some cells have very many worlds.
fn position(n: u32) -> (f64, f64) {
    let share = f64::from(n) / f64::from(WORLDS);
    if n.is_multiple_of(3) {
        return (52.0 + share, 13.0 + (share * 37.0).fract());
    }
    let latitude = (2.0 * share - 1.0).asin().to_degrees();
    (latitude, (f64::from(n) * 137.507_764).rem_euclid(360.0) - 180.0)
}

fn world(n: u32) -> World {
    let (latitude, longitude) = position(n);
    let fields = Record {
        location: Some(Location { latitude, longitude, altitude: None }),
        exp: support::START_S + 86_400,
        ..record(&format!("w{n:04}"))
    };
    World { operator: "operator".into(), fields, record: String::new() }
}

/// A port with all the worlds, and the metres from a place to each: to the centre of its cell.
fn port_with_worlds() -> (Port, impl Fn(Place) -> BTreeMap<String, u64>) {
    let (port, mut builder, mut writes) = (Port::new(), Builder::default(), Vec::new());
    for n in 0..WORLDS {
        let world = world(n);
        writes.push(Write::put(keys::world_text(&world.fields.name), serde_json::to_vec(&world).unwrap()));
        writes.extend(builder.add(&Facts::of(&world), 0.0, support::START_S * 1000).unwrap());
    }
    writes.extend(builder.finish().map(|write| write.unwrap()));
    for part in writes.chunks(COMMIT_ITEMS_MAX) {
        block_on(port.store.commit(&[], part)).unwrap();
    }
    let distances = |from: Place| {
        let from = LatLng::new(from.latitude, from.longitude).unwrap();
        let distance = |n| from.distance_m(LatLng::from(terms::leaf(position(n)).unwrap()));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,100,000")]
        let metres = |n| distance(n) as u64;
        (0..WORLDS).map(|n| (format!("w{n:04}"), metres(n))).collect()
    };
    (port, distances)
}

/// Everything that is found, page by page.
fn found(port: &Port, mut question: Question) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let page = block_on(search::search(&port.store, &port.environment(), &question)).unwrap();
        names.extend(page.worlds.into_iter().map(|world| world.fields.name));
        match page.next {
            Some(next) => question.cursor = Some(next),
            None => return names,
        }
    }
}

#[test]
fn the_worlds_within_a_distance_are_those_that_are_no_farther() {
    let (port, distances) = port_with_worlds();
    for (latitude, longitude) in [(52.5, 13.4), (-33.9, 151.2), (89.9, 0.0), (0.0, 179.9)] {
        let near = Place::new(latitude, longitude).unwrap();
        for km in [5.0_f64, 60.0, 500.0, 2000.0, 5000.0, 12_000.0, 20_100.0] {
            let question = Question {
                near: Some(near),
                within_km: Some(km),
                limit: Some(LIMIT_MAX),
                ..Question::default()
            };
            let mut names = found(&port, question);
            names.sort();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole kilometres")]
            let most = (km * 1000.0) as u64;
            let expected: Vec<String> = distances(near)
                .into_iter()
                .filter(|(_, metres)| *metres <= most)
                .map(|(name, _)| name)
                .collect();
            assert!(names == expected, "{km} km from {near:?}: {} of {}", names.len(), expected.len());
        }
    }
}

#[test]
fn by_distance_no_world_comes_before_a_nearer_one() {
    let (port, distances) = port_with_worlds();
    let near = Place::new(48.1, 11.6).unwrap();
    let question = Question {
        near: Some(near),
        sort: Some(Sort::Distance),
        limit: Some(LIMIT_MAX),
        ..Question::default()
    };
    let (names, distances) = (found(&port, question), distances(near));
    assert_eq!(names.len(), distances.len());
    let metres: Vec<u64> = names.iter().map(|name| distances[name]).collect();
    assert!(metres.is_sorted());
}
