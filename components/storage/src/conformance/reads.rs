//! Reads: order, pages, snapshots.

use super::{entry, keys, paged, put, scan};
use crate::kv::{Direction, KeyRange, Kv, Write};

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    many_keys_are_answered_in_the_order_asked(&make().await).await;
    keys_order_as_bytes(&make().await).await;
    pages_cover_a_range_once_in_both_directions(&make().await).await;
    a_range_excludes_its_end(&make().await).await;
    an_empty_range_is_an_empty_page(&make().await).await;
    a_page_is_bounded_in_bytes(&make().await).await;
    long_keys_and_values_read_back(&make().await).await;
}

async fn many_keys_are_answered_in_the_order_asked(kv: &impl Kv) {
    let first = put(kv, &[Write::put("s/a", "1"), Write::put("s/b", "2")]).await;
    let second = put(kv, &[Write::put("s/b", "3")]).await;
    let seen = kv.get_many(&keys(&["s/b", "s/none", "s/a", "s/b"])).await.expect("well formed");
    let seen: Vec<_> =
        seen.into_iter().map(|entry| entry.map(|entry| (entry.value, entry.version))).collect();
    let (a, b) = ((b"1".to_vec(), first), (b"3".to_vec(), second));
    assert_eq!(seen, [Some(b.clone()), None, Some(a), Some(b)]);
    assert!(second > first && first > 0, "versions are positive and increase");
    assert_eq!(kv.get_many(&[]).await, Ok(vec![]));
}

async fn keys_order_as_bytes(kv: &impl Kv) {
    let names: [&[u8]; 6] = [b"s/\x00", b"s/\x00\x00", b"s/a", b"s/a\xff", b"s/b", b"s/\xff"];
    for name in names.iter().rev() {
        put(kv, &[Write::put(*name, "")]).await;
    }
    let range = KeyRange::prefix("s/");
    assert_eq!(paged(kv, &range, 100, Direction::Forward).await, names);
    let reversed: Vec<_> = names.iter().rev().collect();
    assert_eq!(paged(kv, &range, 100, Direction::Backward).await.iter().collect::<Vec<_>>(), reversed);
}

async fn pages_cover_a_range_once_in_both_directions(kv: &impl Kv) {
    let names: Vec<_> = (0..25).map(|n| format!("s/{n:02}").into_bytes()).collect();
    let writes: Vec<_> = names.iter().map(|name| Write::put(name.clone(), "v")).collect();
    put(kv, &writes).await;
    put(kv, &[Write::put("r/x", ""), Write::put("t/x", "")]).await;
    let range = KeyRange::prefix("s/");
    for limit in [1, 2, 5, 24, 25, 26, 1000] {
        assert_eq!(paged(kv, &range, limit, Direction::Forward).await, names, "pages of {limit}");
        let mut backward = paged(kv, &range, limit, Direction::Backward).await;
        backward.reverse();
        assert_eq!(backward, names, "pages of {limit}, backward");
    }
    assert_eq!(scan(kv, &range, 25, Direction::Forward).await.next, None, "a full last page is the last");
    assert_eq!(scan(kv, &range, 25, Direction::Backward).await.next, None, "a full last page is the last");
}

async fn a_range_excludes_its_end(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", ""), Write::put("s/b", ""), Write::put("s/c", "")]).await;
    let range = KeyRange { start: b"s/a".to_vec(), end: b"s/c".to_vec() };
    assert_eq!(paged(kv, &range, 10, Direction::Forward).await, keys(&["s/a", "s/b"]));
    assert_eq!(paged(kv, &range, 10, Direction::Backward).await, keys(&["s/b", "s/a"]));
}

async fn an_empty_range_is_an_empty_page(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "")]).await;
    for (start, end) in [("s/a", "s/a"), ("s/b", "s/a"), ("s/b", "s/c")] {
        let range = KeyRange { start: start.into(), end: end.into() };
        let page = scan(kv, &range, 10, Direction::Forward).await;
        assert_eq!((page.items, page.next), (vec![], None), "{start} to {end}");
    }
}

async fn a_page_is_bounded_in_bytes(kv: &impl Kv) {
    let names: Vec<_> = (0..96).map(|n| format!("s/{n:02}").into_bytes()).collect();
    for names in names.chunks(12) {
        let writes: Vec<_> = names.iter().map(|name| Write::put(name.clone(), vec![7; 65_536])).collect();
        put(kv, &writes).await;
    }
    let page = scan(kv, &KeyRange::prefix("s/"), 1000, Direction::Forward).await;
    assert!(!page.items.is_empty() && page.items.len() < 96, "six megabytes take more than one page");
    assert_eq!(paged(kv, &KeyRange::prefix("s/"), 1000, Direction::Forward).await, names);
}

async fn long_keys_and_values_read_back(kv: &impl Kv) {
    let key = format!("s/{}", "k".repeat(1022));
    put(kv, &[Write::put(key.as_str(), vec![0xff; 65_536]), Write::put("s", "")]).await;
    assert_eq!(entry(kv, &key).await.map(|entry| entry.value), Some(vec![0xff; 65_536]));
    assert_eq!(entry(kv, "s").await.map(|entry| entry.value), Some(vec![]));
    let range = KeyRange { start: b"s".to_vec(), end: b"t".to_vec() };
    assert_eq!(paged(kv, &range, 1, Direction::Forward).await, keys(&["s", &key]));
}
