//! Worlds that are made up, as many as one likes and the same in every run: names and texts
//! by Zipf's law, tags and languages of which some are far more frequent than others, and
//! places around cities.

use std::f64::consts::TAU;
use vwp_discovery::record::{Endpoint, Location, Rating, Record, Software, Texts};
use vwp_discovery::registry::World;

const VOCABULARY: usize = 60_000;
const CITIES: usize = 400;
const TAGS: usize = 600;
const LANGUAGES: [&str; 24] = [
    "en", "zh", "es", "pt-BR", "ja", "de", "fr", "ru", "ko", "it", "pl", "tr", "nl", "id", "th", "vi", "sv",
    "cs", "uk", "hu", "fi", "da", "he", "el",
];
const REGIONS: [&str; 12] = [
    "eu-central",
    "us-east",
    "us-west",
    "ap-east",
    "eu-west",
    "ap-south",
    "sa-east",
    "us-central",
    "eu-north",
    "ap-north",
    "af-south",
    "oc-east",
];
const SOFTWARE: [&str; 10] =
    ["paper", "fabric", "vircadia", "luanti", "forge", "opensim", "hubs", "velocity", "spigot", "resonite"];
const TRANSPORTS: [&str; 4] = ["minecraft", "https", "luanti", "wss"];
const AGES: [u8; 5] = [0, 7, 12, 16, 18];
const SYLLABLES: [&str; 48] = [
    "ar", "bel", "cas", "dor", "el", "fen", "gor", "hal", "is", "jor", "kal", "lor", "mar", "nor", "or",
    "pel", "quin", "ras", "sil", "tor", "ul", "var", "wyn", "xan", "yl", "zor", "ba", "ce", "di", "fo", "gu",
    "ha", "ki", "lo", "mi", "na", "po", "ra", "se", "ti", "tle", "ven", "wood", "land", "craft", "realm",
    "sea", "sky",
];

/// Numbers that are the same in every run (SplitMix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below a number.
    pub(crate) fn below(&mut self, number: usize) -> usize {
        usize::try_from(self.next() % number as u64).unwrap_or(0)
    }

    /// Below a number, where the n-th is n times as rare as the first (Zipf's law).
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    pub(crate) fn zipf(&mut self, number: usize) -> usize {
        let drawn = ((number as f64 + 1.0).powf(self.share()) - 1.0) as usize;
        drawn.min(number - 1)
    }
}

/// A word by its rank: frequent ones are short.
pub(crate) fn word(rank: usize) -> String {
    let (mut left, mut word) = (rank + 1, String::new());
    while left > 0 {
        word.push_str(SYLLABLES[left % SYLLABLES.len()]);
        left /= SYLLABLES.len();
    }
    word
}

/// A tag by its rank.
pub(crate) fn tag(rank: usize) -> String {
    word(rank * 7 + 100)
}

/// A language by its rank.
pub(crate) fn language(rank: usize) -> &'static str {
    LANGUAGES[rank]
}

/// Something that a world says.
fn words(chance: &mut Chance, least: usize, more: usize) -> String {
    let count = least + chance.below(more);
    let words: Vec<String> = (0..count).map(|_| word(chance.zipf(VOCABULARY))).collect();
    words.join(" ")
}

/// Where a city is.
fn city(number: usize) -> (f64, f64) {
    let mut chance = Chance::new(0xC17 ^ number as u64);
    // People live between 45° south and 60° north.
    (chance.share() * 105.0 - 45.0, chance.share() * 360.0 - 180.0)
}

/// A place near a city: frequent cities are more often drawn.
pub(crate) fn place(chance: &mut Chance) -> (f64, f64) {
    let (latitude, longitude) = city(chance.zipf(CITIES));
    let (angle, distance) = (chance.share() * TAU, chance.share() * chance.share() * 0.5);
    (latitude + distance * angle.sin(), (longitude + distance * angle.cos()).clamp(-180.0, 180.0))
}

/// How many worlds or questions there are of each kind.
pub(crate) const TAGS_DRAWN: usize = TAGS;
/// How many words there are.
pub(crate) const WORDS_DRAWN: usize = VOCABULARY;
/// How many languages there are.
pub(crate) const LANGUAGES_DRAWN: usize = LANGUAGES.len();

/// A world by its number, and the average of its users.
pub(crate) fn world(number: usize, now_s: u64) -> (World, f64) {
    let mut chance = Chance::new(number as u64);
    let name = format!("{}-{}-{number:x}", word(chance.zipf(VOCABULARY)), word(chance.zipf(VOCABULARY)));
    let (latitude, longitude) = place(&mut chance);
    let endpoint = Endpoint {
        region: Some(REGIONS[chance.zipf(REGIONS.len())].to_owned()),
        ..Endpoint::new(TRANSPORTS[chance.zipf(TRANSPORTS.len())], &format!("{name}.example"), 25565)
    };
    let fields = Record {
        uuid: uuid::Uuid::from_u128(number as u128),
        seq: 1,
        iat: now_s,
        exp: now_s + 300 * 24 * 60 * 60,
        aud: "http://127.0.0.1:3000".to_owned(),
        title: Texts::one("en", &words(&mut chance, 2, 3)),
        description: Texts::one("en", &words(&mut chance, 8, 20)),
        tags: (0..=chance.below(4)).map(|_| tag(chance.zipf(TAGS))).collect(),
        languages: (0..=chance.below(2)).map(|_| language(chance.zipf(LANGUAGES.len())).to_owned()).collect(),
        rating: Some(Rating { level: AGES[chance.below(AGES.len())], ..Rating::default() }),
        software: Some(Software { name: SOFTWARE[chance.zipf(SOFTWARE.len())].to_owned(), version: None }),
        location: (chance.share() < 0.8).then_some(Location { latitude, longitude, altitude: None }),
        endpoints: vec![endpoint],
        name,
        ..Record::default()
    };
    // A third of the worlds have users, and few of them have many.
    let score = if chance.share() < 0.33 { 0.5 / (1.0 - chance.share()).max(1e-5) } else { 0.0 };
    let operator = format!("operator-{}", number / 4);
    (World { operator, fields, record: String::new() }, score)
}
