//! What is asked, and what it comes to in terms.

use super::near::Place;
use crate::terms;
use sha2::{Digest, Sha256};
use vwp_core::Problem;

/// The longest text, in bytes.
pub const TEXT_LENGTH_MAX: usize = 256;
/// The most words in a text.
pub const WORDS_MAX: usize = 8;
/// The most values of one filter.
pub const VALUES_MAX: usize = 8;
/// The most worlds in a page.
pub const LIMIT_MAX: u32 = 100;
/// The worlds in a page unless told otherwise.
pub const LIMIT_DEFAULT: u32 = 20;
/// The farthest that two places can be from each other, in kilometres, and some more.
const WITHIN_KM_MAX: f64 = 20_100.0;

/// What to find.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Words that every world must have, or start with, or nearly.
    pub text: Option<String>,
    /// Tags that every world must have.
    pub tags: Vec<String>,
    /// Languages, at least one of which is spoken there.
    pub languages: Vec<String>,
    /// Regions, at least one of which it can be entered in.
    pub regions: Vec<String>,
    /// Software, some of which it runs.
    pub software: Vec<String>,
    /// Protocols, at least one of which is spoken at an endpoint.
    pub protocols: Vec<String>,
    /// The highest level of content rating. Worlds that are not rated are not found.
    pub rating_max: Option<u8>,
    /// Only worlds that say that they take travellers in just now.
    pub accepting: bool,
    /// Only worlds that say where they are, by their distance from here.
    pub near: Option<Place>,
    /// How far from there they are at the most.
    pub within_km: Option<f64>,
    /// The order; without it relevance to the text, or else distance, or else popularity.
    pub sort: Option<Sort>,
    /// Whether to count what else the worlds that are found have.
    pub facets: bool,
    /// The most worlds to return, 1 to 100; none: 20.
    pub limit: Option<u32>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// An order of worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Worlds that have the words in their names, then those that have them at all, then those
    /// that have words that start so, then those that have words like them; each by popularity.
    Relevance,
    /// The most popular first.
    Popularity,
    /// The nearest first.
    Distance,
    /// By name: the whole registry, without words and filters.
    Name,
}

/// A question that was looked at.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) words: Vec<String>,
    /// For each filter the terms of which a world has at least one.
    pub(super) filters: Vec<Vec<String>>,
    pub(super) sort: Sort,
    pub(super) limit: usize,
    /// Tells questions apart, so that a cursor is not used for another one.
    pub(super) fingerprint: [u8; 8],
}

impl Question {
    /// Whether it asks for nothing but all worlds.
    pub(super) fn is_listing(&self) -> bool {
        let lists = [&self.tags, &self.languages, &self.regions, &self.software, &self.protocols];
        let has_text = self.text.as_ref().is_some_and(|text| !text.is_empty());
        !has_text
            && lists.iter().all(|list| list.is_empty())
            && self.rating_max.is_none()
            && !self.accepting
            && self.near.is_none()
            && self.within_km.is_none()
            && !self.facets
            && matches!(self.sort, None | Some(Sort::Name))
    }

    /// The limit, if it is within its bounds.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request("limit is 1 to 100"));
        }
        Ok(limit as usize)
    }

    pub(super) fn look_at(&self) -> Result<Asked, Problem> {
        let limit = self.limit()?;
        let words = self.words()?;
        let mut filters = Vec::new();
        for tag in bounded("tag", &self.tags)? {
            filters.push(vec![terms::value(terms::TAG, tag)]);
        }
        let any = [
            ("language", terms::LANGUAGE, &self.languages),
            ("region", terms::REGION, &self.regions),
            ("software", terms::SOFTWARE, &self.software),
            ("protocol", terms::PROTOCOL, &self.protocols),
        ];
        for (name, family, values) in any {
            let terms: Vec<String> =
                bounded(name, values)?.iter().map(|text| terms::value(family, text)).collect();
            filters.extend((!terms.is_empty()).then_some(terms));
        }
        let sort = self.sort(&words)?;
        let within = self.within_km.is_none_or(|km| km > 0.0 && km <= WITHIN_KM_MAX);
        if !within || (self.within_km.is_some() && self.near.is_none()) {
            return Err(Problem::bad_request("within_km is a distance from near, up to 20,100"));
        }
        let told = format!(
            "{words:?}{filters:?}{sort:?}{:?}{:?}{:?}{:?}",
            self.rating_max, self.accepting, self.near, self.within_km
        );
        let digest = Sha256::digest(told.as_bytes());
        let fingerprint = digest.first_chunk::<8>().copied().unwrap_or_default();
        Ok(Asked { words, filters, sort, limit, fingerprint })
    }

    fn words(&self) -> Result<Vec<String>, Problem> {
        let text = self.text.as_deref().unwrap_or_default();
        if text.len() > TEXT_LENGTH_MAX {
            return Err(Problem::bad_request("q is at most 256 bytes"));
        }
        let mut words: Vec<String> = terms::of_text(text).collect();
        if words.len() > WORDS_MAX {
            return Err(Problem::bad_request("q has at most 8 words"));
        }
        if words.is_empty() && !text.is_empty() {
            // A text without a letter or digit asks for a word that no world has.
            words.push("\n".to_owned());
        }
        words.sort_unstable();
        words.dedup();
        Ok(words)
    }

    fn sort(&self, words: &[String]) -> Result<Sort, Problem> {
        let default = match (words.is_empty(), self.near) {
            (false, _) => Sort::Relevance,
            (true, Some(_)) => Sort::Distance,
            (true, None) => Sort::Popularity,
        };
        match self.sort.unwrap_or(default) {
            Sort::Relevance if words.is_empty() => Err(Problem::bad_request("sort=relevance takes a q")),
            Sort::Distance if self.near.is_none() => Err(Problem::bad_request("sort=distance takes a near")),
            Sort::Name => Err(Problem::bad_request("sort=name lists all worlds, without q and filters")),
            sort => Ok(sort),
        }
    }
}

fn bounded<'a>(name: &str, values: &'a [String]) -> Result<&'a [String], Problem> {
    let is_bounded = |value: &String| (1..=terms::VALUE_LENGTH_MAX).contains(&value.len());
    if values.len() > VALUES_MAX || !values.iter().all(is_bounded) {
        return Err(Problem::bad_request(format!("{name} is given at most 8 times, with 1 to 128 bytes")));
    }
    Ok(values)
}
