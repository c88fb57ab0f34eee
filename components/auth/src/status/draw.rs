//! Taking places in a list, at random.

use super::{Bucket, FILL_MAX, LIST_SIZE, ListId, Place};
use crate::error::AuthError;
use std::collections::HashSet;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How often places are drawn for one batch. In a list that is as full as it gets, 31 of 32
/// draws meet a place that is taken; sixteen are made for each place in every round but the
/// first, so that a place is still missing after all rounds less than once in a million times.
const ROUNDS_MAX: usize = 32;
/// How many draws are made for each place after the first round.
const DRAWS_FOR_EACH: usize = 16;
/// The most draws in one round.
const DRAWS_MAX: usize = 512;

/// Places that were free when they were drawn. They are taken by the commit that writes their
/// records and [`Draw::fill`], if it checks that the records are still absent.
pub(crate) struct Draw {
    list: ListId,
    /// What the day's list is, as it was read.
    head: Option<Entry>,
    places: Vec<Place>,
}

impl Draw {
    /// The places.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places.
    pub(crate) fn into_places(self) -> Vec<Place> {
        self.places
    }

    /// The write that counts them. It fails if the list is full.
    pub(crate) fn fill(&self) -> Write {
        let delta = i64::try_from(self.places.len()).unwrap_or(i64::MAX);
        Write::Add { key: self.list.fill_key(), delta, minimum: 0, maximum: FILL_MAX }
    }

    /// Begins the list after this one, which is full. If another request did so first, that is
    /// as good.
    pub(crate) async fn open_next(&self, kv: &impl Kv) -> Result<(), AuthError> {
        let next = ListId { bucket: self.list.bucket, number: self.list.number.saturating_add(1) };
        open(kv, next, self.head.as_ref()).await
    }
}

/// Draws places in the day's list that are free.
pub(crate) async fn draw(
    kv: &impl Kv,
    bucket: Bucket,
    count: usize,
    environment: &Environment<'_>,
) -> Result<Draw, AuthError> {
    let (list, head) = current(kv, bucket).await?;
    let mut looked_at: HashSet<u32> = HashSet::new();
    let mut places = Vec::with_capacity(count);
    for round in 0..ROUNDS_MAX {
        let missing = count.saturating_sub(places.len());
        if missing == 0 {
            return Ok(Draw { list, head, places });
        }
        let tries = if round == 0 { missing } else { (missing * DRAWS_FOR_EACH).min(DRAWS_MAX) };
        let mut drawn = Vec::with_capacity(tries);
        for _ in 0..tries {
            // The size is a power of two, so every place is as likely as any other.
            let index = u32::from_le_bytes(environment.random_bytes()) % LIST_SIZE;
            if looked_at.insert(index) {
                drawn.push(Place { list, index });
            }
        }
        let keys: Vec<Vec<u8>> = drawn.iter().map(Place::key).collect();
        let taken = kv.get_many(&keys).await?;
        let free = drawn.into_iter().zip(taken).filter(|(_, taken)| taken.is_none());
        places.extend(free.map(|(place, _)| place).take(missing));
    }
    Err(Problem::unavailable("no free places were found in the status list").into())
}

/// The list that is being filled, which is begun if the day has none.
async fn current(kv: &impl Kv, bucket: Bucket) -> Result<(ListId, Option<Entry>), AuthError> {
    let key = head_key(bucket);
    let mut head = kv.get(&key).await?;
    if head.is_none() {
        open(kv, ListId { bucket, number: 0 }, None).await?;
        head = kv.get(&key).await?;
    }
    let value = head.as_ref().map(|entry| entry.value.as_slice()).ok_or_else(Problem::internal)?;
    let number = value.try_into().map(u32::from_le_bytes).map_err(|_| Problem::internal())?;
    Ok((ListId { bucket, number }, head))
}

/// Begins a list, if the day's list is still the one that was read. Its counters are put with
/// their end, which they keep.
async fn open(kv: &impl Kv, list: ListId, head: Option<&Entry>) -> Result<(), AuthError> {
    let key = head_key(list.bucket);
    let put = |key, value| Write::Put { key, value, expires_at: Some(list.kept_until()) };
    let zero = 0_i64.to_le_bytes().to_vec();
    let writes = [
        put(key.clone(), list.number.to_le_bytes().to_vec()),
        put(list.fill_key(), zero.clone()),
        put(list.version_key(), zero),
    ];
    match kv.commit(&[Check::unchanged(key, head)], &writes).await? {
        Outcome::Committed(_) | Outcome::Conflict(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

fn head_key(bucket: Bucket) -> Vec<u8> {
    format!("auth/status/head/{}", bucket.day()).into_bytes()
}
