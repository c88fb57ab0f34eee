//! `GET /v1/worlds`: finding worlds.

use super::WorldView;
use crate::search::{self, Place, Question, Sort};
use http::{Request, Response, StatusCode};
use serde::Serialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest query string, in bytes: all filters at their longest, encoded, would be longer,
/// and nobody needs them all.
const QUERY_LENGTH_MAX: usize = 4096;
/// The parameters, for whoever got one wrong.
const PARAMETERS: &str = "the parameters are q, tag, language, region, software, protocol, rating, accepting, near, \
     within_km, sort, facets, limit and cursor";

/// A page as the API shows it.
#[derive(Debug, Serialize)]
struct PageView<'a> {
    worlds: Vec<WorldView<'a>>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<search::Facets>,
}

/// Answers the request.
pub(super) async fn find<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let question = question(request.uri().query().unwrap_or_default())?;
    let page = search::search(store, environment, &question).await?;
    let worlds = page.worlds.iter().map(|world| WorldView::new(world, environment)).collect();
    let view = PageView { worlds, next: page.next, matches: page.matches, facets: page.facets };
    Ok(reply::json(StatusCode::OK, &view))
}

/// Reads the parameters. Those that are not known are refused, so that a misspelt one
/// is not silently ignored.
fn question(query: &str) -> Result<Question, Problem> {
    if query.len() > QUERY_LENGTH_MAX {
        return Err(Problem::bad_request(format!("the query string is at most {QUERY_LENGTH_MAX} bytes")));
    }
    let mut question = Question::default();
    let mut seen = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.into_owned();
        match &*key {
            "tag" => question.tags.push(value),
            "language" => question.languages.push(value),
            "region" => question.regions.push(value),
            "software" => question.software.push(value),
            "protocol" => question.protocols.push(value),
            once => {
                if seen.contains(&once.to_owned()) {
                    return Err(Problem::bad_request(format!("{once} may be given once")));
                }
                seen.push(once.to_owned());
                set(&mut question, once, value)?;
            }
        }
    }
    Ok(question)
}

/// Sets what may be given once.
fn set(question: &mut Question, key: &str, value: String) -> Result<(), Problem> {
    match key {
        "q" => question.text = Some(value),
        "cursor" => question.cursor = Some(value),
        "limit" => question.limit = Some(parsed(&value, "limit is 1 to 100")?),
        "rating" => question.rating_max = Some(parsed(&value, "rating is an age in years")?),
        "accepting" => question.accepting = parsed(&value, "accepting is true or false")?,
        "facets" => question.facets = parsed(&value, "facets is true or false")?,
        "near" => {
            let bad = "near is a latitude and a longitude in degrees, such as 52.5,13.4";
            let (latitude, longitude) = value.split_once(',').ok_or_else(|| Problem::bad_request(bad))?;
            let place = Place::new(parsed(latitude, bad)?, parsed(longitude, bad)?);
            question.near = Some(place.ok_or_else(|| Problem::bad_request(bad))?);
        }
        "within_km" => question.within_km = Some(parsed(&value, "within_km is a number of kilometres")?),
        "sort" => {
            question.sort = Some(match value.as_str() {
                "relevance" => Sort::Relevance,
                "popularity" => Sort::Popularity,
                "distance" => Sort::Distance,
                "name" => Sort::Name,
                _ => {
                    let bad = "sort is relevance, popularity, distance or name";
                    return Err(Problem::bad_request(bad));
                }
            });
        }
        _ => return Err(Problem::bad_request(PARAMETERS)),
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(value: &str, bad: &'static str) -> Result<T, Problem> {
    value.trim().parse().map_err(|_| Problem::bad_request(bad))
}
