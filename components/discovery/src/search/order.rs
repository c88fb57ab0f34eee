//! The orders that results come in: groups of equally good worlds, best first. Within a
//! group the order is that of documents' numbers, which worlds keep.

use super::near::Nearest;
use crate::index::popularity::DEGREE_MAX;
use crate::index::view::View;
use crate::terms;
use roaring::RoaringBitmap;
use std::collections::VecDeque;
use std::rc::Rc;
use vwp_core::Problem;
use vwp_storage::Kv;

/// How many degrees of popularity are read at once. The highest ones have few worlds, and often
/// fill the page.
const DEGREES_AT_ONCE: usize = 5;

/// Worlds that are equally good.
pub(super) struct Group {
    /// Smaller is better.
    pub(super) rank: u128,
    pub(super) members: RoaringBitmap,
}

/// An order of the worlds that were found.
pub(super) enum Order {
    /// By class and, within a class, by popularity.
    Classes(Classes),
    /// By distance.
    Nearest(Box<Nearest>),
    /// Ranks that are known already, worst first.
    Known(Vec<Group>),
}

impl Order {
    /// The next best worlds.
    pub(super) async fn next<S: Kv>(&mut self, view: &View<'_, S>) -> Result<Option<Group>, Problem> {
        match self {
            Self::Classes(classes) => classes.next(view).await,
            Self::Nearest(nearest) => {
                let next = nearest.next(view).await?;
                Ok(next.map(|(rank, members)| Group { rank, members }))
            }
            Self::Known(groups) => Ok(groups.pop()),
        }
    }
}

/// Classes that are split by degrees of popularity.
pub(super) struct Classes {
    /// The classes that are left.
    left: VecDeque<RoaringBitmap>,
    /// How many classes are done.
    class: u8,
    /// How many degrees of the first class are done.
    done: u8,
    /// The worlds of each degree, highest first, as far as they were read.
    degrees: Vec<Rc<RoaringBitmap>>,
}

impl Classes {
    pub(super) fn new(classes: impl IntoIterator<Item = RoaringBitmap>) -> Self {
        Self { left: classes.into_iter().collect(), class: 0, done: 0, degrees: Vec::new() }
    }

    async fn next<S: Kv>(&mut self, view: &View<'_, S>) -> Result<Option<Group>, Problem> {
        while let Some(class) = self.left.front_mut() {
            if class.is_empty() {
                self.left.pop_front();
                self.class += 1;
                self.done = 0;
                continue;
            }
            let done = usize::from(self.done);
            if self.done < DEGREE_MAX && done == self.degrees.len() {
                let degrees = (1..=DEGREE_MAX).rev().skip(done).take(DEGREES_AT_ONCE);
                let wanted: Vec<String> = degrees.map(terms::popularity).collect();
                self.degrees.extend(view.terms(&wanted).await?);
            }
            // Behind the last degree are those that are not popular at all.
            let members = self.degrees.get(done).map_or_else(|| class.clone(), |degree| &*class & &**degree);
            *class -= &members;
            let rank = u128::from(self.class) * 16 + u128::from(self.done);
            self.done += 1;
            if !members.is_empty() {
                return Ok(Some(Group { rank, members }));
            }
        }
        Ok(None)
    }
}
