//! From an order of documents to a page of worlds.

use super::cursor::Place;
use super::order::{Group, Order};
use crate::index::view::View;
use crate::keys;
use crate::registry::{World, read_world};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::Key;

/// How many candidates one page looks at. A page may so be short, even empty, and
/// still have a cursor.
const CANDIDATES_MAX: usize = 1024;
/// How many worlds are read at once; bounds memory.
const AT_ONCE: usize = 64;

/// The documents that were found, from a place on.
pub(super) struct Candidates<'a, 'b, S> {
    view: &'a View<'b, S>,
    order: Order,
    after: Option<Place>,
    group: Option<Group>,
}

impl<'a, 'b, S: Kv> Candidates<'a, 'b, S> {
    pub(super) fn new(view: &'a View<'b, S>, order: Order, after: Option<Place>) -> Self {
        Self { view, order, after, group: None }
    }

    /// The next worlds, and where they end if there may be more.
    pub(super) async fn page(
        &mut self,
        environment: &Environment<'_>,
        limit: usize,
        is_wanted: impl AsyncFn(&[World]) -> Result<Vec<bool>, Problem>,
    ) -> Result<(Vec<World>, Option<Place>), Problem> {
        let (mut worlds, mut last, mut looked_at) = (Vec::new(), None, 0);
        while looked_at < CANDIDATES_MAX {
            // One more than are wanted tells whether there are more.
            let places = self.places((limit + 1 - worlds.len()).min(AT_ONCE)).await?;
            if places.is_empty() {
                return Ok((worlds, None));
            }
            looked_at += places.len();
            let found = self.worlds(environment, &places).await?;
            let present: Vec<World> = found.iter().flatten().cloned().collect();
            let mut wanted = is_wanted(&present).await?.into_iter();
            for (place, world) in places.into_iter().zip(found) {
                if let Some(world) = world.filter(|_| wanted.next() == Some(true)) {
                    if worlds.len() == limit {
                        return Ok((worlds, last));
                    }
                    worlds.push(world);
                }
                last = Some(place);
            }
        }
        Ok((worlds, last))
    }

    /// Up to so many places, in order.
    async fn places(&mut self, count: usize) -> Result<Vec<Place>, Problem> {
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            let group = match self.group.take() {
                Some(group) => Some(group),
                None => self.order.next(self.view).await?,
            };
            let Some(mut group) = group else { break };
            let after = self.after.filter(|after| after.rank >= group.rank);
            if let Some(after) = after {
                if after.rank > group.rank {
                    continue;
                }
                group.members.remove_range(..=after.number);
            }
            let taken: Vec<u32> = group.members.iter().take(count - places.len()).collect();
            places.extend(taken.iter().map(|number| Place { rank: group.rank, number: *number }));
            if (taken.len() as u64) < group.members.len() {
                group.members.remove_smallest(taken.len() as u64);
                self.group = Some(group);
            }
        }
        Ok(places)
    }

    /// The worlds at some places; none where one has gone or ended.
    async fn worlds(
        &self,
        environment: &Environment<'_>,
        places: &[Place],
    ) -> Result<Vec<Option<World>>, Problem> {
        let numbers: Vec<u32> = places.iter().map(|place| place.number).collect();
        let documents = self.view.documents(&numbers).await?;
        let names: Vec<Option<String>> = documents
            .into_iter()
            .map(|document| Some(document?.name).filter(|name| !name.is_empty()))
            .collect();
        let wanted: Vec<Key> = names.iter().flatten().map(|name| keys::world_text(name)).collect();
        let mut entries = self.view.store().get_many(&wanted).await?.into_iter();
        let world = |name: Option<String>| match name.and_then(|_| entries.next().flatten()) {
            Some(entry) => read_world(&entry, environment),
            None => Ok(None),
        };
        names.into_iter().map(world).collect()
    }
}
