//! Search against a model that looks at every world, whatever happened before: worlds that
//! come, change and go, users that come and go, and an index that is folded now and then.

use crate::support::{self, Port, record};
use futures::executor::block_on;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use vwp_discovery::index::compact::{self, Folded};
use vwp_discovery::index::{self, facts::Facts, popularity};
use vwp_discovery::record::{Endpoint, Location, Rating, Record, Software, Texts};
use vwp_discovery::registry::World;
use vwp_discovery::search::{self, Page, Place, Question, Sort};
use vwp_discovery::terms;
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

/// Some are like others, some are the start of others, some are in no world.
const WORDS: [&str; 14] = [
    "castle",
    "castles",
    "castel",
    "cat",
    "ca",
    "sea",
    "seas",
    "adventure",
    "advanture",
    "adventurer",
    "世界",
    "rust",
    "trust",
    "zzz",
];
const TAGS: [&str; 3] = ["pvp", "Role Play", "sea"];
const LANGUAGES: [&str; 4] = ["en", "en-GB", "de", "de-CH"];
const PLACES: [(f64, f64); 6] =
    [(52.52, 13.40), (52.53, 13.45), (48.14, 11.58), (40.71, -74.0), (-33.87, 151.21), (64.1, -179.99)];

#[derive(Debug, Clone)]
enum Step {
    Put(usize, Look),
    Withdraw(usize),
    /// The record ends, and the registry no longer knows what it was.
    Forget(usize),
    Observe(usize, u64),
    Fold,
    /// Two weeks pass.
    Wait,
}

#[derive(Debug, Clone)]
struct Look {
    title: Vec<usize>,
    text: Vec<usize>,
    tags: Vec<usize>,
    languages: Vec<usize>,
    place: Option<usize>,
    rating: Option<u8>,
}

fn some(of: usize, most: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..of, 0..=most)
}

fn look() -> impl Strategy<Value = Look> {
    let place = prop::option::of(0..PLACES.len());
    let rating = prop::option::of(0..20_u8);
    (some(WORDS.len(), 3), some(WORDS.len(), 4), some(TAGS.len(), 2), some(LANGUAGES.len(), 2), place, rating)
        .prop_map(|(title, text, tags, languages, place, rating)| Look {
            title,
            text,
            tags,
            languages,
            place,
            rating,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..20_usize;
    prop_oneof![
        8 => (which(), look()).prop_map(|(n, look)| Step::Put(n, look)),
        2 => which().prop_map(Step::Withdraw),
        1 => which().prop_map(Step::Forget),
        3 => (which(), prop_oneof![Just(0_u64), 1..100_000_u64]).prop_map(|(n, users)| Step::Observe(n, users)),
        2 => Just(Step::Fold),
        1 => Just(Step::Wait),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let words = some(WORDS.len(), 2).prop_flat_map(|words| {
        let cut = prop::collection::vec(1..12_usize, words.len());
        (Just(words), cut)
    });
    let place = prop::option::of((0..PLACES.len(), prop::option::of(1.0..20_000.0_f64)));
    let sort = prop_oneof![Just(None), Just(Some(Sort::Popularity)), Just(Some(Sort::Distance))];
    let filters = (some(TAGS.len(), 1), some(LANGUAGES.len(), 2), prop::option::of(0..21_u8));
    (words, filters, place, sort, 1..7_u32).prop_map(|((words, cuts), filters, place, sort, limit)| {
        let start = |(word, cut): (usize, usize)| WORDS[word].chars().take(cut).collect::<String>();
        let text: Vec<String> = words.into_iter().zip(cuts).map(start).collect();
        let (tags, languages, rating_max) = filters;
        let near = place.map(|(place, _)| Place::new(PLACES[place].0, PLACES[place].1).unwrap());
        Question {
            text: Some(text.join(" ")),
            tags: tags.into_iter().map(|tag| TAGS[tag].to_owned()).collect(),
            languages: languages.into_iter().map(|tag| LANGUAGES[tag].to_lowercase()).collect(),
            rating_max,
            near,
            within_km: place.and_then(|(_, within)| within),
            sort: sort.filter(|sort| *sort != Sort::Distance || near.is_some()).or(Some(Sort::Popularity)),
            limit: Some(limit),
            ..Question::default()
        }
    })
}

fn name(n: usize) -> String {
    format!("w{n:02}")
}

fn texts(words: &[usize]) -> Texts {
    support::title(&words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" "))
}

fn world(n: usize, look: &Look) -> World {
    let fields = Record {
        title: texts(&look.title),
        description: texts(&look.text),
        tags: look.tags.iter().map(|tag| TAGS[*tag].to_owned()).collect(),
        languages: look.languages.iter().map(|tag| LANGUAGES[*tag].to_owned()).collect(),
        location: look.place.map(|place| Location {
            latitude: PLACES[place].0,
            longitude: PLACES[place].1,
            altitude: None,
        }),
        rating: look.rating.map(|level| Rating { level, ..Rating::default() }),
        software: n.is_multiple_of(2).then(|| Software { name: "paper".into(), version: None }),
        endpoints: vec![Endpoint {
            region: Some(if n.is_multiple_of(3) { "eu" } else { "us" }.into()),
            ..Endpoint::new("minecraft", "play.example.com", 25565)
        }],
        exp: support::START_S + 10 * 366 * 86_400,
        ..record(&name(n))
    };
    World { operator: "operator".into(), fields, record: String::new() }
}

/// A registry in its plainest form, beside the one that is tested.
struct Both {
    port: Port,
    worlds: BTreeMap<usize, World>,
    /// The averages of users, and when they were taken.
    scores: BTreeMap<usize, (f64, Option<u64>)>,
}

impl Both {
    fn new() -> Self {
        Self { port: Port::new(), worlds: BTreeMap::new(), scores: BTreeMap::new() }
    }

    fn apply(&mut self, step: &Step) {
        // Averages move with time.
        self.port.advance_s(300);
        match step {
            Step::Put(n, look) => {
                let world = world(*n, look);
                self.change(*n, self.worlds.get(n).cloned().as_ref(), Some(&world));
                self.worlds.insert(*n, world);
            }
            Step::Withdraw(n) => {
                let before = self.worlds.remove(n);
                self.scores.remove(n);
                self.change(*n, before.as_ref(), None);
            }
            Step::Forget(n) => {
                self.worlds.remove(n);
                self.scores.remove(n);
                self.change(*n, None, None);
            }
            Step::Observe(n, users) => self.observe(*n, *users),
            Step::Wait => self.wait(),
            Step::Fold => assert!(block_on(compact::run(&self.port.store, 1)).is_ok()),
        }
    }

    fn change(&self, n: usize, before: Option<&World>, after: Option<&World>) {
        let environment = self.port.environment();
        let plan = block_on(index::plan(&self.port.store, &environment, &name(n), before, after)).unwrap();
        let mut writes = plan.writes;
        let key = format!("discovery/world/{}", name(n));
        writes.push(match after {
            Some(world) => Write::put(key, serde_json::to_vec(world).unwrap()),
            None => Write::delete(key),
        });
        let outcome = block_on(self.port.store.commit(&plan.checks, &writes)).unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    }

    fn observe(&mut self, n: usize, users: u64) {
        let Some(world) = self.worlds.get(&n) else { return };
        let environment = self.port.environment();
        let plan = block_on(index::observe(&self.port.store, &environment, world, users)).unwrap();
        let outcome = block_on(self.port.store.commit(&plan.checks, &plan.writes)).unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        let (score, at) = self.scores.entry(n).or_default();
        *score = popularity::observe(*score, *at, users, environment.now);
        *at = Some(environment.now);
    }

    /// The records last long enough, and the averages sink.
    fn wait(&mut self) {
        self.port.advance_s(14 * 24 * 60 * 60);
        let environment = self.port.environment();
        while block_on(index::decay::run(&self.port.store, &environment)).unwrap() {}
        for (score, at) in self.scores.values_mut() {
            let sunk = popularity::decayed(*score, *at, environment.now);
            if popularity::degree(sunk) != popularity::degree(*score) {
                (*score, *at) = (sunk, Some(environment.now));
            }
        }
    }

    fn fold_all(&self) {
        while block_on(compact::run(&self.port.store, 1)).unwrap() != Folded::Nothing {}
    }

    fn page(&self, question: &Question) -> Page {
        block_on(search::search(&self.port.store, &self.port.environment(), question)).unwrap()
    }

    /// Everything that is found, page by page.
    fn found(&self, question: &Question) -> Vec<String> {
        let (mut question, mut found) = (question.clone(), Vec::new());
        loop {
            let page = self.page(&question);
            found.extend(page.worlds.into_iter().map(|world| world.fields.name));
            match page.next {
                Some(next) => question.cursor = Some(next),
                None => return found,
            }
        }
    }

    /// The ranks of all worlds that should be found.
    fn expected(&self, question: &Question) -> BTreeMap<String, (u64, u8)> {
        let mut classes = BTreeMap::new();
        for (n, world) in &self.worlds {
            if let Some(class) = class(question, &Facts::of(world)) {
                classes.insert(*n, class);
            }
        }
        // Typos are looked for only where there is little else.
        if classes.values().filter(|class| **class < 3).count() >= 20 {
            classes.retain(|_, class| *class < 3);
        }
        let rank = |(n, class): (usize, u64)| {
            let degree = popularity::degree(self.scores.get(&n).map_or(0.0, |(score, _)| *score));
            let distance = question.near.map(|near| distance_m(near, &Facts::of(&self.worlds[&n])).unwrap());
            let rank = match (question.sort, distance) {
                (Some(Sort::Distance), Some(distance)) => (distance, 0),
                (Some(Sort::Relevance), _) => (class, 15 - degree),
                _ => (0, 15 - degree),
            };
            (name(n), rank)
        };
        classes.into_iter().map(rank).collect()
    }

    fn check(&self, question: &Question) {
        let expected = self.expected(question);
        let found = self.found(question);
        let mut names: Vec<&String> = found.iter().collect();
        names.sort();
        assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{question:?}");
        assert!(found.iter().map(|name| expected[name]).is_sorted(), "{question:?} {found:?} {expected:?}");
        assert_eq!(self.page(question).matches.unwrap_or(found.len() as u64), found.len() as u64);
    }
}

/// A distance in whole metres.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no distance is negative or long")]
fn metres(distance: f64) -> u64 {
    distance as u64
}

fn distance_m(from: Place, facts: &Facts) -> Option<u64> {
    let centre = h3o::LatLng::from(terms::leaf(facts.position?)?);
    Some(metres(h3o::LatLng::new(from.latitude, from.longitude).unwrap().distance_m(centre)))
}

/// How well a world fits, if it does: by its names, its words, their starts, or nearly.
fn class(question: &Question, facts: &Facts) -> Option<u64> {
    let fold = |text: &String| terms::value('-', text);
    let tags: Vec<String> = facts.tags.iter().map(fold).collect();
    let spoken = |asked: &String| {
        let asked = asked.to_lowercase();
        let mut languages = facts.languages.iter().map(|tag| tag.to_lowercase());
        languages.any(|tag| tag == asked || tag.starts_with(&format!("{asked}-")))
    };
    let fits = question.tags.iter().all(|tag| tags.contains(&fold(tag)))
        && (question.languages.is_empty() || question.languages.iter().any(spoken))
        && question.rating_max.is_none_or(|most| facts.rating.is_some_and(|level| level <= most))
        && question.near.is_none_or(|near| {
            let within = question.within_km.map_or(u64::MAX, |km| metres(km * 1000.0));
            distance_m(near, facts).is_some_and(|metres| metres <= within)
        });
    let words = |texts: &[&Vec<String>]| -> Vec<String> {
        texts.iter().flat_map(|texts| texts.iter().flat_map(|text| terms::of_text(text))).collect()
    };
    let title = words(&[&facts.titles, &facts.tags]);
    let all = words(&[&facts.titles, &facts.tags, &facts.texts]);
    let asked: Vec<String> = terms::of_text(question.text.as_deref().unwrap_or_default()).collect();
    let class = |word: &String| {
        let starts = |words: &[String]| words.iter().any(|other| other.starts_with(word.as_str()));
        let length = word.chars().count();
        if title.contains(word) {
            Some(0)
        } else if all.contains(word) {
            Some(1)
        } else if starts(if length < terms::START_LENGTH { &title } else { &all }) {
            Some(2)
        } else {
            let typos = [0, 0, 0, 0, 1, 1, 1, 1].get(length).copied().unwrap_or(2);
            let near = |other: &&String| {
                let initials: Vec<char> = word.chars().take(2).collect();
                strsim::osa_distance(word, other) <= typos
                    && other.chars().next().is_some_and(|first| initials.contains(&first))
            };
            all.iter().find(near).map(|_| 3)
        }
    };
    let classes: Option<Vec<u64>> = asked.iter().map(class).collect();
    classes.filter(|_| fits).map(|classes| classes.into_iter().max().unwrap_or(0))
}

#[test]
fn a_world_whose_record_the_registry_has_lost_is_not_counted_among_those_of_a_place() {
    let look = Look {
        title: vec![0],
        text: vec![],
        tags: vec![],
        languages: vec![],
        place: Some(0),
        rating: Some(0),
    };
    let mut both = Both::new();
    for step in [Step::Put(5, look.clone()), Step::Put(6, look), Step::Fold, Step::Forget(5), Step::Fold] {
        both.apply(&step);
    }
    let near = Place::new(PLACES[0].0, PLACES[0].1);
    both.check(&Question { near, sort: Some(Sort::Popularity), limit: Some(1), ..Question::default() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happened_a_search_finds_what_looking_at_every_world_finds(
        steps in prop::collection::vec(step(), 1..60),
        questions in prop::collection::vec(question(), 1..12),
    ) {
        let mut both = Both::new();
        for step in &steps {
            both.apply(step);
        }
        let relevant = |mut question: Question| {
            let has_words = terms::of_text(question.text.as_deref().unwrap_or_default()).next().is_some();
            if has_words && question.sort != Some(Sort::Distance) {
                question.sort = Some(Sort::Relevance);
            }
            question
        };
        let questions: Vec<Question> = questions.iter().cloned().chain(questions.iter().cloned().map(relevant)).collect();
        let before: Vec<Vec<String>> = questions.iter().map(|question| {
            both.check(question);
            both.found(question)
        }).collect();
        both.fold_all();
        for (question, before) in questions.iter().zip(before) {
            prop_assert_eq!(both.found(question), before, "folding changed what {:?} finds", question);
        }
    }

    #[test]
    fn pages_neither_skip_nor_repeat_worlds_that_stay_as_they_are(
        looks in prop::collection::vec(look(), 20),
        steps in prop::collection::vec(step(), 40),
        question in question(),
    ) {
        let mut both = Both::new();
        for (n, look) in looks.iter().enumerate() {
            both.apply(&Step::Put(n, look.clone()));
        }
        let mut question = question;
        question.limit = Some(2);
        let stay = both.expected(&question);
        let (mut found, mut changed, mut steps) = (Vec::new(), Vec::new(), steps.iter());
        loop {
            let page = both.page(&question);
            found.extend(page.worlds.into_iter().map(|world| world.fields.name));
            let Some(next) = page.next else { break };
            question.cursor = Some(next);
            for step in steps.by_ref().take(3) {
                if let Step::Put(n, _) | Step::Withdraw(n) | Step::Forget(n) | Step::Observe(n, _) = step {
                    changed.push(name(*n));
                }
                both.apply(step);
            }
        }
        // Typos come and go with the number of better results, so they may not be there at all.
        let is_exact = |name: &&String| class(&question, &Facts::of(&world(0, &looks[name[1..].parse::<usize>().unwrap()]))).is_some_and(|class| class < 3);
        for name in stay.keys().filter(|name| !changed.contains(name)).filter(is_exact) {
            let times = found.iter().filter(|other| *other == name).count();
            prop_assert_eq!(times.cmp(&1), Ordering::Equal, "{} came {} times", name, times);
        }
    }
}
