//! Worlds by their distance from a place.
//!
//! A world is where the centre of its H3 cell is: a few kilometres from where it says, which is
//! near enough for anybody who looks for worlds nearby, and makes all worlds of a cell equally
//! far. Cells are looked into from coarse to fine, nearest first, and only as far as worlds are
//! wanted (best-first search): a cell is opened when no other one can have a nearer world. Where a
//! cell has only a few of the worlds that are wanted, these are looked up in place of the cells in it.

use crate::index::recent::Cells;
use crate::index::view::View;
use crate::terms::{self, RESOLUTIONS};
use h3o::{CellIndex, LatLng, Resolution};
use roaring::RoaringBitmap;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;
use vwp_core::Problem;
use vwp_storage::Kv;

/// A latitude and a longitude in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// From -90 to 90.
    pub latitude: f64,
    /// From -180 to 180.
    pub longitude: f64,
}

impl Place {
    /// A place on the globe.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let is_on_globe = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        is_on_globe.then_some(Self { latitude, longitude })
    }
}

/// So few worlds are looked at sooner than the cells in their cell are read.
const FEW_IN_A_CELL: u64 = 32;

/// How far the centre of a finest cell can be from the centre of a cell that it is in, in
/// metres, and some more.
fn radius_m(resolution: Resolution) -> u64 {
    match resolution {
        Resolution::Zero => 1_750_000,
        Resolution::Two => 260_000,
        Resolution::Four => 38_000,
        _ => 0,
    }
}

/// Distances from one place.
pub(super) struct Near {
    origin: LatLng,
    opened: HashMap<CellIndex, Rc<Cells>>,
}

impl Near {
    pub(super) fn new(place: Place) -> Result<Self, Problem> {
        let origin = LatLng::new(place.latitude, place.longitude)
            .map_err(|_| Problem::bad_request("near is a latitude and a longitude"))?;
        Ok(Self { origin, opened: HashMap::new() })
    }

    /// How far the centre of a cell is, in whole metres.
    pub(super) fn distance_m(&self, cell: CellIndex) -> u64 {
        let metres = self.origin.distance_m(LatLng::from(cell));
        // A distance on the globe is positive and far below the bounds.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,100,000")]
        let metres = metres.max(0.0) as u64;
        metres
    }

    /// A cell's rank in the order of distances: the nearest first, and by number at one distance.
    pub(super) fn rank(&self, cell: CellIndex) -> u128 {
        (u128::from(self.distance_m(cell)) << 64) | u128::from(u64::from(cell))
    }

    /// Those worlds of a set that are within a distance, and those that have to be looked at one
    /// by one: a cell that is only in part within it is not opened for a few worlds.
    pub(super) async fn within<S: Kv>(
        &mut self,
        view: &View<'_, S>,
        all: &RoaringBitmap,
        metres: u64,
    ) -> Result<(RoaringBitmap, RoaringBitmap), Problem> {
        // Numbers that are put together once: each union of bitmaps would copy what was found before.
        let (mut found, mut doubtful) = (Vec::new(), Vec::new());
        let near = CellIndex::base_cells().filter(|cell| self.nearest_m(*cell) <= metres);
        let (whole, mut left): (Vec<CellIndex>, Vec<CellIndex>) =
            near.partition(|cell| self.farthest_m(*cell) <= metres);
        let whole: Vec<String> = whole.into_iter().map(terms::cell).collect();
        found.extend(view.terms(&whole).await?.iter().flat_map(|members| &**members & all));
        while let Some(cell) = left.pop() {
            for (child, members) in self.open(view, cell).await?.iter() {
                if self.farthest_m(*child) <= metres {
                    found.extend(members & all);
                } else if self.nearest_m(*child) <= metres && !is_finest(*child) {
                    let members = members & all;
                    if members.len() <= FEW_IN_A_CELL {
                        doubtful.extend(members);
                    } else {
                        left.push(*child);
                    }
                }
            }
        }
        Ok((together(found), together(doubtful)))
    }

    /// How near a world of a cell can be, in metres.
    fn nearest_m(&self, cell: CellIndex) -> u64 {
        self.distance_m(cell).saturating_sub(radius_m(cell.resolution()))
    }

    /// How far a world of a cell can be, in metres.
    fn farthest_m(&self, cell: CellIndex) -> u64 {
        self.distance_m(cell) + radius_m(cell.resolution())
    }

    /// The cells in a cell, of the next resolution, that have worlds.
    async fn open<S: Kv>(&mut self, view: &View<'_, S>, cell: CellIndex) -> Result<Rc<Cells>, Problem> {
        if let Some(opened) = self.opened.get(&cell) {
            return Ok(opened.clone());
        }
        let finer = RESOLUTIONS.into_iter().find(|resolution| *resolution > cell.resolution());
        let children = finer.map(|finer| (cell.children(finer).min(), cell.children(finer).max()));
        let opened = match children {
            // The cells in a cell follow each other in the order of their numbers.
            Some((Some(first), Some(last))) => view.cells(first, last).await?,
            _ => Rc::default(),
        };
        self.opened.insert(cell, opened.clone());
        Ok(opened)
    }
}

/// A set of numbers, in any order.
fn together(mut numbers: Vec<u32>) -> RoaringBitmap {
    numbers.sort_unstable();
    numbers.into_iter().collect()
}

fn is_finest(cell: CellIndex) -> bool {
    RESOLUTIONS.last() == Some(&cell.resolution())
}

/// The worlds of a set, nearest first.
pub(super) struct Nearest {
    near: Near,
    all: RoaringBitmap,
    /// Cells by how near a world in them can be. At one distance those that are not opened come
    /// first, because what is in them may be just as near.
    left: BinaryHeap<Reverse<(u64, bool, CellIndex)>>,
    /// The worlds of the set in each cell that is left, where it is known.
    members: HashMap<CellIndex, RoaringBitmap>,
}

impl Nearest {
    pub(super) fn new(near: Near, all: RoaringBitmap) -> Self {
        let left = CellIndex::base_cells().map(|cell| Reverse((near.nearest_m(cell), false, cell))).collect();
        Self { near, all, left, members: HashMap::new() }
    }

    /// The next cell with worlds: its rank and its worlds.
    pub(super) async fn next<S: Kv>(
        &mut self,
        view: &View<'_, S>,
    ) -> Result<Option<(u128, RoaringBitmap)>, Problem> {
        while let Some(Reverse((_, is_open, cell))) = self.left.pop() {
            let members = self.members.remove(&cell);
            if is_open {
                let members = members.unwrap_or_default();
                self.all -= &members;
                return Ok(Some((self.near.rank(cell), members)));
            }
            if self.all.is_empty() {
                return Ok(None);
            }
            match members.filter(|members| members.len() <= FEW_IN_A_CELL) {
                Some(few) => self.look_up(view, &few).await?,
                None => self.open(view, cell).await?,
            }
        }
        Ok(None)
    }

    /// Puts the cells in a cell in its place.
    async fn open<S: Kv>(&mut self, view: &View<'_, S>, cell: CellIndex) -> Result<(), Problem> {
        for (child, members) in self.near.open(view, cell).await?.iter() {
            let members = members & &self.all;
            if !members.is_empty() {
                self.left.push(Reverse((self.near.nearest_m(*child), is_finest(*child), *child)));
                self.members.insert(*child, members);
            }
        }
        Ok(())
    }

    /// Puts the finest cells of all worlds of a cell in its place.
    async fn look_up<S: Kv>(&mut self, view: &View<'_, S>, few: &RoaringBitmap) -> Result<(), Problem> {
        let numbers: Vec<u32> = few.iter().collect();
        for (leaf, number) in view.leaves(&numbers).await?.into_iter().zip(numbers) {
            let Some(leaf) = leaf else {
                // It has just gone.
                self.all.remove(number);
                continue;
            };
            let members = self.members.entry(leaf).or_default();
            if members.is_empty() {
                self.left.push(Reverse((self.near.nearest_m(leaf), true, leaf)));
            }
            members.insert(number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_finest_cell_is_farther_from_a_coarse_one_than_is_reckoned_with() {
        let finest = RESOLUTIONS[RESOLUTIONS.len() - 1];
        // Evenly over the globe, and the corners of coarse cells, which are farthest from centres.
        let even = (0..20_000_u32).map(|n| {
            let latitude = (2.0 * f64::from(n) / 20_000.0 - 1.0).asin().to_degrees();
            LatLng::new(latitude, (f64::from(n) * 137.507_764).rem_euclid(360.0) - 180.0).unwrap()
        });
        let coarse = CellIndex::base_cells()
            .chain(CellIndex::base_cells().flat_map(|cell| cell.children(Resolution::Two)));
        let corners = coarse.flat_map(|cell| cell.boundary().to_vec());
        for position in even.chain(corners) {
            let leaf = position.to_cell(finest);
            for resolution in [Resolution::Zero, Resolution::Two, Resolution::Four] {
                let parent = leaf.parent(resolution).unwrap();
                let metres = LatLng::from(leaf).distance_m(LatLng::from(parent));
                #[allow(clippy::cast_precision_loss)]
                let radius = radius_m(resolution) as f64;
                assert!(metres < radius * 0.97, "{metres} at {resolution:?}");
            }
        }
    }

    #[test]
    fn places_off_the_globe_are_none() {
        assert!(Place::new(90.0, -180.0).is_some());
        for (latitude, longitude) in [(90.1, 0.0), (0.0, 180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert!(Place::new(latitude, longitude).is_none());
        }
    }
}
