//! Key-value stores, through each of the interfaces that guests know them by.

use crate::support::{Host, MANIFEST};
use futures::future::join_all;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_guest_answers() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/hello", "").await, "hello");
}

#[tokio::test]
async fn a_value_is_kept_until_it_is_deleted_and_every_interface_sees_it() {
    let host = Host::start(MANIFEST).await;
    for interface in ["spin3", "spin2", "wasi"] {
        let path = |operation: &str| format!("/{interface}/{operation}/default/some/key");
        assert_eq!(host.call(&path("get"), "").await, "absent");
        assert_eq!(host.call(&path("exists"), "").await, "false");
        assert_eq!(host.call(&path("set"), "old").await, "ok");
        assert_eq!(host.call(&path("set"), "new").await, "ok");
        for reader in ["spin3", "spin2", "wasi"] {
            assert_eq!(host.call(&format!("/{reader}/get/default/some/key"), "").await, "found new");
            assert_eq!(host.call(&format!("/{reader}/exists/default/some/key"), "").await, "true");
        }
        assert_eq!(host.call(&path("delete"), "").await, "ok");
        assert_eq!(host.call(&path("delete"), "").await, "ok");
        assert_eq!(host.call(&path("get"), "").await, "absent");
    }
}

#[tokio::test]
async fn a_value_survives_a_restart() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/spin3/set/default/kept", "value").await, "ok");
    let host = host.restart().await;
    assert_eq!(host.call("/spin3/get/default/kept", "").await, "found value");
}

#[tokio::test]
async fn stores_with_different_labels_are_apart() {
    let host = Host::start(MANIFEST).await;
    host.call("/spin3/set/default/a", "1").await;
    host.call("/spin3/set/default/b", "2").await;
    host.call("/spin3/set/second/c", "3").await;
    for interface in ["spin3", "spin2"] {
        assert_eq!(host.call(&format!("/{interface}/keys/default"), "").await, "a,b");
        assert_eq!(host.call(&format!("/{interface}/keys/second"), "").await, "c");
    }
    assert_eq!(host.call("/spin3/get/second/a", "").await, "absent");
}

#[tokio::test]
async fn a_store_that_is_not_granted_cannot_be_opened() {
    let host = Host::start(MANIFEST).await;
    for interface in ["spin3", "spin2", "wasi"] {
        for label in ["other", "default%2F", "..", ""] {
            let answer = host.call(&format!("/{interface}/get/{label}/key"), "").await;
            assert!(answer.contains("AccessDenied"), "{interface} {label}: {answer}");
        }
    }
}

#[tokio::test]
async fn all_keys_are_listed_however_many_there_are() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/spin3/count-keys/default", "").await, "0");
    assert_eq!(host.call("/wasi/count-keys/default", "").await, "0 keys in 1 pages");
    for prefix in ["a", "b"] {
        assert_eq!(host.call(&format!("/wasi/fill/default/{prefix}"), "value").await, "ok");
    }
    assert_eq!(host.call("/wasi/set/default/c", "").await, "ok");
    assert_eq!(host.call("/spin3/count-keys/default", "").await, "2001");
    assert_eq!(host.call("/wasi/count-keys/default", "").await, "2001 keys in 3 pages");
    // A guest may stop to read before the end.
    assert_eq!(host.call("/spin3/first-key/default", "").await, "a0");
    assert_eq!(host.call("/spin3/first-key/default", "").await, "a0");
}

#[tokio::test]
async fn a_batch_reads_writes_and_deletes_several_keys() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/wasi/set-many/default/a,b,a", "x").await, "ok");
    let found = host.call("/wasi/get-many/default/b,missing,a", "").await;
    assert_eq!(found, r#"[("b", Some([120])), ("missing", None), ("a", Some([120]))]"#);
    assert_eq!(host.call("/wasi/delete-many/default/a,missing,a", "").await, "ok");
    assert_eq!(host.call("/spin3/keys/default", "").await, "b");
}

#[tokio::test]
async fn a_value_or_key_that_is_too_long_is_refused_with_the_bound() {
    let host = Host::start(MANIFEST).await;
    assert_eq!(host.call("/spin3/set/default/big", vec![0; 65_536]).await, "ok");
    for interface in ["spin3", "spin2", "wasi"] {
        let answer = host.call(&format!("/{interface}/set/default/big"), vec![0; 65_537]).await;
        assert!(answer.contains("a value has 65537 bytes, more than 65536"), "{interface}: {answer}");
        let key = "k".repeat(1024);
        let answer = host.call(&format!("/{interface}/get/default/{key}"), "").await;
        assert!(answer.contains("a key has 1024 bytes, more than"), "{interface}: {answer}");
    }
}

#[tokio::test]
async fn the_number_of_open_stores_is_bounded_and_closing_them_helps() {
    let host = Host::start(MANIFEST).await;
    for _ in 0..2 {
        let answer = host.call("/spin3/open-many/default", "").await;
        assert!(answer.starts_with("Error::StoreTableFull after 256"), "{answer}");
    }
    assert_eq!(host.call("/spin3/get/default/key", "").await, "absent");
}

#[tokio::test]
async fn of_two_creators_of_a_key_exactly_one_wins() {
    let host = Host::start(MANIFEST).await;
    for race in 0..200 {
        let path = format!("/wasi/create/default/race{race}");
        let (left, right) = tokio::join!(host.call(&path, "left"), host.call(&path, "right"));
        let winner = match (left.as_str(), right.as_str()) {
            ("won", "lost to left") => "left",
            ("lost to right", "won") => "right",
            both => panic!("race {race}: {both:?}"),
        };
        let kept = host.call(&format!("/spin3/get/default/race{race}"), "").await;
        assert_eq!(kept, format!("found {winner}"));
    }
}

#[tokio::test]
async fn a_swap_that_comes_too_late_gets_a_handle_that_saw_the_change() {
    let host = Host::start(MANIFEST).await;
    host.call("/spin3/set/default/key", "first").await;
    assert_eq!(
        host.call("/wasi/overtake/default/key", "second").await,
        "found first; found first; found overtaken; true"
    );
    assert_eq!(host.call("/spin3/get/default/key", "").await, "found second");
}

#[tokio::test]
async fn no_increment_is_lost_however_many_there_are_at_once() {
    let host = Host::start(MANIFEST).await;
    let answers = join_all((0..400).map(|_| host.call("/wasi/increment/default/counter", "1"))).await;
    let sums: BTreeSet<i64> = answers.iter().map(|sum| sum.parse().expect(sum)).collect();
    assert_eq!(sums, (1..=400).collect(), "each increment answers its own sum");
    assert_eq!(host.call("/wasi/increment/default/counter", "-400").await, "0");
}

#[tokio::test]
async fn no_addition_by_compare_and_swap_is_lost() {
    let host = Host::start(MANIFEST).await;
    join_all((0..50).map(|_| host.call("/wasi/add/default/sum", "1"))).await;
    assert_eq!(host.call("/spin3/get/default/sum", "").await, "found 50");
}

#[tokio::test]
async fn what_is_not_a_counter_is_not_incremented_and_nothing_is_stuck() {
    let host = Host::start(MANIFEST).await;
    host.call("/spin3/set/default/text", "seven").await;
    let answer = host.call("/wasi/increment/default/text", "1").await;
    assert!(answer.contains("the value is not a counter"), "{answer}");
    assert_eq!(host.call("/spin3/get/default/text", "").await, "found seven");
    assert_eq!(host.call("/wasi/increment/default/number", "5").await, "5");
    let answer = host.call("/wasi/increment/default/number", i64::MAX.to_string()).await;
    assert!(answer.contains("the sum would not fit"), "{answer}");
    assert_eq!(host.call("/wasi/increment/default/number", "1").await, "6");
}
