//! Finding worlds by their words.

use crate::support::{self, Operator, Port, record};
use http::StatusCode;
use std::cell::Cell;
use std::collections::BTreeSet;
use vwp_discovery::record::Record;

fn names(port: &Port, query: &str) -> (Vec<String>, Option<String>) {
    let answer = port.get(&format!("/v1/worlds{query}"));
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    let json = answer.json();
    let name = |world: &serde_json::Value| world["name"].as_str().unwrap().to_owned();
    let names = json["worlds"].as_array().unwrap().iter().map(name).collect();
    (names, json["next"].as_str().map(str::to_owned))
}

fn found(port: &Port, q: &str) -> Vec<String> {
    let (mut names, next) = names(port, &format!("?q={q}"));
    assert_eq!(next, None);
    names.sort();
    names
}

fn titled(name: &str, title: &str) -> Record {
    Record { title: support::title(title), tags: vec![], ..record(name) }
}

fn port_with(records: &[Record]) -> Port {
    let (port, operator) = (Port::new(), Operator::new(1));
    for record in records {
        port.register(&operator, record);
    }
    port
}

#[test]
fn a_world_is_found_by_words_of_its_name_title_description_and_tags() {
    let world = Record {
        title: support::title("The Golden Harbour"),
        description: support::title("Ships, trade\nand storms."),
        tags: vec!["role-play".into()],
        ..record("port-royal")
    };
    let port = port_with(&[world, titled("other", "Elsewhere")]);
    for word in ["golden", "GOLD", "harb", "royal", "port", "storms", "trade", "role", "play", "gold+storm"] {
        assert_eq!(found(&port, word), ["port-royal"], "{word}");
    }
    for word in ["olden", "golden+elsewhere", "gild", "!!!", "%00"] {
        assert_eq!(found(&port, word), Vec::<String>::new(), "{word}");
    }
}

#[test]
fn all_words_must_match_and_order_does_not_matter() {
    let port = port_with(&[
        titled("one", "red fast ship"),
        titled("two", "red slow ship"),
        titled("three", "blue fast ship"),
    ]);
    assert_eq!(found(&port, "ship"), ["one", "three", "two"]);
    assert_eq!(found(&port, "ship+red"), ["one", "two"]);
    assert_eq!(found(&port, "fa+re+sh"), ["one"]);
    assert_eq!(found(&port, "re+re"), ["one", "two"]);
}

#[test]
fn a_world_with_several_matching_words_is_found_once() {
    let port = port_with(&[titled("one", "arena arenas arenaland are")]);
    assert_eq!(found(&port, "are"), ["one"]);
    assert_eq!(found(&port, "arena"), ["one"]);
    assert_eq!(found(&port, "arena+are"), ["one"]);
}

#[test]
fn words_match_in_every_script_case_and_form() {
    let port = port_with(&[
        titled("one", "Café Straße"),
        titled("two", "ΣΊΣΥΦΟΣ"),
        titled("three", "世界 мир"),
        titled("bücher", "B"),
    ]);
    // Decomposed, in capitals, with the ligature's letters, full-width.
    for (word, name) in [
        ("cafe%CC%81", "one"),
        ("CAF%C3%89", "one"),
        ("strasse", "one"),
        ("%CF%83%CE%AF%CF%83%CF%85%CF%86%CE%BF%CF%82", "two"),
        ("%D0%9C%D0%98", "three"),
        ("%E4%B8%96", "three"),
        ("%EF%BC%A2%C3%BCch", "xn--bcher-kva"),
    ] {
        assert_eq!(found(&port, word), [name], "{word}");
    }
}

#[test]
fn a_changed_record_is_found_by_its_new_words_only() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &titled("arena", "Old words stay"));
    port.register(&operator, &Record { seq: 2, ..titled("arena", "New words stay") });
    assert_eq!(found(&port, "old"), Vec::<String>::new());
    assert_eq!(found(&port, "new"), ["arena"]);
    assert_eq!(found(&port, "stay"), ["arena"]);
}

#[test]
fn without_words_all_worlds_are_listed_by_name() {
    let port = port_with(&[record("c"), record("a"), record("b")]);
    assert_eq!(names(&port, ""), (vec!["a".into(), "b".into(), "c".into()], None));
    assert_eq!(names(&port, "?q="), (vec!["a".into(), "b".into(), "c".into()], None));
}

fn all_pages(port: &Port, query: &str, between: impl Fn(usize)) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for page in 0..1000 {
        let (names, next) = names(port, &format!("?{query}{cursor}"));
        all.extend(names);
        between(page);
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
    panic!("the pages never end");
}

#[test]
fn pages_have_every_world_once() {
    let records: Vec<Record> = (0..57).map(|n| titled(&format!("world{n:02}"), "Common words")).collect();
    let port = port_with(&records);
    let expected: Vec<String> = (0..57).map(|n| format!("world{n:02}")).collect();
    for limit in [1, 19, 56, 57, 58, 100] {
        assert_eq!(all_pages(&port, &format!("limit={limit}"), |_| ()), expected, "limit {limit}");
        let mut found = all_pages(&port, &format!("q=common&limit={limit}"), |_| ());
        found.sort();
        assert_eq!(found, expected, "limit {limit}");
    }
    assert_eq!(names(&port, "").0.len(), 20);
}

#[test]
fn cursors_stay_good_while_worlds_come_and_change() {
    let (port, operator) = (Port::new(), Operator::new(1));
    for n in 0..20 {
        port.register(&operator, &titled(&format!("world{n:02}"), "Common words"));
    }
    let seq = Cell::new(1);
    for query in ["limit=3", "limit=3&q=common", "limit=3&q=wor"] {
        let found = all_pages(&port, query, |page| {
            let name = format!("{}new{page}", if page % 2 == 0 { "a" } else { "zz" });
            let record = titled(&format!("{name}-{}", query.len()), "Common words");
            port.register(&operator, &record);
            // Worlds that were already shown, or are still to come, are registered anew.
            seq.set(seq.get() + 1);
            port.register(&operator, &Record { seq: seq.get(), ..titled("world10", "Common words") });
        });
        let found_once: BTreeSet<&String> = found.iter().collect();
        assert_eq!(found.len(), found_once.len(), "{query}: something came twice");
        for n in 0..20 {
            assert!(found.contains(&format!("world{n:02}")), "{query}: world{n:02} was skipped");
        }
    }
}

#[test]
fn a_word_that_many_worlds_have_does_not_hide_the_few_that_have_both() {
    let (port, operator) = (Port::new(), Operator::new(1));
    for n in 0..1200 {
        let title = if n == 1150 { "commonword rare" } else { "commonword" };
        port.register(&operator, &titled(&format!("w{n:04}"), title));
    }
    assert_eq!(all_pages(&port, "q=commonword+rare", |_| ()), ["w1150"]);
}

#[test]
fn questions_out_of_their_bounds_are_refused() {
    let port = port_with(&[record("a"), record("b")]);
    let next = names(&port, "?limit=1").1.unwrap();
    let found = names(&port, "?q=world&limit=1").1.unwrap();
    let long = "a".repeat(257);
    let cases = [
        ("limit=0", "bad-request"),
        ("limit=101", "bad-request"),
        ("limit=-1", "bad-request"),
        ("limit=x", "bad-request"),
        ("limit=1&limit=2", "bad-request"),
        ("page=2", "bad-request"),
        ("near=91,0", "bad-request"),
        ("near=1", "bad-request"),
        ("within_km=5", "bad-request"),
        ("near=1,1&within_km=-5", "bad-request"),
        ("near=1,1&within_km=NaN", "bad-request"),
        ("sort=best", "bad-request"),
        ("sort=distance", "bad-request"),
        ("sort=relevance", "bad-request"),
        ("q=a&sort=name", "bad-request"),
        ("rating=999", "bad-request"),
        ("accepting=perhaps", "bad-request"),
        ("tag=", "bad-request"),
        (&"tag=a&".repeat(9), "bad-request"),
        ("q=a+b+c+d+e+f+g+h+i", "bad-request"),
        (&format!("q={long}"), "bad-request"),
        (&format!("x={}", "a".repeat(5000)), "bad-request"),
        ("cursor=!", "bad-cursor"),
        ("cursor=AAAA", "bad-cursor"),
        (&format!("cursor={long}"), "bad-cursor"),
        (&format!("q=a&cursor={next}"), "bad-cursor"),
        (&format!("q=b&cursor={found}"), "bad-cursor"),
    ];
    for (query, slug) in cases {
        assert_eq!(port.get(&format!("/v1/worlds?{query}")).slug(), slug, "{query}");
    }
}
