//! `vwp world search`: finding worlds by words and properties.

use super::text;
use crate::connection::PortArguments;
use crate::output::{Column, OutputArguments, at};
use crate::port::Port;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// How many worlds a page holds when all pages are read.
const PAGE_LENGTH: usize = 100;

const COLUMNS: &[Column<'_>] = &[
    ("NAME", |world| at(world, "/name")),
    ("TITLE", |world| text(world, "title")),
    ("TAGS", |world| at(world, "/tags")),
    ("RATING", |world| at(world, "/rating/level")),
    ("LANGUAGES", |world| at(world, "/languages")),
    ("USERS", |world| at(world, "/live/users")),
];

const FACET_COLUMNS: &[Column<'_>] = &[
    ("FILTER", |facet| at(facet, "/filter")),
    ("VALUE", |facet| at(facet, "/value")),
    ("WORLDS", |facet| at(facet, "/worlds")),
];

/// What `vwp world search` is given.
#[derive(Debug, Args)]
pub struct SearchArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    filters: Filters,
    /// How many worlds a page holds, 1 to 100
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Where a page before this one said that the next one starts
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    cursor: Option<String>,
    /// Read page after page
    #[arg(long)]
    all: bool,
    /// With --all: how many worlds are read at most
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    max: usize,
    /// Count the tags, languages and so on of what was found, instead of showing it
    #[arg(long, conflicts_with = "all")]
    facets: bool,
}

/// Which worlds are wanted.
#[derive(Debug, Default, Args)]
struct Filters {
    /// Words of the name, the title, the description or the tags
    words: Vec<String>,
    /// A tag that it has; may be repeated, and so may the next four
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// A language that is spoken there, such as pt-BR
    #[arg(long, value_name = "LANGUAGE")]
    language: Vec<String>,
    /// A region where it can be entered
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// The software that it runs
    #[arg(long, value_name = "SOFTWARE")]
    software: Vec<String>,
    /// A protocol that it speaks
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Vec<String>,
    /// The highest content rating, an age in years
    #[arg(long, value_name = "YEARS")]
    rating: Option<String>,
    /// Only worlds that say that they let people in now
    #[arg(long)]
    accepting: bool,
    /// Nearest first, from this place
    #[arg(long, value_name = "LATITUDE,LONGITUDE", allow_hyphen_values = true)]
    near: Option<String>,
    /// With --near: not farther than this
    #[arg(long, value_name = "KM", requires = "near")]
    within_km: Option<String>,
    /// The order
    #[arg(long, value_name = "ORDER")]
    sort: Option<Sort>,
}

/// The orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// The best matches first
    Relevance,
    /// The most visited first
    Popularity,
    /// The nearest first
    Distance,
    /// By name
    Name,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Popularity => "popularity",
            Self::Distance => "distance",
            Self::Name => "name",
        }
    }
}

impl Filters {
    fn query(&self) -> form_urlencoded::Serializer<'static, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.words.is_empty() {
            query.append_pair("q", &self.words.join(" "));
        }
        let repeated = [
            ("tag", &self.tag),
            ("language", &self.language),
            ("region", &self.region),
            ("software", &self.software),
            ("protocol", &self.protocol),
        ];
        for (name, values) in repeated {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        let single = [("rating", &self.rating), ("near", &self.near), ("within_km", &self.within_km)];
        for (name, value) in single {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        if let Some(sort) = self.sort {
            query.append_pair("sort", sort.word());
        }
        if self.accepting {
            query.append_pair("accepting", "true");
        }
        query
    }
}

/// A page of worlds.
pub(super) struct Page {
    /// The worlds.
    pub(super) worlds: Vec<Value>,
    /// Where the next page starts.
    pub(super) next: Option<String>,
    facets: Value,
}

/// Reads a page of what a query finds.
pub(super) fn page(
    port: &Port,
    mut query: form_urlencoded::Serializer<'static, String>,
    limit: usize,
    cursor: Option<&str>,
) -> anyhow::Result<Page> {
    query.append_pair("limit", &limit.to_string());
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    let mut page: Value = port.get(&format!("/v1/worlds?{}", query.finish()))?;
    let worlds = match page.get_mut("worlds").map(Value::take) {
        Some(Value::Array(worlds)) => worlds,
        _ => Vec::new(),
    };
    let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
    Ok(Page { worlds, next, facets: page.get_mut("facets").map(Value::take).unwrap_or_default() })
}

pub(crate) fn run(arguments: &SearchArguments) -> anyhow::Result<()> {
    let port = arguments.port.port();
    if arguments.facets {
        return facets(&port, arguments);
    }
    let mut cursor = arguments.cursor.clone();
    let mut left = if arguments.all { arguments.max } else { usize::from(arguments.limit) };
    let mut table = Vec::new();
    loop {
        let limit = left.min(if arguments.all { PAGE_LENGTH } else { left });
        let page = page(&port, arguments.filters.query(), limit, cursor.as_deref())?;
        left = left.saturating_sub(page.worlds.len());
        if arguments.output.json {
            arguments.output.rows(&page.worlds, COLUMNS)?;
        } else {
            // One table, because the width of its columns depends on every row.
            table.extend(page.worlds);
        }
        cursor = page.next;
        if cursor.is_none() || left == 0 || !arguments.all {
            break;
        }
    }
    if !arguments.output.json {
        arguments.output.rows(&table, COLUMNS)?;
    }
    if let Some(cursor) = cursor {
        eprintln!("There is more: --cursor {cursor}");
    }
    Ok(())
}

fn facets(port: &Port, arguments: &SearchArguments) -> anyhow::Result<()> {
    let mut query = arguments.filters.query();
    query.append_pair("facets", "true");
    let page = page(port, query, 1, None)?;
    let mut rows = Vec::new();
    for (filter, counts) in page.facets.get("counts").and_then(Value::as_object).into_iter().flatten() {
        for count in counts.as_array().into_iter().flatten() {
            rows.push(
                json!({ "filter": filter, "value": count.get("value"), "worlds": count.get("worlds") }),
            );
        }
    }
    if page.facets.get("is_complete") == Some(&false.into()) {
        eprintln!("There are many worlds: some were left out, and every count is a share of a sample.");
    }
    arguments.output.rows(&rows, FACET_COLUMNS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: SearchArguments,
    }

    fn query(line: &str) -> String {
        Line::parse_from(line.split(' ')).arguments.filters.query().finish()
    }

    #[test]
    fn every_filter_reaches_the_port() {
        assert_eq!(query("search"), "");
        assert_eq!(query("search duels at --tag pvp --tag eu"), "q=duels+at&tag=pvp&tag=eu");
        assert_eq!(
            query("search --near -12.5,130.8 --within-km 50 --language de --accepting --sort distance"),
            "language=de&near=-12.5%2C130.8&within_km=50&sort=distance&accepting=true"
        );
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for line in
            ["search --within-km 5", "search --all --cursor c", "search --limit 0", "search --limit 101"]
        {
            assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line} was accepted");
        }
    }
}
